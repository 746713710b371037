//! The folder that goes from one approver to the other: its files, and how they are read.

use std::path::Path;

use serde::Deserialize;

use crate::app::Failure;
use crate::app::fs::read_bounded;

/// Name of the directory with the sealed files.
pub(super) const FILES: &str = "files";
/// The first receipt, with the provenance statement.
pub(super) const FIRST: &str = "approval.json";
/// The second receipt, with the provenance statement that both signed.
pub(super) const SECOND: &str = "second.json";
/// The revocation of second receipts.
pub(super) const REVOCATION: &str = "revoked.json";
/// Maximum size of a JSON file in the folder, in MiB.
const MAX_JSON_MIB: u64 = 8;

/// Reads a JSON file of the folder, which somebody else wrote. `maker` is the command that writes it.
///
/// # Errors
/// [`Failure`] if it is missing, too large, not a regular file, or does not have this form.
pub(super) fn read_json<T: for<'de> Deserialize<'de>>(path: &Path, maker: &str) -> Result<T, Failure> {
    let bad = |what: &str| Failure::usage("bad_folder", format!("{}: {what}.", path.display()));
    match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() => {}
        Ok(_) => return Err(bad("it is not a regular file")),
        Err(_) => return Err(bad("it is missing").hint(maker)),
    }
    serde_json::from_slice(&read_bounded(path, MAX_JSON_MIB)?).map_err(|_| bad("it cannot be read"))
}
