//! What the header of a column says about its values, and whether a value is of that kind.
//!
//! The headers are data (`headers` of the rules with `matcher = "column"`). They are compared without case, accents and
//! separators, so that `Date of Birth`, `birth_date` and `birthDate` need no entry of their own for each spelling.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;

use super::value_shape::{self, CharCounts};
use super::word_lists::NOT_NAMES;

/// The kind of value that a column contains, by its name in the rule data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CellShape {
    Date,
    /// Letters and digits of a document: passports, national ids.
    Identifier,
    Phone,
    Coordinate,
    /// A latitude or longitude under a header such as `lat`, which counts only beside the other one.
    Degree,
    Account,
    Card,
    Address,
    /// The name of a person under a header that says so.
    Name,
    /// The full name of a person under a header such as `assignee`.
    FullName,
    /// The name of a person under a header that may also mean a product or a company. It counts only beside another column
    /// about persons, and means the surname beside a column of first names: `nom`, `prénom`.
    MaybeName,
    Password,
    Token,
}

impl CellShape {
    /// Whether a single field `header: value` is judged like a column. Other rules judge passwords, tokens and names there.
    pub fn labels(self) -> bool {
        !matches!(
            self,
            CellShape::Degree
                | CellShape::Name
                | CellShape::FullName
                | CellShape::MaybeName
                | CellShape::Password
                | CellShape::Token
                | CellShape::Account
                | CellShape::Address
        )
    }
}

/// Words around a header that do not change its meaning: `customer phone 2`, `numéro de téléphone`.
const AFFIXES: &[&str] = &[
    "number",
    "numbers",
    "no",
    "nr",
    "num",
    "n",
    "nos",
    "of",
    "the",
    "your",
    "customer",
    "client",
    "patient",
    "employee",
    "user",
    "member",
    "contact",
    "person",
    "personal",
    "holder",
    "home",
    "work",
    "office",
    "business",
    "private",
    "primary",
    "secondary",
    "main",
    "alternate",
    "emergency",
    "billing",
    "current",
    "value",
    "applicant",
    "guest",
    "student",
    "passenger",
    "owner",
    "staff",
    "nummer",
    "numero",
    "numer",
    "nro",
    "kunde",
    "kunden",
    "mitarbeiter",
    "privat",
    "cliente",
    "klient",
    "klienta",
    "de",
    "del",
    "di",
    "do",
    "da",
    "du",
    "la",
    "le",
    "des",
    "d",
    "e",
    "und",
    "dziecka",
    "pracownika",
    "номер",
    "клиента",
    "et",
    "a",
    "m",
    "f",
    "day",
    "evening",
    "direct",
    "debit",
    "bank",
    "code",
    "full",
    "format",
];

/// Words that are too frequent to search for.
const FREQUENT: &[&str] = &[
    "date", "full", "first", "last", "card", "private", "of", "number", "code", "client", "access", "id",
    "via", "name",
];

/// Words of a header that occur only in tables about persons, so that a column `name` beside it contains names of persons.
const PERSONAL_WORDS: &[&str] = &[
    "email",
    "mail",
    "correo",
    "courriel",
    "epost",
    "邮箱",
    "メール",
    "이메일",
    "почта",
    "salary",
    "wage",
    "wages",
    "payroll",
    "payslip",
    "gehalt",
    "lohn",
    "salaire",
    "salario",
    "sueldo",
    "nomina",
    "stipendio",
    "salaris",
    "loon",
    "lon",
    "palkka",
    "wynagrodzenie",
    "pensja",
    "plat",
    "maas",
    "зарплата",
    "оклад",
    "工资",
    "薪资",
    "給与",
    "年収",
    "급여",
    "diagnosis",
    "diagnosen",
    "diagnose",
    "diagnostic",
    "diagnostico",
    "diagnosi",
    "diagnoza",
    "диагноз",
    "诊断",
    "診断",
    "진단",
    "allergy",
    "allergies",
    "medication",
    "symptoms",
    "phone",
    "telephone",
    "telefon",
    "telefono",
    "telefone",
    "telefoon",
    "телефон",
    "电话",
    "電話",
    "전화",
    "birth",
    "birthday",
    "birthdate",
    "dob",
    "geburtsdatum",
    "geburtstag",
    "naissance",
    "nacimiento",
    "nascimento",
    "nascita",
    "urodzenia",
    "生年月日",
    "出生日期",
    "department",
    "dept",
    "abteilung",
    "departement",
    "departamento",
    "dipartimento",
    "reparto",
    "afdeling",
    "avdelning",
    "dzial",
    "отдел",
    "部门",
    "部署",
    "부서",
    "ssn",
    "gender",
    "geschlecht",
    "nationality",
    "supervisor",
    "hired",
    "prenom",
    "vorname",
    "cognome",
];

