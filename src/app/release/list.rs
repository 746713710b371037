//! Lists the releases.

use serde::Serialize;

use crate::app::{App, Failure, Kind};
use crate::pricing::pluralize;
use crate::store::ReleaseHead;
use crate::trace::Timestamp;
use crate::workflow::{Destination, Phase, Target};

use super::OpenRelease;

/// A release in a list.
#[derive(Debug, Clone, Serialize)]
pub struct ReleaseItem {
    /// Id of the release.
    pub release: String,
    pub state: Phase,
    /// Number of rows in the sealed files.
    pub rows: u64,
    pub destination: Option<Destination>,
    /// Digest of the sealed files. `None` before the first preparation.
    pub digest: Option<String>,
    pub created: Timestamp,
    /// When it was published.
    pub published: Option<Timestamp>,
    /// The commit on the Hub, or the digest for a folder, if it is published.
    pub commit: Option<String>,
}

/// All releases.
#[derive(Debug, Clone, Serialize)]
pub struct ReleaseList {
    /// Releases, the last changed first.
    pub releases: Vec<ReleaseItem>,
}

impl App {
    /// Lists all releases.
    ///
    /// # Errors
    /// [`Failure`] if the archive cannot be read.
    pub fn releases(&self) -> Result<ReleaseList, Failure> {
        let mut releases = Vec::new();
        for row in self.archive.release_rows()? {
            let mut open = OpenRelease::new(row)?;
            self.preview_sync(&mut open)?;
            releases.push(self.item_now(&open));
        }
        Ok(ReleaseList { releases })
    }

    /// Returns the named release, or the current one.
    ///
    /// # Errors
    /// [`Failure`] if there is no such release.
    pub fn release_item(&self, name: Option<&str>) -> Result<ReleaseItem, Failure> {
        Ok(item(&self.viewed_release(name, Phase::Draft)?))
    }

    /// Returns a release as a list shows it. An approval that counts for nothing is none.
    fn item_now(&self, open: &OpenRelease) -> ReleaseItem {
        let mut item = item(open);
        if self.why_approval_is_void(&open.release).is_some() {
            item.state = Phase::Confirmed;
        }
        item
    }

    /// Returns the failure that says when and where a release was published: the named one, or the last one if no release
    /// is under way.
    pub(super) fn already_published(&self, name: Option<&str>) -> Result<Option<Failure>, Failure> {
        if name.is_none() && self.load_release(None)?.is_some() {
            return Ok(None);
        }
        let is_meant = |r: &ReleaseHead| r.phase == Phase::Published && name.is_none_or(|name| name == r.id);
        let Some(head) = self.archive.releases()?.into_iter().find(is_meant) else { return Ok(None) };
        let Some(release) = self.archive.release(&head.id)?.map(|row| row.state) else { return Ok(None) };
        let Some(published) = release.published else { return Ok(None) };
        let to = match release.destination.map(|d| d.target) {
            Some(Target::Hub { repo, .. }) => format!(" to {repo}"),
            Some(Target::Folder { path }) => format!(" to the folder {path}"),
            None => String::new(),
        };
        let unpublished = self.unpublished_approvals()?;
        let since = match unpublished {
            0 => String::new(),
            n => format!(" Approved since then, and in no release yet: {}.", pluralize(n as u64, "session")),
        };
        let message = |at: &str| format!("Release {} was already published{to} at {at}.{since}", release.id);
        let zone = self.zone(None)?.1;
        let local = published.at.to_jiff().to_zoned(zone).strftime("%Y-%m-%d %H:%M %Z").to_string();
        let failure = Failure::new(Kind::Refused, "already_published", message(&published.at.to_string()))
            .for_person(message(&local));
        Ok(Some(match unpublished {
            0 => failure.hint("clawgate releases").hint("clawgate inbox"),
            _ => failure.hint(self.prepare_step().command),
        }))
    }
}

fn item(open: &OpenRelease) -> ReleaseItem {
    let r = &open.release;
    ReleaseItem {
        release: r.id.clone(),
        state: r.phase,
        rows: r.rows.len() as u64,
        destination: r.destination.clone(),
        digest: r.digest().map(str::to_owned),
        created: open.created.unwrap_or(Timestamp(0)),
        published: r.published.as_ref().map(|p| p.at),
        commit: r.published.as_ref().map(|p| p.commit.clone()),
    }
}
