//! The lock that a running upload holds, so that the next command knows whether the upload still runs.

use std::fs::File;

use crate::app::fs::{open_lock_file, try_lock};
use crate::app::{App, Failure};

/// Held while an upload runs. The system releases it when the process ends, however it ends.
pub(super) struct UploadLock {
    _file: File,
}

impl App {
    /// Takes the lock. `None` if another process uploads.
    pub(super) fn lock_upload(&self) -> Result<Option<UploadLock>, Failure> {
        let path = self.dir().join("upload.lock");
        let file = open_lock_file(&path)?;
        Ok(try_lock(&file, &path)?.then_some(UploadLock { _file: file }))
    }
}