/// Words that make a thing of the word before them: `phone_model`, `email_template`.
const THING_WORDS: &[&str] = &[
    "model", "type", "kind", "os", "brand", "version", "template", "server", "provider", "app", "service",
    "domain", "size", "count",
];

/// Whether a header occurs only in tables about persons.
pub(crate) fn is_personal(header: &str) -> bool {
    let words = words(header);
    words.iter().any(|w| PERSONAL_WORDS.contains(&w.as_str()))
        && !words.iter().any(|w| THING_WORDS.contains(&w.as_str()))
}

/// Shortest keyword, in bytes.
const MIN_KEYWORD_BYTES: usize = 3;

/// The headers of all column rules.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    /// The rule of each header, by its letters and digits.
    rules: HashMap<String, u16>,
    affixes: HashSet<&'static str>,
}

impl Headers {
    pub fn new<'a>(rules: impl Iterator<Item = (u16, &'a [String])>) -> Self {
        let mut out = Headers { affixes: AFFIXES.iter().copied().collect(), ..Headers::default() };
        for (n, headers) in rules {
            for header in headers {
                let key = words(header).concat();
                out.rules.entry(key).or_insert(n);
            }
        }
        out
    }

    /// Returns the rule of a header, or `None` if it says nothing about its values.
    pub fn rule(&self, header: &str) -> Option<u16> {
        let all = words(header);
        if all.is_empty() || all.len() > 7 {
            return None;
        }
        let is_affix =
            |w: &String| self.affixes.contains(w.as_str()) || w.bytes().all(|b| b.is_ascii_digit());
        // The longest part that is a header, if the rest are affixes.
        let first = all.iter().take_while(|w| is_affix(w)).count();
        let last = all.len() - all.iter().rev().take_while(|w| is_affix(w)).count();
        for len in (1..=all.len()).rev() {
            for from in 0..=(all.len() - len).min(first) {
                if from + len >= last
                    && let Some(rule) = self.rules.get(&all[from..from + len].concat())
                {
                    return Some(*rule);
                }
            }
        }
        // `teléfono móvil`: every word says the same
        let mut named = all.iter().filter(|w| !is_affix(w)).map(|w| self.rules.get(w));
        if let Some(Some(first)) = named.next()
            && named.all(|rule| rule == Some(first))
        {
            return Some(*first);
        }
        // `Born (YYYY-MM-DD)`, `Salary [EUR]`
        let bare = header.split(['(', '[', '（']).next().unwrap_or(header);
        if bare.len() < header.len() { self.rule(bare) } else { None }
    }
}

/// Returns the words of a header in lower case and without accents.
fn words(header: &str) -> Vec<String> {
    if header.is_ascii() {
        return ascii_words(header);
    }
    let mut out: Vec<String> = Vec::new();
    let mut previous: Option<char> = None;
    for c in header.nfkd() {
        if unicode_normalization::char::is_combining_mark(c) {
            continue;
        }
        if !c.is_alphanumeric() {
            previous = None;
            continue;
        }
        let begins =
            previous.is_none_or(|p| p.is_lowercase() && c.is_uppercase() || p.is_numeric() != c.is_numeric());
        if begins {
            out.push(String::new());
        }
        if let Some(word) = out.last_mut() {
            match c {
                'ł' | 'Ł' => word.push('l'),
                'ß' => word.push_str("ss"),
                'ø' | 'Ø' => word.push('o'),
                _ => word.extend(c.to_lowercase()),
            }
        }
        previous = Some(c);
    }
    out
}

/// Returns the words of an ASCII header in lower case.
fn ascii_words(header: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut previous = b' ';
    for b in header.bytes() {
        if b.is_ascii_alphanumeric() {
            let begins = !previous.is_ascii_alphanumeric()
                || previous.is_ascii_lowercase() && b.is_ascii_uppercase()
                || previous.is_ascii_digit() != b.is_ascii_digit();
            if begins {
                out.push(String::new());
            }
            if let Some(word) = out.last_mut() {
                word.push(char::from(b.to_ascii_lowercase()));
            }
        }
        previous = b;
    }
    out
}

