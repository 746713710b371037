//! Single fields: `"pesel": "44051401359"`, `dob: 1944-05-14`.

use super::cell_shape::{self, CellShape};
use super::columns::Table;
use super::lines::closing_mark;
use super::{ColumnRules, Reader, skip};

impl<'t, R: ColumnRules> Reader<'t, R> {
    /// Reads a field: `"pesel": "44051401359"`, `dob: 1944-05-14`, `'dob': ['1944-05-14', …]`.
    pub(super) fn field(&self, from: usize, to: usize) -> Option<Table> {
        let (text, b) = (self.text, self.text.as_bytes());
        let rule = self.rules.headers().rule(&text[from..to])?;
        let shape = self.rules.shape(rule);
        if !shape.labels() {
            return None;
        }
        let quoted = from > 0 && matches!(b[from - 1], b'"' | b'\'' | b'`');
        let mut at = skip(b, to, b"\"'`* ");
        at += match &text[at..] {
            rest if rest.starts_with("::") => return None,
            rest if rest.starts_with("=>") => 2,
            rest if rest.starts_with(':') => 1,
            rest if rest.starts_with('：') => 3,
            _ => return None,
        };
        at = skip(b, at, b" *");
        let mut table = Table { end: at, cells: Vec::new() };
        let list = quoted && b.get(at) == Some(&b'[');
        if list {
            at = skip(b, at + 1, b" \n\r\t");
        }
        loop {
            let cell = match b.get(at)? {
                quote @ (b'"' | b'\'') => {
                    let close = closing_mark(b, at, *quote)?;
                    (at + 1, close)
                }
                _ => {
                    let stop = |c: &u8| matches!(c, b'\n' | b'\r' | b'}' | b']' | b'"' | b';' | b'<' | b'|');
                    let run = b[at..].iter().take(120).take_while(|c| !stop(c)).count();
                    let run = text.floor_char_boundary(at + run) - at;
                    let comma = if shape == CellShape::Coordinate && !quoted {
                        None
                    } else {
                        text[at..at + run].find([',', '，'])
                    };
                    self.content((at, at + comma.unwrap_or(run)))
                }
            };
            let value = self.value(cell);
            if !cell_shape::fits(value, shape) {
                break;
            }
            table.cells.push((cell.0, cell.1, rule));
            table.end = cell.1;
            if !list {
                break;
            }
            let close = usize::from(matches!(b.get(cell.1), Some(b'"' | b'\'')));
            at = skip(b, cell.1 + close, b", \n\r\t");
            at = skip(b, at, b" \n\r\t");
        }
        (!table.cells.is_empty()).then_some(table)
    }
}
