//! What was protected since the last publication: strings that were redacted, and projects that were excluded.
//!
//! The audit log remembers them as keyed hashes, because the archive alone could be edited without a trace. What is protected
//! no longer is shown before the next signature.

use std::collections::BTreeSet;

use serde_json::json;

use crate::app::audit::AuditLog;
use crate::app::{App, Failure};
use crate::workflow::AuditEntry;

use super::proven::Publication;
use super::secrets::value_id;

/// The entry of the audit log.
const KIND: &str = "protected";
/// At most this many values of a list are remembered. Further ones are not, so that new ones never displace older ones.
const MAX_REMEMBERED: usize = 10_000;

/// A list of protected things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProtectedList {
    Strings,
    Exclusions,
}

impl ProtectedList {
    fn name(self) -> &'static str {
        match self {
            ProtectedList::Strings => "strings",
            ProtectedList::Exclusions => "exclusions",
        }
    }
}

/// What the audit log says about one list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Remembered {
    /// Keyed hashes of the entries.
    pub ids: BTreeSet<String>,
    /// Whether the key of the hashes was replaced, so that nothing can be recognized any more.
    pub other_key: bool,
}

impl App {
    /// Names the key of the hashes without revealing it.
    fn protection_key(&self) -> Result<String, Failure> {
        Ok(value_id(&self.local_key()?, "KEY", ""))
    }

    /// What was on the list since the last publication.
    ///
    /// The list begins with what the person approved by their signature, which comes before the end of the log that the signed
    /// statement names. No entry that another program appends later takes anything away.
    pub(super) fn remembered(&self, list: ProtectedList) -> Result<Remembered, Failure> {
        let (log, key) = (self.audit_log()?, self.protection_key()?);
        let is_of_list = |e: &&AuditEntry| e.kind == KIND && e.detail["list"].as_str() == Some(list.name());
        let first = match log.entries.iter().any(|e| e.kind == KIND) {
            true => self.last_baseline(&log, &is_of_list)?,
            false => 0,
        };
        let mut out = Remembered::default();
        for entry in log.entries.iter().skip(first).filter(is_of_list) {
            let d = &entry.detail;
            let ids = d["ids"].as_array().into_iter().flatten().filter_map(|id| id.as_str());
            out.ids.extend(ids.map(str::to_owned));
            out.other_key |= d["key"].as_str() != Some(key.as_str());
        }
        Ok(out)
    }

    /// The position of the last entry with the list of a signature whose release was published. 0 if there is none.
    fn last_baseline(
        &self,
        log: &AuditLog,
        is_of_list: &dyn Fn(&&AuditEntry) -> bool,
    ) -> Result<usize, Failure> {
        let baseline = |publication: &Publication| {
            let at = &publication.provenance.audit;
            let before = log.entries.get(..usize::try_from(at.entries).ok()?)?;
            // An entry whose damage was accepted takes nothing away.
            let is_it = |(n, e): &(usize, &AuditEntry)| {
                *n >= log.accepted()
                    && is_of_list(e)
                    && e.release.as_deref() == Some(publication.id.as_str())
                    && e.detail["signed"].as_bool() == Some(true)
            };
            let found = before.iter().enumerate().rfind(is_it).map(|(n, _)| n);
            found.filter(|_| before.last().is_some_and(|last| last.hash == at.hash))
        };
        Ok(self.own_publications(log)?.iter().filter_map(baseline).max().unwrap_or(0))
    }

    /// Remembers what is on the list now.
    pub(super) fn remember(&mut self, list: ProtectedList, now: &BTreeSet<String>) -> Result<(), Failure> {
        if now.is_empty() {
            return Ok(());
        }
        let before = self.remembered(list)?.ids;
        let room = MAX_REMEMBERED.saturating_sub(before.len());
        let new: Vec<&String> = now.difference(&before).take(room).collect();
        if new.is_empty() {
            return Ok(());
        }
        let detail = json!({ "list": list.name(), "key": self.protection_key()?, "ids": new });
        self.audit(KIND, None, detail)
    }

    /// Records what is on the list when a release is signed. If it is published, the next comparison is with this.
    pub(super) fn note_signed(
        &mut self,
        list: ProtectedList,
        release: &str,
        now: &BTreeSet<String>,
    ) -> Result<(), Failure> {
        let detail =
            json!({ "list": list.name(), "key": self.protection_key()?, "ids": now, "signed": true });
        self.audit(KIND, Some(release), detail)
    }
}