/// Returns the words that a text with this header contains, for the keyword automaton, which ignores the case of ASCII
/// letters only.
pub(crate) fn keywords(header: &str) -> Vec<String> {
    let lower = header.to_lowercase();
    let parts = || lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    let rare = parts().filter(|w| !FREQUENT.contains(w) && !AFFIXES.contains(w));
    // A shorter keyword would occur in most lines, so the spellings of the entire header take its place.
    let Some(word) = rare.filter(|w| w.len() >= MIN_KEYWORD_BYTES).max_by_key(|w| w.len()) else {
        let joined = |with: &str| parts().collect::<Vec<_>>().join(with);
        let mut out = vec![lower.clone(), joined(" "), joined("_"), joined("-"), joined("")];
        out.sort();
        out.dedup();
        out.retain(|k| k.len() >= MIN_KEYWORD_BYTES);
        return out;
    };
    let mut out = vec![word.to_owned()];
    if !word.is_ascii() {
        let mut letters = word.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        out.extend([first + letters.as_str(), word.to_uppercase(), words(word).concat()]);
    }
    out
}

/// Whether a value shows that its column is of the kind that the header promises. Some values only [`fits`]: in a column
/// of persons, the name of one may read like a product.
pub(crate) fn proves(value: &str, shape: CellShape) -> bool {
    match shape {
        CellShape::FullName | CellShape::MaybeName => {
            fits(value, shape)
                && !value
                    .split([' ', ',', '\u{a0}'])
                    .any(|w| NOT_NAMES.has(w.to_lowercase().trim_matches('.')))
        }
        CellShape::Degree => fits(value, shape) && is_coordinate(value.trim()),
        _ => fits(value, shape),
    }
}

/// Whether a value is of the kind that its header promises.
pub(crate) fn fits(value: &str, shape: CellShape) -> bool {
    let v = value.trim();
    let counts = CharCounts::of(v.as_bytes());
    let only = |extra: &str| v.chars().all(|c| c.is_ascii_digit() || extra.contains(c));
    if v.is_empty() || v.len() > 200 || v.starts_with('[') && v.ends_with(']') {
        return false;
    }
    match shape {
        CellShape::Date => is_date(v, counts.digit),
        CellShape::Identifier => {
            (5..=30).contains(&v.len())
                && counts.digit >= 4
                && counts.digit * 3 >= v.len()
                && v.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'-' | b'.' | b'/' | b'+'))
                && !is_amount(v)
        }
        CellShape::Phone => {
            (6..=17).contains(&counts.digit)
                && only("+()-./ xX\u{a0}ext#")
                && !is_amount(v)
                && !looks_like_time(v)
        }
        CellShape::Coordinate => is_coordinate(v),
        CellShape::Degree => v.contains('.') && v.parse::<f64>().is_ok_and(|d| d.abs() <= 180.0),
        CellShape::Account => {
            (6..=34).contains(&counts.digit)
                && counts.letters() <= 8
                && v.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'-' | b'/'))
                && !looks_like_time(v)
        }
        CellShape::Card => (12..=19).contains(&counts.digit) && only(" -"),
        CellShape::Address => {
            v.len() >= 8
                && counts.digit > 0
                && (counts.letters() + counts.other) >= 4
                && v.contains(' ')
                && !v.contains(['=', '{', '<', '@', '_'])
                && !v.starts_with("http")
        }
        CellShape::Name | CellShape::FullName | CellShape::MaybeName => is_name(v, shape == CellShape::Name),
        CellShape::Password => {
            v.len() >= 5
                && counts.space == 0
                && !value_shape::is_placeholder_value(v)
                && counts.digit > 0
                && (counts.letters() > 0 || counts.symbol > 0)
                && !is_amount(v)
                && is_date_free(v)
        }
        CellShape::Token => {
            counts.space == 0
                && counts.digit > 0
                && value_shape::looks_random(v)
                && !value_shape::is_placeholder_value(v)
        }
    }
}

/// Whether a value is an amount of money or a decimal: `1,234.50`, `68000.0`.
fn is_amount(v: &str) -> bool {
    let tail = v.rsplit(['.', ',']).next().unwrap_or_default();
    (1..=2).contains(&tail.len())
        && tail.len() < v.len()
        && v.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b','))
        && v.bytes().filter(|b| matches!(b, b'.' | b',')).count() <= 2
        && !(v.matches('.').count() == 2 && v.len() >= 8)
}

/// Whether a value is a time such as `2026-03-16 10:00` or a Unix time.
fn looks_like_time(v: &str) -> bool {
    let b = v.as_bytes();
    let dated = b.len() >= 10 && b[4] == b'-' && b[7] == b'-' && b[..4].iter().all(u8::is_ascii_digit);
    dated && (v.starts_with("19") || v.starts_with("20"))
}

fn is_date_free(v: &str) -> bool {
    !(looks_like_time(v)
        || v.len() <= 10 && v.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'/' | b'-' | b'.')))
}

