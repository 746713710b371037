//! Reading the sealed files of a release. Every read checks that the bytes are unchanged.

use std::path::PathBuf;

use crate::app::{App, Failure, Kind};
use crate::export::RowPlace;
use crate::gate::{SealedFile, read_sealed};
use crate::trace::SessionKey;
use crate::workflow::FileEntry;

use super::OpenRelease;
use super::data::StoredRow;

/// A row with its sealed text.
pub(crate) struct SealedRow {
    pub row: StoredRow,
    pub text: String,
}

/// The failure of a release whose sealed files were changed.
pub(crate) fn sealed_changed(id: &str) -> Failure {
    Failure::new(
        Kind::Refused,
        "sealed_files_changed",
        format!("The sealed files of {id} were changed after the preparation; they must be prepared again."),
    )
    .hint(format!("clawgate prepare {id}"))
}

impl App {
    /// Folder of the sealed files of a release.
    pub(crate) fn sealed_dir(&self, id: &str) -> PathBuf {
        self.dir().join("releases").join(id)
    }

    /// All sealed files. Empty before the first preparation.
    pub(crate) fn sealed_files(&self, open: &OpenRelease) -> Result<Vec<SealedFile>, Failure> {
        let Some(sealed) = &open.release.sealed else { return Ok(Vec::new()) };
        read_sealed(&self.sealed_dir(open.id()), &sealed.files)
            .map_err(|e| sealed_changed(open.id()).hint(e.to_string()))
    }

    /// The sampled rows, in the order of the sample.
    pub(crate) fn sampled_rows(&self, open: &OpenRelease) -> Result<Vec<SealedRow>, Failure> {
        let mut rows = self.sealed_rows(open, &|key| open.data.sample.contains(key))?;
        rows.sort_by_key(|r| open.data.sample.iter().position(|k| *k == r.row.key));
        Ok(rows)
    }

    /// The rows of the sessions that `wanted` accepts, in the order of the files.
    pub(crate) fn sealed_rows(
        &self,
        open: &OpenRelease,
        wanted: &dyn Fn(&SessionKey) -> bool,
    ) -> Result<Vec<SealedRow>, Failure> {
        let dir = self.sealed_dir(open.id());
        let mut out = Vec::new();
        // Rows are stored in the order of the files, so one file at a time is enough.
        let mut file = (String::new(), Vec::new());
        for row in open.data.rows.iter().filter(|r| wanted(&r.key)) {
            if file.0 != row.place.file {
                let bytes =
                    std::fs::read(dir.join(&row.place.file)).map_err(|_| sealed_changed(open.id()))?;
                file = (row.place.file.clone(), bytes);
            }
            let text = row_text(&row.place, &file.1).ok_or_else(|| sealed_changed(open.id()))?;
            out.push(SealedRow { row: row.clone(), text });
        }
        Ok(out)
    }
}

/// The text of a row in its file. `None` if it is not the text that was sealed.
fn row_text(row: &RowPlace, file: &[u8]) -> Option<String> {
    let start = usize::try_from(row.offset).ok()?;
    let bytes = file.get(start..start.checked_add(usize::try_from(row.bytes).ok()?)?)?;
    let text = std::str::from_utf8(bytes).ok()?;
    (FileEntry::of("", bytes).sha256 == row.sha256).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_only_if_its_bytes_are_unchanged() {
        let file = b"{\"a\":1}\n{\"b\":2}\n";
        let sha256 = FileEntry::of("", b"{\"b\":2}").sha256;
        let row = RowPlace { file: String::new(), offset: 8, bytes: 7, sha256 };
        assert_eq!(row_text(&row, file).as_deref(), Some("{\"b\":2}"));
        assert_eq!(row_text(&row, b"{\"a\":1}\n{\"b\":3}\n"), None);
        for (offset, bytes) in [(7, 7), (8, 8), (100, 7), (u64::MAX, 1), (8, u64::MAX)] {
            assert_eq!(row_text(&RowPlace { offset, bytes, ..row.clone() }, file), None, "{offset} {bytes}");
        }
    }
}
