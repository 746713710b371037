//! Tables of one record, with a field in each line: `| Date of birth | 1944-05-14 |`, `dob,1944-05-14`. The line above them
//! may say so: `| Field | Value |`.

use super::columns::{Cell, Layout, Rejection, Table};
use super::lines::{is_border, line_at, next_line};
use super::login_record::Field;
use super::words::{Set, WORDS};
use super::{ColumnRules, FRAMES, MAX_HEADER_BYTES, Reader};

/// Maximum number of lines of a record, on either side of the one in which it was found.
const MAX_LINES: usize = 40;
/// Minimum number of lines that make a record of lines without a line above them that says so.
const MIN_LINES: usize = 3;

impl<R: ColumnRules> Reader<'_, R> {
    /// Reads the record around a line.
    pub(super) fn key_value_table(&mut self, line: Cell, separator: &'static str) -> Option<Table> {
        if line.0 < self.state.cursors.key_value_table_end
            || self.state.rejection(line.0, Layout::KeyValueTable).is_some()
        {
            return None;
        }
        let Some(own) = self.field_line(line, separator) else {
            self.state.reject(line.0, Layout::KeyValueTable, Rejection::Rows);
            return None;
        };
        let mut fields = vec![own];
        let mut at = line.0;
        for _ in 0..MAX_LINES {
            // Lines that were already read do not belong to this record.
            if at <= self.state.cursors.key_value_table_end || at == 0 {
                break;
            }
            let near = at.saturating_sub(MAX_HEADER_BYTES);
            let Some(above) = memchr::memrchr(b'\n', &self.text.as_bytes()[near..at - 1])
                .map(|n| near + n + 1)
                .or((near == 0).then_some(0))
            else {
                break;
            };
            let row = line_at(self.text, above);
            at = above;
            if is_border(&self.text[row.0..row.1]) && row.0 < row.1 {
                continue;
            }
            let Some(field) = self.field_line(row, separator) else { break };
            fields.insert(0, field);
        }
        let mut end = line.1;
        while fields.len() < 2 * MAX_LINES {
            let row = line_at(self.text, next_line(self.text, end));
            if row.0 >= self.text.len() || row.0 == row.1 {
                break;
            }
            if !is_border(&self.text[row.0..row.1]) {
                let Some(field) = self.field_line(row, separator) else { break };
                fields.push(field);
            }
            end = row.1;
        }
        self.state.cursors.key_value_table_end = end;
        let has_head = fields.first().is_some_and(|f| self.is_head_of_fields(f));
        if has_head {
            fields.remove(0);
        }
        let table = self.record(&fields, has_head, end)?;
        self.state.cursors.key_values_found_end = end;
        Some(table)
    }

    /// Judges the fields of a record.
    fn record(&mut self, fields: &[Field], has_head: bool, end: usize) -> Option<Table> {
        let names: Vec<Cell> = fields.iter().map(|f| f.0).collect();
        let rules = self.headers(&names)?;
        let rule_of = |cell: Cell| self.rules.headers().rule(self.value(cell));
        let said = rules.iter().flatten().count();
        // The values of a record are not headers, unlike the cells of a header whose first row has names.
        let values_said = fields.iter().filter(|f| rule_of(f.1).is_some()).count();
        let is_record = match has_head {
            true => said > 0,
            false => fields.len() >= MIN_LINES && said >= 2 && said * 2 >= fields.len(),
        };
        if !is_record || values_said * 3 > fields.len() {
            return None;
        }
        if let Some(table) = self.login_record(fields, end) {
            return Some(table);
        }
        // A plain word is a password only next to an account.
        let mut columns = self.columns(&names, &rules, false);
        columns.add_row(|n| fields.get(n).map(|f| f.1));
        let table = columns.finish(end);
        (!table.cells.is_empty()).then_some(table)
    }

    /// Whether a line says that the lines below it are fields: `Field`, `Value`.
    fn is_head_of_fields(&self, (name, value): &Field) -> bool {
        let is = |cell: Cell, words: &Set| {
            let cell = self.value(cell).to_lowercase();
            !cell.is_empty() && cell.split([' ', '_', '-']).all(|w| words.has(w))
        };
        is(*name, &WORDS.field_heads) && is(*value, &WORDS.value_heads)
    }

    /// Reads a line with a name and a value.
    fn field_line(&mut self, line: Cell, separator: &'static str) -> Option<Field> {
        if line.1 - line.0 > MAX_HEADER_BYTES {
            return None;
        }
        self.state.bytes += line.1 - line.0;
        let (mut cells, end) = self.split(line.0, separator)?;
        let empty = |c: Option<&Cell>| c.is_some_and(|c| c.0 == c.1);
        if FRAMES.contains(&separator) {
            if empty(cells.last()) {
                cells.pop();
            }
            if empty(cells.first()) {
                cells.remove(0);
            }
        }
        let [name, value] = cells[..] else { return None };
        let is_line = end == line.1 || end == line.1 + 1;
        (is_line && name.0 < name.1).then_some((name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;

    #[test]
    fn the_lines_of_one_record_are_fields() {
        let values = ["1944-05-14", "Maren Tolliver", "ZS0000177", "zebraduck"];
        for text in [
            "| Field | Value |\n|---|---|\n| Full name | Maren Tolliver |\n| Date of birth | 1944-05-14 |\n| Password | zebraduck |\n| Passport | ZS0000177 |\n| Plan | gold |\n",
            "| Feld | Wert |\n|---|---|\n| Name | Maren Tolliver |\n| Geburtsdatum | 1944-05-14 |\n| Passwort | zebraduck |\n| Reisepass | ZS0000177 |\n",
            "| | |\n|---|---|\n| **Full name** | Maren Tolliver |\n| **Date of birth** | 1944-05-14 |\n| **Password** | zebraduck |\n| **Passport** | ZS0000177 |\n",
            "field,value\nfull_name,Maren Tolliver\ndate_of_birth,1944-05-14\npassword,zebraduck\npassport,ZS0000177\n",
            "full_name\tMaren Tolliver\nplan\tgold\ndob\t1944-05-14\npassword\tzebraduck\npassport\tZS0000177\n",
            " Field         | Value\n---------------+----------------\n Full name     | Maren Tolliver\n Date of birth | 1944-05-14\n Password      | zebraduck\n Passport      | ZS0000177\n",
            "+----------+----------------+\n| property | value          |\n+----------+----------------+\n| name     | Maren Tolliver |\n| dob      | 1944-05-14     |\n| password | zebraduck      |\n| passport | ZS0000177      |\n+----------+----------------+\n",
        ] {
            assert_eq!(found(text), values, "{text}");
        }
    }

    #[test]
    fn a_field_of_a_record_is_not_a_header_of_the_fields_below_it() {
        for text in [
            "| Field | Value |\n|---|---|\n| Full name | Maren Tolliver |\n| Passport | ZS0000177 |\n| Plan | gold |\n",
            "| Field | Value |\n|---|---|\n| Plan | gold |\n| Full name | Maren Tolliver |\n| Passport | ZS0000177 |\n",
        ] {
            assert_eq!(found(text), ["Maren Tolliver", "ZS0000177"], "{text}");
        }
    }

    #[test]
    fn tables_about_fields_are_not_records() {
        for text in [
            "| Field | Type |\n|---|---|\n| phone | string |\n| dob | date |\n| password | string |\n",
            "| Parameter | Description |\n|---|---|\n| username | Your account |\n| password | Your password |\n| phone | Contact phone |\n",
            "| Field | Value |\n|---|---|\n| user | Nutzer |\n| password | required |\n| phone | optional |\n",
            "| Metric | Value |\n|---|---|\n| users | 4121 |\n| accounts | 600555014 |\n",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_table_of_two_columns_is_not_a_record() {
        assert_eq!(found("full_name,phone\nMaren Tolliver,600 555 014\nIvo Bracken,600 555 015\n").len(), 4);
        assert_eq!(found("| Name | Password |\n|---|---|\n| Maren Tolliver | zebraduck |\n").len(), 2);
    }
}