/// Whether a value is a date in any usual order, with or without a time.
fn is_date(v: &str, digits: usize) -> bool {
    if digits == v.len() {
        return digits == 8
            && (v.starts_with("19") || v.starts_with("20") || &v[4..6] == "19" || &v[4..6] == "20");
    }
    let marks = v.chars().filter(|c| matches!(c, '-' | '/' | '.' | ' ' | '年' | '月' | '년' | '월')).count();
    let months = v.split(|c: char| !c.is_alphabetic()).filter(|w| w.chars().count() > 4).count();
    (4..=20).contains(&digits)
        && v.len() <= 40
        && marks >= 2
        && months <= 1
        && v.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '/' | '.' | ' ' | ',' | ':' | '+'))
        && v.split(|c: char| !c.is_ascii_digit()).filter(|g| !g.is_empty()).take(3).all(|g| g.len() <= 4)
}

/// Whether a value is a decimal degree with at least two digits after the point, or a pair of them, or has the marks of
/// degrees and minutes.
fn is_coordinate(v: &str) -> bool {
    let degrees = |part: &str| {
        let part = part.trim().trim_end_matches(['N', 'S', 'E', 'W', 'O', '°', ' ']);
        let part = part.trim_start_matches(['-', '+', '(']).trim_end_matches(')');
        part.split_once('.').is_some_and(|(whole, rest)| {
            (1..=3).contains(&whole.len())
                && rest.len() >= 3
                && whole.bytes().chain(rest.bytes()).all(|b| b.is_ascii_digit())
        })
    };
    if v.contains('°') {
        return v.bytes().filter(u8::is_ascii_digit).count() >= 3 && v.len() <= 60;
    }
    let v = v.trim_start_matches("POINT").trim().trim_start_matches('(').trim_end_matches(')');
    let parts: Vec<&str> = v.split([',', ';', ' ', '/']).filter(|p| !p.is_empty()).collect();
    (1..=2).contains(&parts.len()) && parts.iter().all(|p| degrees(p))
}

