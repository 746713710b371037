//! The size of a page, as text or as a part of a JSON answer.

use crate::app::text::sanitize;

/// How large a page may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize {
    /// Bytes of the chunks and, in JSON, of the session keys.
    bytes: usize,
    in_json: bool,
}

impl PageSize {
    /// A page that is printed.
    pub fn text(bytes: u64) -> Self {
        PageSize { bytes: usize::try_from(bytes).unwrap_or(usize::MAX), in_json: false }
    }

    /// A page in a JSON answer, in which quotes, backslashes and line ends are escaped and hidden characters are shown.
    pub fn json(bytes: u64) -> Self {
        PageSize { in_json: true, ..PageSize::text(bytes) }
    }

    /// Leaves room for other fields of the same JSON answer.
    pub(super) fn less(self, bytes: usize) -> Self {
        if self.in_json { PageSize { bytes: self.bytes.saturating_sub(bytes), ..self } } else { self }
    }

    /// Whether a page of this size is full.
    pub(super) fn is_exceeded_by(self, size: usize) -> bool {
        size > self.bytes
    }

    /// Whether chunks may be served in another order, so that pages are full.
    pub(super) fn is_packed(self) -> bool {
        self.in_json
    }

    /// The size of a chunk.
    pub(super) fn of(self, chunk: &str) -> usize {
        if !self.in_json {
            return chunk.len();
        }
        // The quotes at both ends are not in the answer, but the escaped line end after the chunk is.
        serde_json::to_string(&sanitize(chunk)).map_or(chunk.len(), |json| json.len())
    }

    /// The size of one more session key on the page.
    pub(super) fn of_key(self, key: &str) -> usize {
        // Quotes and a comma.
        if self.in_json { key.len() + 3 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_in_json_is_as_long_as_its_escapes() {
        let chunk = "{\"content\":\"a\\nb\u{200b}\"}";
        let [text, json] = [PageSize::text(100), PageSize::json(100)];
        assert_eq!(text.of(chunk), chunk.len());
        let answer = serde_json::to_string(&format!("{}\n", sanitize(chunk))).unwrap();
        assert_eq!(json.of(chunk), answer.len() - 2);
        assert_eq!((text.of_key("claude:1"), json.of_key("claude:1")), (0, 11));
    }

    #[test]
    fn only_a_page_in_json_shares_its_room() {
        assert!(!PageSize::text(100).less(30).is_exceeded_by(100));
        assert!(PageSize::json(100).less(30).is_exceeded_by(71));
        assert!(!PageSize::json(100).less(30).is_exceeded_by(70));
        assert!(PageSize::json(100).less(3000).is_exceeded_by(1));
    }
}
