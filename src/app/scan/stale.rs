//! Reads what the agents logged since the last scan, for commands that work on sessions.

use crate::app::{App, Failure};
use crate::workflow::Phase;

use super::{ScanParams, ScanReport};

/// The entry of the archive with the home directory that the last whole scan read.
const SCANNED_HOME: &str = "scanned_home";

impl App {
    /// Scans, unless it is not the time for it:
    ///
    /// - the archive was never scanned as a whole: the first scan is a step of its own;
    /// - the last whole scan read another home directory (`scan --home`), whose sessions would be mixed with those of this one;
    /// - a release is prepared or further, and not finished: sessions that grew would void its review.
    ///
    /// An unchanged file is not opened, so this costs little if nothing is new. Returns `None` if nothing was scanned.
    ///
    /// # Errors
    /// As [`App::scan`].
    pub fn scan_if_stale(&mut self) -> Result<Option<ScanReport>, Failure> {
        let home = self.ctx.env.home.to_string_lossy();
        let same_home = self.archive.meta(SCANNED_HOME)?.is_some_and(|scanned| scanned == home);
        let is_under_way = |phase: Phase| (Phase::Prepared..Phase::Published).contains(&phase);
        if !same_home || self.archive.releases()?.iter().any(|head| is_under_way(head.phase)) {
            return Ok(None);
        }
        self.scan(&ScanParams::default()).map(Some)
    }

    /// Notes the home directory of a scan of all logs of all agents.
    pub(super) fn note_whole_scan(&self, params: &ScanParams) -> Result<(), Failure> {
        let ScanParams { agent: None, path: None, since: None, .. } = params else { return Ok(()) };
        let home = self.ctx.env.home.to_string_lossy();
        if self.archive.meta(SCANNED_HOME)?.as_deref() != Some(home.as_ref()) {
            self.archive.set_meta(SCANNED_HOME, &home)?;
        }
        Ok(())
    }
}