/// Whether a value reads as the name of a person: words with capitals, or two to six characters of Chinese, Japanese or
/// Korean.
fn is_name(v: &str, one_word: bool) -> bool {
    let cjk = |c: char| ('\u{3040}'..='\u{9fff}').contains(&c) || ('\u{ac00}'..='\u{d7af}').contains(&c);
    let chars = v.chars().filter(|c| !c.is_whitespace()).count();
    if v.chars().any(cjk) {
        return (2..=8).contains(&chars) && v.chars().all(|c| cjk(c) || matches!(c, ' ' | '\u{3000}' | '・'));
    }
    let words: Vec<&str> = v.split([' ', ',', '\u{a0}']).filter(|w| !w.is_empty()).collect();
    let particle = |w: &&str| {
        matches!(
            *w,
            "de" | "van"
                | "von"
                | "der"
                | "den"
                | "la"
                | "di"
                | "da"
                | "del"
                | "bin"
                | "al"
                | "y"
                | "e"
                | "dos"
                | "zu"
        )
    };
    let capital = |w: &&str| w.chars().next().is_some_and(char::is_uppercase);
    let good =
        v.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | ',' | '-' | '\'' | '’' | '.' | '\u{a0}'))
            && words.iter().all(|w| capital(w) || particle(w));
    let capitals = words.iter().filter(|w| capital(w)).count();
    good && words.len() <= 6 && (capitals >= 2 || one_word && capitals == 1 && chars >= 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_judged_by_the_kind_of_its_column() {
        use CellShape as S;
        for (shape, good, bad) in [
            (
                S::Date,
                &[
                    "1944-05-14",
                    "02.11.1987",
                    "5/14/44",
                    "14 May 1944",
                    "19440514",
                    "1944年5月14日",
                    "May 14, 1944",
                    "1944-05-14T00:00:00",
                ][..],
                &["string", "2", "1.2.3 beta", "date", "44"][..],
            ),
            (
                S::Identifier,
                &["ZS0000177", "44051401359", "219-09-9999", "QQ 12 34 56 C", "RSSMRA80A01H501U"],
                &["varchar", "12", "yes", "68000.50"],
            ),
            (
                S::Phone,
                &["(22) 555 01 43", "600 555 014", "+44 20 7946 0958", "06-12345678"],
                &["string", "yes", "12", "2026-03-16 10:00:00"],
            ),
            (
                S::Coordinate,
                &["50.0719, 19.9412", "60.1699", "50°04'19\"N 19°56'28\"E", "-33.8688"],
                &["12.5", "3", "high", "1.2.3"],
            ),
            (
                S::Account,
                &["00887421963", "4471 0098 2210", "PL61109010140000071219812874"],
                &["admin", "savings", "1,234.50"],
            ),
            (
                S::MaybeName,
                &["Marja Koskinen", "Koskinen, Marja", "Ana de Souza", "山田太郎", "Анна Орлова"],
                &["react", "left-pad", "Postgres"],
            ),
            (S::Password, &["Winter2026!", "hunter22x"], &["yes", "required", "8", "varchar"]),
        ] {
            for v in good {
                assert!(fits(v, shape), "{shape:?} {v}");
            }
            for v in bad {
                assert!(!fits(v, shape), "{shape:?} {v}");
            }
        }
    }

    #[test]
    fn the_words_of_a_header_do_not_depend_on_its_spelling() {
        for header in ["Date of Birth", "date_of_birth", "dateOfBirth", "DATE-OF-BIRTH", "Date of birth:"] {
            assert_eq!(words(header), ["date", "of", "birth"], "{header}");
        }
        assert_eq!(words("Téléphone n°2"), ["telephone", "n", "2"]);
    }

    /// Returns the values that the built-in rules find in a text.
    fn found(text: &str) -> Vec<&str> {
        let engine = crate::rules::Engine::builtin().unwrap();
        let mut out: Vec<&str> =
            engine.scan(text, crate::rules::Classes::ALL).iter().map(|f| &text[f.start..f.end]).collect();
        out.sort_unstable();
        out.dedup();
        out
    }

    #[test]
    fn a_column_of_names_goes_entirely_or_not_at_all() {
        let names = ["Brannoc Thule", "Isolde Quarry", "Nyx Service"];
        for (header, second) in [
            ("name,salary", "41250.00"),
            ("name,department", "Night"),
            ("assignee,ticket", "T-41"),
            ("Patient,Diagnosis", "flu"),
            ("employee,salary", "41250"),
            ("customer,email_sent", "t"),
            ("Name,Gehalt", "3890"),
        ] {
            let rows: Vec<String> = names.iter().map(|n| format!("{n},{second}\n")).collect();
            let text = format!("{header}\n{}", rows.concat());
            assert_eq!(found(&text), names, "{text}");
            let text = text.replace(',', " | ");
            assert_eq!(found(&text), names, "{text}");
        }
        for header in
            ["name,version", "name,kind", "table_name,rows", "name,date,phone_model", "name,email_template"]
        {
            let rows: Vec<String> = names.iter().map(|n| format!("{n},x\n")).collect();
            let text = format!("{header}\n{}", rows.concat());
            assert_eq!(found(&text), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_neighbouring_header_settles_an_ambiguous_one() {
        for (text, values) in [
            ("nom;prenom\nThule;Brannoc\nQuarry;Isolde\n", &["Brannoc", "Isolde", "Quarry", "Thule"][..]),
            ("nome,cognome\nBrannoc,Thule\n", &["Brannoc", "Thule"]),
            (
                "INSERT INTO p (nom, prenom, num_secu) VALUES ('O\'\'Thule', 'Isolde', '284027512345671');",
                &["284027512345671", "Isolde", "O\'\'Thule"],
            ),
            ("nom;taille\nThule;12\nQuarry;14\n", &[]),
            (
                "id,lat,lng\n1,61.82571,17.26309\n2,62.58,18.22154\n",
                &["17.26309", "18.22154", "61.82571", "62.58"],
            ),
            ("        lat       lon  qty\n0  61.82571  17.26309    3\n", &["17.26309", "61.82571"]),
            ("lat,p99\n61.82571,17.26309\n", &[]),
        ] {
            assert_eq!(found(text), values, "{text}");
        }
    }

    #[test]
    fn the_columns_of_an_expanded_display_are_judged_like_those_of_a_table() {
        let record = |n: u8, first: &str, key: &str| {
            format!(
                "-[ RECORD {n} ]------\nid         | {n}\nfirst_name | {first}\nlast_name  | Thule\napi_key    | {key}\nplan       | basic\n"
            )
        };
        let keys = [["7gQ2nXw", "5LpZt"].concat(), ["3hT8yWb", "9QnRs"].concat()];
        let text = record(1, "Brannoc", &keys[0]) + &record(2, "Isolde", &keys[1]);
        assert_eq!(found(&text), [&keys[1], &keys[0], "Brannoc", "Isolde", "Thule"]);
        let text = "*** 1. row ***\n  name: Nyx Service\n  kind: x\n";
        assert_eq!(found(text), [""; 0]);
    }
}
