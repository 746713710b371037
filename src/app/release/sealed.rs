//! Reading the sealed files of a release. Every read checks that the bytes are unchanged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::app::{App, Failure, Kind};
use crate::export::RowPlace;
use crate::gate::{SealedFile, read_sealed};
use crate::platform::change_stamp;
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

    /// Notes size and times of the sealed files, so that a later check needs to read them only if these differ.
    pub(crate) fn note_sealed(&self, id: &str, files: &[FileEntry]) -> Result<(), Failure> {
        let dir = self.sealed_dir(id);
        let stats: BTreeMap<&str, String> =
            files.iter().filter_map(|f| Some((f.path.as_str(), file_stat(&dir.join(&f.path))?))).collect();
        let text = serde_json::to_string(&stats).unwrap_or_default();
        Ok(self.archive.set_meta(&format!("sealed_stat:{id}"), &text)?)
    }

    /// Whether the sealed files are as they were sealed. Reads them only if their size or times differ from the noted ones.
    pub(crate) fn is_sealed_intact(&self, open: &OpenRelease) -> Result<bool, Failure> {
        let Some(sealed) = &open.release.sealed else { return Ok(true) };
        let dir = self.sealed_dir(open.id());
        let noted = self.archive.meta(&format!("sealed_stat:{}", open.id()))?;
        let noted: BTreeMap<String, String> =
            noted.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let is_noted = |f: &FileEntry| {
            let stat = file_stat(&dir.join(&f.path));
            stat.is_some() && stat.as_ref() == noted.get(&f.path)
        };
        Ok(sealed.files.iter().all(is_noted) || self.sealed_files(open).is_ok())
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
            out.push(sealed_row(row, &file.1).ok_or_else(|| sealed_changed(open.id()))?);
        }
        Ok(out)
    }
}

/// Returns what changes if a file is written or replaced; `None` if it is not a regular file.
fn file_stat(path: &Path) -> Option<String> {
    let meta = std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let modified = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
    // The modification time can be set back, the time of the change of the entry cannot.
    Some(format!("{} {modified} {}", meta.len(), change_stamp(&meta)))
}

/// The rows of the sessions that `wanted` accepts, from files in memory.
pub(super) fn rows_of(
    open: &OpenRelease,
    files: &[SealedFile],
    wanted: &dyn Fn(&SessionKey) -> bool,
) -> Result<Vec<SealedRow>, Failure> {
    let row = |row: &StoredRow| {
        let file = files.iter().find(|f| f.path == row.place.file)?;
        sealed_row(row, &file.bytes)
    };
    let rows = open.data.rows.iter().filter(|r| wanted(&r.key));
    rows.map(|r| row(r).ok_or_else(|| sealed_changed(open.id()))).collect()
}

fn sealed_row(row: &StoredRow, file: &[u8]) -> Option<SealedRow> {
    let text = row_text(&row.place, file)?;
    Some(SealedRow { row: row.clone(), text })
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
