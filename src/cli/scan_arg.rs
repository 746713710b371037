//! The option of commands that show sessions, or prepare a release of them: they read new log entries first.
//!
//! Commands that decide about what was shown (`approve`, `block`, `scope --confirm`) do not, so that no decision covers
//! sessions nobody has seen.

use crate::app::{App, Failure};

use super::context::CliContext;

#[derive(Debug, Default, clap::Args)]
pub(super) struct ScanArg {
    /// Do not read new log entries first
    #[arg(long)]
    no_scan: bool,
}

impl ScanArg {
    /// Opens the archive and brings it up to date, see [`App::scan_if_stale`].
    pub fn fresh_app<'a>(&self, cli: &'a mut CliContext) -> Result<&'a mut App, Failure> {
        let no_scan = self.no_scan;
        let app = cli.app()?;
        if !no_scan {
            app.scan_if_stale()?;
        }
        Ok(app)
    }
}
