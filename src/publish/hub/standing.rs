//! What stands at the destination before a release is sent, compared with what the person who signed was told.

use std::collections::{BTreeMap, BTreeSet};

use super::super::PublishError;
use super::Upload;
use crate::export::{CARD, Layout, is_of_release};

/// Name of the file that is another one after each signature.
const PROVENANCE: &str = "provenance.json";
/// Name of the file beside it that tells whose it is.
const METADATA: &str = "metadata.json";

impl Upload<'_> {
    /// Checks that the destination is one that this release may change. A whole release replaces, deletes and mixes with its rows
    /// only files that it has itself or that the person was told of. One that adds files finds the dataset that they were told of.
    pub(super) async fn check_standing(
        &self,
        commit: &str,
        standing: &BTreeMap<String, u64>,
    ) -> Result<(), PublishError> {
        if *self.layout != Layout::Whole {
            if !standing.contains_key(CARD) {
                return Err(self.no_dataset());
            }
            self.check_dataset(commit, standing).await?;
        }
        let others = self.files_of_others(commit, standing).await?;
        match others.as_slice() {
            [] => Ok(()),
            [first, rest @ ..] => Err(PublishError::OtherRows {
                repo: self.wire.repo.to_owned(),
                files: if rest.is_empty() { "1 file".to_owned() } else { format!("{} files", others.len()) },
                example: self.wire.clean(first),
            }),
        }
    }

    /// Whether this release would delete or replace a file, or have it among its rows.
    fn concerns(&self, path: &str) -> bool {
        match self.layout {
            Layout::Whole => {
                is_of_release(path)
                    || path.starts_with("data/")
                    || [CARD, METADATA, PROVENANCE].contains(&path)
            }
            Layout::Added(_) => self.layout.contains(path),
        }
    }

    /// The files that this release concerns and that are neither its own nor those that the person was told of.
    async fn files_of_others<'s>(
        &self,
        commit: &str,
        standing: &'s BTreeMap<String, u64>,
    ) -> Result<Vec<&'s str>, PublishError> {
        let concerned = || standing.iter().filter(|(path, _)| self.concerns(path));
        let is_provenance = |path: &str| path == PROVENANCE || path.ends_with("/provenance.json");
        let (mut known, mut others) = (BTreeSet::new(), Vec::new());
        for (path, size) in concerned().filter(|(path, _)| !is_provenance(path)) {
            if self.is_there(commit, path, *size).await? || self.is_told(commit, path, *size).await? {
                known.insert(path.as_str());
            } else {
                others.push(path.as_str());
            }
        }
        let belongs = |path: &str| {
            let dir = path.strip_suffix(PROVENANCE).unwrap_or_default();
            known.contains(format!("{dir}{METADATA}").as_str())
        };
        others.extend(concerned().map(|(path, _)| path.as_str()).filter(|p| is_provenance(p) && !belongs(p)));
        Ok(others)
    }

    /// Whether a file of a commit is one that the person was told of.
    async fn is_told(&self, commit: &str, path: &str, size: u64) -> Result<bool, PublishError> {
        let Some(sha256) = self.options.standing.get(path) else { return Ok(false) };
        let there = self.wire.retry(async || self.wire.read(commit, path, size).await).await?;
        Ok(there.as_ref() == Some(sha256))
    }

    /// Checks that the dataset is the one that the person was told of: its metadata are the same, and no shard is missing. The card
    /// may be another one, because people edit it at the destination.
    async fn check_dataset(
        &self,
        commit: &str,
        standing: &BTreeMap<String, u64>,
    ) -> Result<(), PublishError> {
        for path in self.options.standing.keys().filter(|path| *path != CARD) {
            let is_same = match standing.get(path) {
                Some(size) if path.ends_with(METADATA) => self.is_told(commit, path, *size).await?,
                there => there.is_some(),
            };
            if !is_same {
                let place = self.wire.repo.to_owned();
                return Err(PublishError::OtherDataset { place, path: path.clone() });
            }
        }
        Ok(())
    }
}
