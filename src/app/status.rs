//! Status: where the user stands, in one look.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::workflow::{Destination, Release};

use crate::app::release::Extra;
use crate::app::{App, Failure};

/// A release in a line.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ReleaseBrief {
    /// Id.
    pub id: String,
    /// Phase.
    pub phase: String,
    /// Rows.
    pub rows: u64,
    /// Digest, once prepared.
    pub digest: Option<String>,
    /// Where to.
    pub destination: Option<Destination>,
    /// The commit, once published.
    pub commit: Option<String>,
}

/// Where the user stands.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Status {
    /// Version of this program.
    pub version: &'static str,
    /// When the last scan ended.
    pub last_scan: Option<String>,
    /// Sessions by agent.
    pub by_agent: BTreeMap<String, u64>,
    /// Sessions by triage mark.
    pub by_status: BTreeMap<String, u64>,
    /// Whether the scope was confirmed as it stands.
    pub scope_confirmed: bool,
    /// Releases, the last changed first; at most five.
    pub releases: Vec<ReleaseBrief>,
}

impl App {
    /// Where the user stands.
    ///
    /// # Errors
    /// [`Failure`] where the archive refuses.
    pub fn status(&mut self) -> Result<Status, Failure> {
        let mut releases = Vec::new();
        for (id, _, _) in self.archive.releases()?.into_iter().take(5) {
            let Some(row) = self.archive.release::<Release, Extra>(&id)? else { continue };
            let r = row.state;
            releases.push(ReleaseBrief {
                phase: r.phase.name().to_owned(),
                rows: r.rows.len() as u64,
                digest: r.digest().map(str::to_owned),
                destination: r.destination.clone(),
                commit: r.published.map(|p| p.commit),
                id,
            });
        }
        Ok(Status {
            version: env!("CARGO_PKG_VERSION"),
            last_scan: self.archive.meta("last_scan")?,
            by_agent: self.archive.agents()?.into_iter().collect(),
            by_status: self.archive.marks()?.into_iter().map(|(m, n)| (m.as_str().to_owned(), n)).collect(),
            scope_confirmed: self.scope_confirmed()?,
            releases,
        })
    }
}
