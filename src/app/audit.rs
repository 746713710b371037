//! The audit log: appending and reading.

use serde_json::Value;

use crate::workflow::{AuditBreak, AuditDraft, AuditEntry, append, verify};

use super::{App, Failure};

/// The complete audit log.
#[derive(Debug, Clone)]
pub struct AuditLog {
    pub entries: Vec<AuditEntry>,
    /// The first fault of the chain, if there is one.
    pub broken: Option<AuditBreak>,
}

impl App {
    /// Appends to the audit log. `detail` must contain no secret and no session text.
    pub(crate) fn audit(&mut self, kind: &str, release: Option<&str>, detail: Value) -> Result<(), Failure> {
        let draft = AuditDraft {
            at: self.now(),
            actor: self.ctx.actor.as_str().to_owned(),
            kind: kind.to_owned(),
            release: release.map(str::to_owned),
            detail,
        };
        self.archive.audit_append(|last: Option<&AuditEntry>| append(last, draft))?;
        Ok(())
    }

    /// Reads the audit log and checks its chain.
    ///
    /// # Errors
    /// [`Failure`] if the archive cannot be read.
    pub fn audit_log(&self) -> Result<AuditLog, Failure> {
        let entries: Vec<AuditEntry> = self.archive.audit()?;
        let broken = verify(&entries).err();
        Ok(AuditLog { entries, broken })
    }
}
