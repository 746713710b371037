//! Single records: a few fields with their names, of which one is a password and another one an account. Together they say
//! that even an ordinary word is the password.

use super::columns::{Cell, Table};
use super::words::WORDS;
use super::{CellShape, ColumnRules, MAX_RELATED_WORDS, Reader, cell_shape, headers};
use crate::rules::placeholder_value;
use crate::rules::word_lists::{LABEL_WORDS, NOT_NAMES};

/// Maximum number of fields of a record, on either side of the password.
pub(super) const MAX_FIELDS: usize = 16;
/// Minimum number of characters of a word that is a password without an account beside it.
const MIN_PLAIN_CHARS: usize = 6;

/// A field of a record: the spans of its name and of its value.
pub(super) type Field = (Cell, Cell);

impl<R: ColumnRules> Reader<'_, R> {
    /// Whether a header says that its value is a password or a key.
    pub(super) fn names_login_secret(&self, header: Cell) -> bool {
        let rule = self.rules.headers().rule(self.value(header));
        rule.is_some_and(|rule| is_secret(self.rules.shape(rule)))
    }

    /// Judges the fields of one record. `end` is where the table ends that is returned.
    pub(super) fn login_record(&self, fields: &[Field], end: usize) -> Option<Table> {
        let names: Vec<Cell> = fields.iter().map(|f| f.0).collect();
        let rules = self.headers(&names)?;
        let secret = |n: usize| rules[n].is_some_and(|rule| is_secret(self.rules.shape(rule)));
        let has_account = || {
            (0..fields.len())
                .any(|n| !secret(n) && self.is_account_name(names[n]) && self.is_account_value(fields[n].1))
        };
        if !(0..fields.len()).any(secret) || !has_account() {
            return None;
        }
        let mut columns = self.columns(&names, &rules, true);
        columns.add_row(|n| {
            let value = fields.get(n)?.1;
            (!secret(n) || !self.is_label_of_secret(value)).then_some(value)
        });
        let table = columns.finish(end);
        (!table.cells.is_empty()).then_some(table)
    }

    fn is_account_name(&self, name: Cell) -> bool {
        let name = self.value(name);
        name.split_whitespace().count() <= MAX_RELATED_WORDS
            && (headers::is_account(name) || headers::is_personal(name))
    }

    /// Whether a value is an account or a person, as opposed to a label, a type or a variable.
    fn is_account_value(&self, value: Cell) -> bool {
        let v = self.value(value).trim();
        let lower = v.to_lowercase();
        (2..=100).contains(&v.len())
            && !cell_shape::is_null(v)
            && !placeholder_value::is_placeholder_value(v)
            && !WORDS.states.has(&lower)
            && !headers::is_account(v)
            && !v.contains(['(', '{', '<', '=', '$', ';'])
            && (!v.contains(' ') || cell_shape::matches(v, CellShape::Name))
    }

    /// Whether a value is one word that is neither a label, a form word nor a variable. It is then a password if it is the
    /// content of an element with that name.
    pub(super) fn is_plain_secret(&self, value: Cell) -> bool {
        let v = self.value(value);
        let lower = v.to_lowercase();
        v.chars().count() >= MIN_PLAIN_CHARS
            && cell_shape::is_evidence(v, CellShape::Password, true)
            && !v.contains(char::is_whitespace)
            && !v.contains(['{', '}', '$', '(', '<', '/', '\\', '_'])
            && !self.is_label_of_secret(value)
            && !LABEL_WORDS.has(&lower)
            && !NOT_NAMES.has(&lower)
            && !WORDS.remarks.has(&lower)
    }

    /// Whether the value of a password is a label or a variable: `Kennwort`, `user_password`, `Secret`.
    fn is_label_of_secret(&self, value: Cell) -> bool {
        let v = self.value(value).trim();
        let lower = v.to_lowercase();
        let title = v.chars().next().is_some_and(char::is_uppercase)
            && v.chars().skip(1).all(|c| c.is_lowercase() || c == ' ' || c == '-');
        title
            || ["pass", "pwd", "secret", "token", "kennwort", "credential"].iter().any(|w| lower.contains(w))
            || self.rules.headers().rule(v).is_some()
            || v.contains('.') && v.chars().all(|c| c.is_alphabetic() || matches!(c, '.' | '_'))
    }
}

