//! What withdrawals changed in the datasets, as the person's own key signed it.
//!
//! A statement counts only if an own key signed it and the audit log names it: like the publications, it cannot be made by editing
//! the archive.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::app::audit::AuditLog;
use crate::app::fs::{make_private_dir, write_private_json};
use crate::app::{App, Failure};
use crate::gate::{Envelope, FileOwner, WithdrawnFiles, read_private_file};
use crate::workflow::{FileEntry, Target};

/// The entry of the audit log.
const WITHDRAWN: &str = "rows_withdrawn";

/// A signed withdrawal, with the number of its entry in the audit log.
pub(super) struct SignedWithdrawal {
    pub index: usize,
    pub files: WithdrawnFiles,
}

impl SignedWithdrawal {
    /// Whether it changed the dataset at a destination.
    pub fn is_at(&self, target: &Target) -> bool {
        let Target::Hub { repo, revision } = target else { return false };
        let signed = self.files.destination.strip_prefix("hf:");
        signed.is_some_and(|signed| signed.eq_ignore_ascii_case(repo))
            && self.files.revision.as_deref() == Some(revision)
    }
}

impl App {
    fn withdrawn_path(&self, id: &str, statement: &str) -> PathBuf {
        self.dir().join("receipts").join(format!("{id}.withdrawn-{statement}.json"))
    }

    /// Stores a statement. Returns its name, the SHA-256 of its text.
    pub(super) fn store_withdrawn(&self, id: &str, envelope: &Envelope) -> Result<String, Failure> {
        let name = name_of(envelope).unwrap_or_default();
        make_private_dir(&self.dir().join("receipts"))?;
        write_private_json(&self.withdrawn_path(id, &name), envelope)?;
        Ok(name)
    }

    /// The withdrawals that one of these keys signed, in the order of the audit log. Each statement counts once.
    pub(super) fn signed_withdrawals(
        &self,
        log: &AuditLog,
        keys: &BTreeSet<String>,
    ) -> Vec<SignedWithdrawal> {
        let mut seen = BTreeSet::new();
        let entries = log.entries.iter().enumerate().filter(|(_, entry)| entry.kind == WITHDRAWN);
        let read = entries.filter_map(|(index, entry)| {
            let (id, name) = (entry.release.as_deref()?, entry.detail["statement"].as_str()?);
            let is_name = name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
            if !is_name || !seen.insert(name.to_owned()) {
                return None;
            }
            let bytes = read_private_file(&self.withdrawn_path(id, name), FileOwner::User).ok()??;
            let envelope: Envelope = serde_json::from_slice(&bytes).ok()?;
            let files = WithdrawnFiles::read(&envelope, keys)
                .filter(|files| files.release == id && name_of(&envelope).as_deref() == Some(name))?;
            Some(SignedWithdrawal { index, files })
        });
        read.collect()
    }
}

fn name_of(envelope: &Envelope) -> Option<String> {
    Some(FileEntry::of("", envelope.unchecked_payload()?.as_bytes()).sha256)
}
