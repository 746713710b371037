//! What clawgate changed in a file, so that a removal can undo it: one record and one backup for each file.

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::app::Failure;
use crate::app::fs::{io_failure, make_private_dir, read_if_exists, write_private};
use crate::trace::Env;

use super::value_path::ValuePath;

/// The state of a file before clawgate changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Before {
    Missing,
    /// The backup has its content.
    Saved,
    /// It already had everything, so clawgate did not change it.
    Complete,
    /// The backup has its content, which already had values of an earlier run. They have to be cut.
    Edited,
}

/// A value that clawgate added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Added {
    pub path: ValuePath,
    /// The number of steps of the path that existed before.
    pub existing: usize,
    /// The value as clawgate wrote it.
    pub value: Value,
}

/// What clawgate changed in one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub path: PathBuf,
    pub before: Before,
    /// SHA-256 of the content that clawgate wrote.
    pub after: String,
    pub added: Vec<Added>,
    /// Directories that clawgate made, the outermost first.
    pub directories: Vec<PathBuf>,
}

pub(super) fn digest(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// The records of a user, in `install` in clawgate's directory.
pub(super) struct Records {
    dir: PathBuf,
}

impl Records {
    pub fn new(env: &Env) -> Self {
        Records { dir: env.clawgate_home.join("install") }
    }

    /// Returns a name for the files about `path`, which a person recognizes and which no two paths share.
    fn stem(&self, path: &Path) -> PathBuf {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let hash = digest(&path.to_string_lossy());
        self.dir.join(format!("{}-{}", name.trim_start_matches('.'), &hash[..12]))
    }

    fn record_path(&self, path: &Path) -> PathBuf {
        self.stem(path).with_added_extension("record")
    }

    pub fn backup_path(&self, path: &Path) -> PathBuf {
        self.stem(path).with_added_extension("backup")
    }

    pub fn read(&self, path: &Path) -> Result<Option<Record>, Failure> {
        let file = self.record_path(path);
        let Some(text) = read_if_exists(&file)? else { return Ok(None) };
        let record: Record = serde_json::from_str(&text)
            .map_err(|e| Failure::failed("bad_record", format!("{} is damaged: {e}.", file.display())))?;
        Ok(Some(record).filter(|record| record.path == path))
    }

    pub fn write(&self, record: &Record) -> Result<(), Failure> {
        make_private_dir(&self.dir)?;
        let text =
            serde_json::to_string_pretty(record).map_err(|e| Failure::failed("json", e.to_string()))?;
        write_private(&self.record_path(&record.path), text.as_bytes())
    }

    pub fn backup(&self, path: &Path, text: &str) -> Result<PathBuf, Failure> {
        make_private_dir(&self.dir)?;
        let backup = self.backup_path(path);
        write_private(&backup, text.as_bytes())?;
        Ok(backup)
    }

    pub fn read_backup(&self, path: &Path) -> Result<Option<String>, Failure> {
        read_if_exists(&self.backup_path(path))
    }

    /// Deletes the record of a file. The backup stays, unless it has the file's content.
    pub fn forget(&self, path: &Path, keep_backup: bool) -> Result<(), Failure> {
        let mut files = vec![self.record_path(path)];
        if !keep_backup {
            files.push(self.backup_path(path));
        }
        for file in files.iter().filter(|f| f.exists()) {
            fs::remove_file(file).map_err(|e| io_failure("cannot delete", file, &e))?;
        }
        Ok(())
    }
}