fn is_secret(shape: CellShape) -> bool {
    matches!(shape, CellShape::Password | CellShape::MaybePassword | CellShape::Key)
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;

    #[test]
    fn a_word_beside_an_account_is_a_password() {
        for text in [
            "- name: Maren Tolliver\n  password: zebraduck\n- name: Maren Tolliver\n  password: zebraduck\n",
            "name: Maren Tolliver\npassword: zebraduck\n",
            "  smtp:\n    name: Maren Tolliver\n    ports:\n      - 25\n    password: zebraduck\n",
            "Name     : Maren Tolliver\nPassword : zebraduck\n\nName     : Maren Tolliver\nPassword : zebraduck\n",
            "    name = Maren Tolliver\npassword = zebraduck\n\n",
            "<u><name>Maren Tolliver</name><password>zebraduck</password></u>",
            "<u>\n  <password>zebraduck</password>\n  <id>7</id>\n  <name>Maren Tolliver</name>\n</u>",
            "<c:name>Maren Tolliver</c:name>\n<c:password>zebraduck</c:password>",
            "<u name=\"Maren Tolliver\" password=\"zebraduck\"/>",
            "<u id='7' password='zebraduck' name='Maren Tolliver'></u>",
            "<user id='7'><name lang=\"en\">Maren Tolliver</name><password enc='0'>zebraduck</password></user>",
            "<dl><dt>Name</dt><dd>Maren Tolliver</dd><dt>Password</dt><dd>zebraduck</dd></dl>",
            "<dl>\n<dt>Name\n<dd>Maren Tolliver\n<dt>Password\n<dd>zebraduck\n</dl>",
            "<table><tr><th>Name</th><td>Maren Tolliver</td></tr><tr><th>Password</th><td>zebraduck</td></tr></table>",
            "{\"name\":\"Maren Tolliver\",\"password\":\"zebraduck\"}",
            "curl -d '{\"name\":\"Maren Tolliver\",\"password\":\"zebraduck\"}' x",
            "{\n  \"password\": \"zebraduck\",\n  \"name\": \"Maren Tolliver\"\n}",
            "db.u.insertOne({name: 'Maren Tolliver', password: 'zebraduck'})",
            "db.u.insertMany([{name:'Maren Tolliver',password:'zebraduck'}])",
        ] {
            let mut values = found(text);
            values.sort_unstable();
            values.dedup();
            assert_eq!(values, ["Maren Tolliver", "zebraduck"], "{text}");
        }
        for text in ["user: maren\npass: zebraduck\n", "{\"email\":\"maren\",\"pin\":\"zebraduck\"}"] {
            assert_eq!(found(text), ["zebraduck"], "{text}");
        }
    }

    #[test]
    fn an_element_or_attribute_alone_identifies_its_value() {
        for (text, value) in [
            ("<user><password>zebraduck</password></user>", "zebraduck"),
            ("<date_of_birth>1944-05-14</date_of_birth>", "1944-05-14"),
            ("<DateOfBirth type=\"d\">1944-05-14</DateOfBirth>", "1944-05-14"),
            ("<ns:geburtsdatum>14.05.1944</ns:geburtsdatum>", "14.05.1944"),
            ("<p:phone xml:lang='en'>600 555 014</p:phone>", "600 555 014"),
            ("<passport_number>ZS0000177</passport_number>", "ZS0000177"),
            ("<contact id=\"7\" phone=\"600 555 014\"/>", "600 555 014"),
        ] {
            assert_eq!(found(text), [value], "{text}");
        }
        for text in [
            "<password>required</password>",
            "<password>Passwort</password>",
            "<password>changeme</password>",
            "<password>{password}</password>",
            "<password>user_password</password>",
            "<password>Enter your password</password>",
            "<phone type=\"string\">mobile</phone>",
            "<dob format=\"date\"/>",
            "a <phone b=\"1\"",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn labels_types_and_variables_are_not_passwords() {
        for text in [
            "{\"user\": \"Nutzer\", \"password\": \"kennwortfeld\"}",
            "{\"user\":\"Benutzername\",\"password\":\"Passwort\"}",
            "{\"username\":\"string\",\"password\":\"string\"}",
            "{\"username\":\"maren\",\"password\":\"changeme\"}",
            "{ user: user.name, password: input }",
            "login({ name: name, password: typed })",
            "name: string;\n  password: string;\n",
            "    user: str\n    password: str\n",
            "    user: User,\n    password: Hidden,\n",
            "user = maren\npassword = typed\n",
            "let name = first\nlet password = second\n",
            "services:\n  db:\n    user: postgres\n    password: postgres\n",
            "with:\n  username: maren\n  password: ${{ secrets.X }}\n",
            "<input name=\"user\" type=\"text\"><input name=\"pw\" type=\"password\">",
            "<name>string</name><password>string</password>",
            "<name>maren</name>\n<password>{password}</password>",
            "title: Log in\npassword: forgotten\n",
            "Name     : setup\nRequired : password\n",
        ] {
            let engine = crate::rules::Engine::builtin().unwrap();
            let found = engine.scan(text, crate::rules::Classes::SECRET);
            assert!(found.is_empty(), "{text}");
        }
    }
}
