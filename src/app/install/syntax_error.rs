//! The error of a text that cannot be parsed, with its position.

/// A text that is not valid in its syntax.
#[derive(Debug, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub(super) struct SyntaxError {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

/// Returns line and column of a byte of a text, from 1.
pub(super) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit_once('\n').map_or(before, |(_, line)| line);
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}
