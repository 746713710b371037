//! Reading and writing the JSON files of the keys.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use zeroize::Zeroize;

use super::GateError;
use super::encryption::key_file;
use super::private_file::{check_private_dir, read_private_file};
use crate::platform::FileOwner;

/// Reads a file. `None` if it does not exist.
pub(super) fn read_file<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, GateError> {
    let as_key_file = |e| match e {
        GateError::PrivateFile { path, what } => GateError::KeyFile { path, what },
        e => e,
    };
    if let Some(dir) = path.parent() {
        check_private_dir(dir).map_err(as_key_file)?;
    }
    let Some(bytes) = read_private_file(path, FileOwner::User).map_err(as_key_file)? else { return Ok(None) };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|_| key_file(path, "it is not a key file of this version"))
}

/// Writes a file atomically, 0600.
pub(super) fn save<T: Serialize>(dir: &Path, name: &str, value: &T, replace: bool) -> Result<(), GateError> {
    let path: PathBuf = dir.join(name);
    let io = |source| GateError::Io { path: path.clone(), source };
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| io(e.into()))?;
    text.push(b'\n');
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(io)?;
    file.write_all(&text).map_err(io)?;
    text.zeroize();
    file.as_file().sync_all().map_err(io)?;
    if replace {
        file.persist(&path).map_err(|e| io(e.error))?;
    } else {
        file.persist_noclobber(&path).map_err(|e| {
            if e.error.kind() == std::io::ErrorKind::AlreadyExists {
                GateError::KeysExist(dir.to_path_buf())
            } else {
                io(e.error)
            }
        })?;
    }
    Ok(())
}
