//! Records with a field in each line: maps of YAML, `Format-List` of PowerShell, and the line mode of SQLite.

use super::columns::{Cell, Table};
use super::lines::line_at;
use super::login_record::{Field, MAX_FIELDS};
use super::{ColumnRules, Reader};

/// Maximum length of a line of a record, in bytes.
const MAX_LINE_BYTES: usize = 400;
/// Maximum length of the name of a field, in bytes.
const MAX_NAME_BYTES: usize = 40;

/// What separates the name of a field from its value. All lines of a record have the same form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Fields `name: value` of YAML.
    Yaml,
    /// `name   : value`, with the colons below each other.
    AlignedColon,
    /// `  name = value`, with the equals signs below each other.
    Equals,
}

/// A line of a record.
struct Line {
    field: Field,
    form: Form,
    /// Where the name begins in its line, or the separator if the separators are aligned.
    column: usize,
    /// A hyphen before the name begins the record.
    begins: bool,
}

impl<R: ColumnRules> Reader<'_, R> {
    /// Reads the record around the field whose name is `[from, to)`.
    pub(super) fn key_value_lines(&mut self, from: usize, to: usize) -> Option<Table> {
        if !self.names_login_secret((from, to)) {
            return None;
        }
        let (start, end) = self.header_line(from)?;
        let own = read_line(self.text, (start, end))?;
        let mut above = Vec::new();
        let (mut at, mut begins) = (start, own.begins);
        while !begins && above.len() < MAX_FIELDS && at > 0 {
            let first = memchr::memrchr(b'\n', &self.text.as_bytes()[..at - 1]).map_or(0, |n| n + 1);
            match self.field_beside(&own, first) {
                Beside::Field(line) => {
                    begins = line.begins;
                    above.push(line.field);
                }
                Beside::Nested => {}
                Beside::Other => break,
            }
            at = first;
        }
        if self.state.cursors.last_record == Some(at) {
            return None;
        }
        self.state.cursors.last_record = Some(at);
        let mut fields: Vec<Field> = above.into_iter().rev().collect();
        fields.push(own.field);
        let mut at = end + 1;
        for _ in 0..MAX_FIELDS {
            if at >= self.text.len() {
                break;
            }
            match self.field_beside(&own, at) {
                Beside::Field(line) if !line.begins => fields.push(line.field),
                Beside::Nested => {}
                _ => break,
            }
            at = line_at(self.text, at).1 + 1;
        }
        self.state.bytes += at.saturating_sub(start);
        // A line of code ends with punctuation.
        let code = |f: &Field| self.value(f.1).ends_with([',', ';', '{', '(', '[', '\\']);
        if fields.iter().any(code) || own.form == Form::Equals && !self.is_right_aligned(&fields) {
            return None;
        }
        let content: Vec<Field> = fields.iter().map(|f| (f.0, self.content(f.1))).collect();
        self.login_record(&content, from)
    }

    /// Reads the line at `start` as a field of the same record as `own`.
    fn field_beside(&self, own: &Line, start: usize) -> Beside {
        let line = line_at(self.text, start);
        let body = &self.text[line.0..line.1];
        if body.trim().is_empty() {
            return Beside::Other;
        }
        match read_line(self.text, line) {
            Some(l) if l.form == own.form && l.column == own.column => Beside::Field(l),
            _ if own.form == Form::Yaml && body.len() <= MAX_LINE_BYTES => {
                let column = body.len() - body.trim_start_matches([' ', '-']).len();
                let begins_nested = column == own.column && body.trim_end().ends_with(':');
                if begins_nested || column > own.column { Beside::Nested } else { Beside::Other }
            }
            _ => Beside::Other,
        }
    }

    /// Whether the names of fields end in the same column, although they are not of the same length.
    fn is_right_aligned(&self, fields: &[Field]) -> bool {
        let length = |f: &Field| self.value(f.0).chars().count();
        fields.len() > 1
            && (fields.iter().any(|f| length(f) != length(&fields[0])) || fields[0].1.0 - fields[0].0.1 <= 3)
    }
}

/// What a line is for the record of another one.
enum Beside {
    Field(Line),
    /// A part of the value of a field.
    Nested,
    Other,
}

/// Reads a line with a name and a value.
fn read_line(text: &str, (start, end): Cell) -> Option<Line> {
    let line = text.get(start..end).filter(|l| l.len() <= MAX_LINE_BYTES)?;
    let b = line.as_bytes();
    let blanks = b.iter().take_while(|c| **c == b' ').count();
    let begins = b[blanks..].starts_with(b"- ");
    let column = if begins { blanks + 2 } else { blanks };
    let quote = usize::from(matches!(b.get(column), Some(b'"' | b'\'')));
    let name_start = column + quote;
    let rest = &b[name_start.min(b.len())..];
    let part = |c: &u8| c.is_ascii_alphanumeric() || *c >= 0x80 || matches!(c, b'_' | b'-' | b' ');
    let run = rest.iter().take(MAX_NAME_BYTES).take_while(|c| part(c)).count();
    let name_end = name_start + line.get(name_start..name_start + run)?.trim_end().len();
    let separator = name_start + run + quote;
    let mark = *b.get(separator)?;
    let padded = name_start + run > name_end;
    let value = line.get(separator + 1..)?;
    if name_end == name_start || !value.starts_with(' ') || value.trim().is_empty() {
        return None;
    }
    let (form, column) = match mark {
        b':' if padded => (Form::AlignedColon, separator),
        b':' => (Form::Yaml, column),
        b'=' if padded => (Form::Equals, separator),
        _ => return None,
    };
    let from = start + separator + 1 + value.len() - value.trim_start().len();
    let field = ((start + name_start, start + name_end), (from, start + line.trim_end().len()));
    Some(Line { field, form, column, begins })
}
