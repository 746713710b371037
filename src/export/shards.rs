//! Packs rows into `data/train-NNNNN.jsonl`: files small enough to stay regular git files on the Hub.

use crate::workflow::FileEntry;

use super::ExportError;

/// A shard is closed before it would grow beyond this many bytes.
pub const SHARD_TARGET: usize = 8 * 1024 * 1024;

/// Every file of a release stays under this many bytes: above, the Hub no longer takes it as a regular file.
pub const FILE_LIMIT: usize = 10 * 1024 * 1024;

/// One finished shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardFile {
    /// Path inside the release.
    pub path: String,
    /// JSON Lines, each row ended by a line feed.
    pub bytes: Vec<u8>,
}

impl ShardFile {
    /// Path, SHA-256 and size, as the digest takes them.
    pub fn entry(&self) -> FileEntry {
        FileEntry::of(&self.path, &self.bytes)
    }
}

/// Where a row stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowPlace {
    /// Path of its shard.
    pub file: String,
    /// Byte offset of its first byte.
    pub offset: u64,
    /// Length in bytes, without the line feed.
    pub bytes: u64,
    /// SHA-256 of these bytes, lower-case hex.
    pub sha256: String,
}

/// Shards and the places of the rows in them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packed {
    /// The shards, in order.
    pub files: Vec<ShardFile>,
    /// One place per packed row, in the order they came.
    pub rows: Vec<RowPlace>,
}

/// Fills shards row by row.
#[derive(Debug)]
pub struct Packer {
    target: usize,
    limit: usize,
    packed: Packed,
    open: Vec<u8>,
}

impl Default for Packer {
    fn default() -> Self {
        Packer::with_limits(SHARD_TARGET, FILE_LIMIT)
    }
}

impl Packer {
    /// A packer with other sizes (bytes); for tests.
    pub fn with_limits(target: usize, limit: usize) -> Self {
        Packer { target, limit, packed: Packed::default(), open: Vec::new() }
    }

    /// Appends one row (compact JSON without a line feed) of the session `id` and says where it stands.
    ///
    /// # Errors
    /// [`ExportError::RowTooLarge`] where the row alone does not fit a file; the packer is left as it was.
    pub fn push(&mut self, id: &str, row: &[u8]) -> Result<RowPlace, ExportError> {
        let size = row.len() + 1;
        if size >= self.limit {
            let (bytes, limit) = (size as u64, self.limit as u64);
            return Err(ExportError::RowTooLarge { id: id.to_owned(), bytes, limit });
        }
        if !self.open.is_empty() && self.open.len() + size > self.target {
            self.close();
        }
        let entry = FileEntry::of(&self.path(), row);
        let place = RowPlace {
            file: entry.path,
            offset: self.open.len() as u64,
            bytes: entry.bytes,
            sha256: entry.sha256,
        };
        self.open.extend_from_slice(row);
        self.open.push(b'\n');
        self.packed.rows.push(place.clone());
        Ok(place)
    }

    /// The shards and places.
    pub fn finish(mut self) -> Packed {
        if !self.open.is_empty() {
            self.close();
        }
        self.packed
    }

    fn path(&self) -> String {
        format!("data/train-{:05}.jsonl", self.packed.files.len())
    }

    fn close(&mut self) {
        let path = self.path();
        self.packed.files.push(ShardFile { path, bytes: std::mem::take(&mut self.open) });
    }
}

/// Packs all rows, or stops at the first that does not fit; use [`Packer`] to skip such rows and report them.
///
/// # Errors
/// [`ExportError::RowTooLarge`].
pub fn pack<'a>(rows: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Packed, ExportError> {
    let mut packer = Packer::default();
    for (id, row) in rows {
        packer.push(id, row)?;
    }
    Ok(packer.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_point_at_the_rows_bytes() {
        let rows: Vec<Vec<u8>> =
            (0..40).map(|i| format!("{{\"n\":\"{}\"}}", "x".repeat(i)).into_bytes()).collect();
        let mut packer = Packer::with_limits(100, 200);
        for row in &rows {
            packer.push("s", row).unwrap();
        }
        let packed = packer.finish();
        assert!(packed.files.len() > 5);
        assert_eq!(packed.rows.len(), rows.len());
        for (row, place) in rows.iter().zip(&packed.rows) {
            let file = packed.files.iter().find(|f| f.path == place.file).unwrap();
            let from = place.offset as usize;
            let to = from + place.bytes as usize;
            assert_eq!(&file.bytes[from..to], row.as_slice());
            assert_eq!(file.bytes[to], b'\n');
            assert_eq!(place.sha256, FileEntry::of("", row).sha256);
        }
        assert!(packed.files.iter().all(|f| f.bytes.len() <= 100), "no shard beyond the target");
        assert_eq!(packed.files[1].path, "data/train-00001.jsonl");
    }

    #[test]
    fn a_row_beyond_the_target_stands_alone_and_one_beyond_the_limit_is_named() {
        let mut packer = Packer::with_limits(10, 20);
        packer.push("a", &[b'a'; 5]).unwrap();
        packer.push("b", &[b'b'; 18]).unwrap();
        let err = packer.push("big", &[b'c'; 19]).unwrap_err();
        assert!(err.to_string().contains("session big"), "{err}");
        packer.push("d", &[b'd'; 1]).unwrap();
        let sizes: Vec<usize> = packer.finish().files.iter().map(|f| f.bytes.len()).collect();
        assert_eq!(sizes, [6, 19, 2]);
    }

    #[test]
    fn real_limits_hold() {
        let row = vec![b'x'; 3 * 1024 * 1024];
        let rows = [("a", row.as_slice()), ("b", &row), ("c", &row)];
        let packed = pack(rows).unwrap();
        assert_eq!(packed.files.len(), 2);
        assert!(packed.files.iter().all(|f| f.bytes.len() < FILE_LIMIT));
        assert!(matches!(
            pack([("x", vec![b'x'; FILE_LIMIT].as_slice())]),
            Err(ExportError::RowTooLarge { .. })
        ));
        assert!(pack([]).unwrap().files.is_empty());
    }
}
