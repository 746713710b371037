//! Reads logs that are one JSON document per file.

use std::borrow::Cow;
use std::path::Path;

use serde_json::Value;

use crate::sources::SourceError;
use crate::sources::common::files::open_log;
use crate::sources::common::long_numbers;
use crate::sources::common::read::{Read, ReadOptions};

/// Reads a whole JSON file. Returns `null` for one that cannot be used, and counts it in `read`.
///
/// # Errors
/// [`SourceError`] if the file cannot be opened or read.
pub(crate) fn whole_json(path: &Path, opts: &ReadOptions, read: &mut Read) -> Result<Value, SourceError> {
    let io = |source| SourceError::Io { path: path.to_owned(), source };
    let size = open_log(path)?.metadata().map_err(io)?.len();
    if size > opts.line_limit as u64 {
        read.skipped_lines.add(1, format!("longer than {} bytes", opts.line_limit));
        return Ok(Value::Null);
    }
    let bytes = std::fs::read(path).map_err(io)?;
    read.bytes_read += bytes.len() as u64;
    let text = String::from_utf8_lossy(&bytes);
    read.repaired_lines += u64::from(matches!(text, Cow::Owned(_)));
    let quoted = long_numbers::quoted(&text);
    match serde_json::from_str(quoted.as_deref().unwrap_or(&text)) {
        Ok(value) => return Ok(value),
        // The file is empty, or the agent is still writing it.
        Err(e) if e.is_eof() => read.truncated_tail |= !bytes.is_empty(),
        Err(e) => read.skipped_lines.add(e.line() as u64, format!("broken JSON at column {}", e.column())),
    }
    Ok(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_cannot_be_used_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        let opts = ReadOptions { line_limit: 40, ..ReadOptions::default() };
        let result = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let mut read = Read::default();
            let value = whole_json(&path, &opts, &mut read).unwrap();
            (value.is_null(), read.skipped_lines.total, read.truncated_tail, read.repaired_lines)
        };
        assert_eq!(result(br#"{"a": 1}"#), (false, 0, false, 0));
        assert_eq!(result(b"{\"a\": \"\xff\"}"), (false, 0, false, 1));
        assert_eq!(result(br#"{"a": "#), (true, 0, true, 0));
        assert_eq!(result(br#"{"a": ]}"#), (true, 1, false, 0));
        assert_eq!(result(&[b' '; 41]), (true, 1, false, 0));
        assert_eq!(result(b""), (true, 0, false, 0));
        assert!(whole_json(dir.path(), &opts, &mut Read::default()).is_err());
    }
}
