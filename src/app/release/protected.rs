//! What was protected since the last publication: strings that were redacted, and projects that were excluded.
//!
//! The audit log remembers them as keyed hashes, because the archive alone could be edited without a trace. What is protected
//! no longer is shown before the next signature.

use std::collections::BTreeSet;

use serde_json::json;

use crate::app::{App, Failure};

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
    pub(super) fn remembered(&self, list: ProtectedList) -> Result<Remembered, Failure> {
        let (log, key) = (self.audit_log()?, self.protection_key()?);
        let accepted = log.accepted();
        let mut out = Remembered::default();
        for (n, entry) in log.entries.iter().enumerate().filter(|(_, e)| e.kind == KIND) {
            let d = &entry.detail;
            if d["list"].as_str() != Some(list.name()) {
                continue;
            }
            // An entry whose damage was accepted takes nothing away.
            if d["reset"].as_bool() == Some(true) && n >= accepted {
                out = Remembered::default();
            }
            let ids = d["ids"].as_array().into_iter().flatten().filter_map(|id| id.as_str());
            out.ids.extend(ids.map(str::to_owned));
            out.other_key |= d["key"].as_str() != Some(key.as_str());
        }
        Ok(out)
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

    /// Forgets what is no longer on the list. The next comparison is then with the publication that was just made.
    pub(super) fn forget_unprotected(
        &mut self,
        list: ProtectedList,
        now: &BTreeSet<String>,
    ) -> Result<(), Failure> {
        let before = self.remembered(list)?;
        if before == (Remembered { ids: now.clone(), other_key: false }) {
            return Ok(());
        }
        let detail = json!({ "list": list.name(), "key": self.protection_key()?, "ids": now, "reset": true });
        self.audit(KIND, None, detail)
    }
}
