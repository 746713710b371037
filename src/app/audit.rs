//! The audit log: appending and reading.

use serde_json::Value;

use crate::workflow::{AuditBreak, AuditEntry, verify};

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
        let (at, actor) = (self.now(), self.ctx.actor);
        Ok(self.archive.audit_append(|last| AuditEntry::after(last, at, actor, kind, release, detail))?)
    }

    /// Reads the audit log and checks its chain.
    ///
    /// # Errors
    /// [`Failure`] if the archive cannot be read.
    pub fn audit_log(&self) -> Result<AuditLog, Failure> {
        let entries = self.archive.audit()?;
        let broken = verify(&entries).err();
        Ok(AuditLog { entries, broken })
    }
}
