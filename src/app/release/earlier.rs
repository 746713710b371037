//! What earlier releases published to a destination, and what a further release adds to it or replaces.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::app::{App, Failure};
use crate::export::Layout;
use crate::trace::{SessionKey, Timestamp, Version};
use crate::workflow::{Destination, Release, Row, Target};

use super::OpenRelease;
use super::carried::is_carried;

/// A release whose files are in the dataset at a destination.
pub(crate) struct EarlierRelease {
    pub id: String,
    pub at: Timestamp,
    pub destination: Destination,
    pub rows: BTreeMap<SessionKey, Row>,
}

/// The releases whose files are in the dataset at a destination, the newest first. Only the last one is a whole release; the
/// others were added to it.
#[derive(Default)]
pub(crate) struct EarlierReleases(pub Vec<EarlierRelease>);

impl EarlierReleases {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn ids(&self) -> Vec<String> {
        self.0.iter().map(|release| release.id.clone()).collect()
    }

    /// The sessions that have a row.
    pub fn sessions(&self) -> BTreeSet<&SessionKey> {
        self.0.iter().flat_map(|release| release.rows.keys()).collect()
    }

    /// Whether a session has a row that was made from this version.
    pub fn has(&self, key: &SessionKey, version: &Version) -> bool {
        self.0.iter().any(|release| release.rows.get(key).is_some_and(|row| row.version == *version))
    }
}

/// How a release relates to the rows that earlier releases published to its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EarlierRows {
    /// Whether the release adds its rows to them. If not, it replaces them.
    pub adds: bool,
    /// Number of earlier releases.
    pub releases: u64,
    /// Number of their rows.
    pub rows: u64,
    /// Sessions of the release that have an older row there, which stays. 0 if the release replaces the rows.
    pub older_rows: u64,
    /// Earlier sessions that the release does not contain, so that they leave the dataset. 0 if the release adds its rows.
    pub removed: u64,
}

impl App {
    /// The releases of this archive whose files are in the dataset at a destination: those that were published there from the
    /// last whole release on. Withdrawn releases are among them, because their files stay at the destination.
    pub(crate) fn earlier_releases(&self, target: &Target) -> Result<EarlierReleases, Failure> {
        let mut published: Vec<(bool, EarlierRelease)> = Vec::new();
        let taken_back = self.taken_back(target)?;
        for row in self.archive.release_rows()? {
            let release = row.state;
            let is_whole = is_whole(&release);
            if let (Some(facts), Some(destination)) = (release.published, release.destination)
                && is_same_place(&destination.target, target)
            {
                let (id, mut rows) = (release.id, release.rows);
                rows.retain(|key, _| !is_carried(key) && taken_back.get(key).is_none_or(|at| *at < facts.at));
                if rows.is_empty() {
                    continue;
                }
                published.push((is_whole, EarlierRelease { id, at: facts.at, destination, rows }));
            }
        }
        // Of two publications in the same millisecond, the whole one was the first, because the other was added to it.
        published.sort_by_key(|(is_whole, release)| std::cmp::Reverse((release.at, !is_whole)));
        let whole = published.iter().position(|(is_whole, _)| *is_whole);
        published.truncate(whole.map_or(usize::MAX, |last| last + 1));
        Ok(EarlierReleases(published.into_iter().map(|(_, release)| release).collect()))
    }

    /// The destination of the last publication.
    pub(super) fn last_destination(&self) -> Result<Option<Destination>, Failure> {
        let published = self.archive.release_rows()?.into_iter().filter_map(|row| {
            let release = row.state;
            Some((release.published?.at, release.destination?))
        });
        Ok(published.max_by_key(|(at, _)| *at).map(|(_, destination)| destination))
    }

    /// What the release adds to or replaces at its destination. `None` if it is a whole dataset and nothing of this archive is
    /// there, or it has no destination.
    pub(super) fn earlier_rows(&self, open: &OpenRelease) -> Result<Option<EarlierRows>, Failure> {
        let release = &open.release;
        let Some(destination) = &release.destination else { return Ok(None) };
        let adds = !is_whole(release);
        // A whole release needs an empty folder, so it replaces nothing.
        if !adds && matches!(destination.target, Target::Folder { .. }) {
            return Ok(None);
        }
        let earlier = self.earlier_releases(&destination.target)?;
        if earlier.is_empty() && !adds {
            return Ok(None);
        }
        let sessions = earlier.sessions();
        let older = release
            .rows
            .iter()
            .filter(|(key, row)| sessions.contains(key) && !earlier.has(key, &row.version));
        let removed = sessions.iter().filter(|key| !release.rows.contains_key(*key));
        Ok(Some(EarlierRows {
            adds,
            releases: earlier.0.len() as u64,
            rows: earlier.0.iter().map(|release| release.rows.len() as u64).sum(),
            older_rows: if adds { older.count() as u64 } else { 0 },
            removed: if adds { 0 } else { removed.count() as u64 },
        }))
    }
}

/// Whether the sealed files of a release are a whole dataset.
fn is_whole(release: &Release) -> bool {
    let files = release.sealed.as_ref().map_or(&[][..], |sealed| &sealed.files);
    !matches!(Layout::of(files.iter().map(|f| f.path.as_str())), Some(Layout::Added(_)))
}

/// Whether two targets are the same place. The Hub compares names without case.
pub(super) fn is_same_place(a: &Target, b: &Target) -> bool {
    match (a, b) {
        (Target::Hub { repo, revision }, Target::Hub { repo: other, revision: branch }) => {
            repo.eq_ignore_ascii_case(other) && revision == branch
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_repository_is_one_place_in_any_case() {
        let hub = |repo: &str| Target::hub(repo).unwrap();
        assert!(is_same_place(&hub("alice/Traces"), &hub("Alice/traces")));
        assert!(!is_same_place(&hub("alice/traces"), &hub("alice/other")));
        let folder = |path: &str| Target::Folder { path: path.into() };
        assert!(is_same_place(&folder("/a"), &folder("/a")));
        assert!(!is_same_place(&folder("/a"), &folder("/A")) && !is_same_place(&folder("/a"), &hub("a/a")));
    }

    #[test]
    fn a_version_counts_as_published_if_any_release_has_it() {
        let key = |n: &str| SessionKey::new("claude", n);
        let release = |id: &str, rows: &[(&str, &str)]| EarlierRelease {
            id: id.into(),
            at: Timestamp(0),
            destination: Destination {
                target: Target::hub("alice/traces").unwrap(),
                visibility: crate::workflow::Visibility::Private,
                licence: None,
            },
            rows: rows
                .iter()
                .map(|(k, v)| (key(k), Row { version: Version((*v).into()), ..row() }))
                .collect(),
        };
        let earlier =
            EarlierReleases(vec![release("r2", &[("a", "v2")]), release("r1", &[("a", "v1"), ("b", "v1")])]);
        for (session, version, has) in
            [("a", "v1", true), ("a", "v2", true), ("b", "v2", false), ("c", "v1", false)]
        {
            assert_eq!(earlier.has(&key(session), &Version(version.into())), has, "{session} {version}");
        }
        assert_eq!(earlier.sessions().len(), 2);
        assert_eq!(earlier.ids(), ["r2", "r1"]);
    }

    fn row() -> Row {
        Row { version: Version(String::new()), sha256: String::new(), bytes: 0 }
    }
}
