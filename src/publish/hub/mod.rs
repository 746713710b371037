//! Destination: a dataset repository on the Hub.
//!
//! One atomic commit with a pinned parent. The commit request is never repeated blindly: after any error the head
//! is read again and compared first, since an answer can be lost after the commit landed (hf-hub would send it
//! again; see `wire.rs` for how its retries are switched off).

mod fault;
mod wire;

use std::collections::BTreeMap;

use hf_hub::repository::CommitOperation;

use crate::export::FILE_LIMIT;
use crate::gate::Cleared;
use crate::workflow::{FileEntry, Visibility};

use super::{HubOptions, PublishError, Published, Step};
use fault::Fault;
use wire::Wire;
pub use wire::check_endpoint;

/// The Hub classifies at most this many files in one request, and hf-hub sends one.
const FILES_LIMIT: usize = 256;

pub(super) async fn publish(
    cleared: &Cleared,
    files: Vec<FileEntry>,
    repo: &str,
    revision: &str,
    options: &HubOptions,
) -> Result<Published, PublishError> {
    fits(&files)?;
    let token = cleared.token().ok_or(PublishError::NoToken)?;
    let wire = Wire::new(token, repo, revision, options)?;
    let run = Run { cleared, files: &files, wire: &wire, options };

    options.tell(Step::Checking);
    wire.patiently(async || wire.may_write().await).await?;
    let wanted = cleared.destination().visibility;
    let parent = run.repository(wanted).await?;
    let standing = wire.patiently(async || wire.tree(&parent).await).await?;
    let (commit, already_there) = if run.holds(&parent, &standing).await?.is_none() {
        (parent, true)
    } else {
        (run.commit(&parent, &standing).await?, false)
    };
    // Once more: who may see it could have been changed while it was being sent.
    run.visible_as(wanted, true).await?;
    Ok(Published {
        digest: cleared.digest().to_owned(),
        url: wire.page(),
        commit: Some(commit),
        files,
        already_there,
    })
}

/// Whether all files can be regular files of one commit.
fn fits(files: &[FileEntry]) -> Result<(), PublishError> {
    if files.len() > FILES_LIMIT {
        return Err(PublishError::TooManyFiles { files: files.len(), limit: FILES_LIMIT });
    }
    let limit = FILE_LIMIT as u64;
    match files.iter().find(|f| f.bytes >= limit) {
        Some(f) => Err(PublishError::FileTooLarge { path: f.path.clone(), bytes: f.bytes, limit }),
        None => Ok(()),
    }
}

/// Whether a path is a shard that an earlier release may have left: those are replaced, nothing else is deleted.
fn is_shard(path: &str) -> bool {
    path.strip_prefix("data/train-")
        .and_then(|rest| rest.strip_suffix(".jsonl"))
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// One upload on its way.
struct Run<'a> {
    cleared: &'a Cleared,
    files: &'a [FileEntry],
    wire: &'a Wire<'a>,
    options: &'a HubOptions,
}

impl Run<'_> {
    /// The head of the branch, in a repository that has the wanted visibility; created where there is none.
    async fn repository(&self, wanted: Visibility) -> Result<String, PublishError> {
        let wire = self.wire;
        if wire.patiently(async || wire.private().await).await?.is_none() {
            self.options.tell(Step::Creating);
            wire.patiently(async || wire.create(wanted == Visibility::Private).await).await?;
        }
        // Asked again after creation: the Hub answers "exists" in the same words for a public repository.
        self.visible_as(wanted, false).await?;
        wire.patiently(async || wire.head().await).await
    }

    async fn visible_as(&self, wanted: Visibility, sent: bool) -> Result<(), PublishError> {
        let wire = self.wire;
        let asked = wire.patiently(async || wire.private().await).await;
        let private = asked.map_err(|e| match sent {
            true => PublishError::Uncertain {
                repo: wire.repo.to_owned(),
                why: format!("the files stand there, who may see them could not be asked again: {e}"),
            },
            false => e,
        })?;
        let name = |private: bool| if private { "private" } else { "public" };
        let wanted = name(wanted == Visibility::Private);
        let found = match private {
            Some(Some(p)) if name(p) == wanted => return Ok(()),
            Some(Some(p)) => name(p),
            Some(None) => "of unknown visibility",
            None => "not there",
        };
        Err(if sent {
            let why = format!("the dataset is {found} and was approved as {wanted}");
            PublishError::Mismatch { place: wire.page(), path: "visibility".to_owned(), why }
        } else {
            PublishError::Visibility { repo: wire.repo.to_owned(), wanted, found }
        })
    }

    /// Commits onto `parent` and returns the commit that was read back and compared.
    async fn commit(&self, parent: &str, standing: &BTreeMap<String, u64>) -> Result<String, PublishError> {
        let mut tries = 0;
        loop {
            let bytes = self.files.iter().map(|f| f.bytes).sum();
            self.options.tell(Step::Sending { files: self.files.len(), bytes });
            let sent = self.wire.commit(self.operations(standing), self.cleared.digest(), parent).await;
            let fault = match sent {
                Ok(Some(commit)) => return self.verified(commit).await,
                Ok(None) => Fault::lost("sending the commit", "the answer names no commit"),
                Err(fault) => fault,
            };
            if let Some(commit) = self.landed(parent, &fault).await? {
                return Ok(commit);
            }
            tries += 1;
            match fault {
                Fault::Wait { after, error } if tries < self.options.attempts => {
                    self.wire.wait(tries, after, error).await?;
                }
                Fault::Wait { error, .. } | Fault::Stop(error) => return Err(error),
            }
        }
    }

    /// Our own commit, where it stands at the head in spite of `fault`; `None` where the head is still `parent`.
    async fn landed(&self, parent: &str, fault: &Fault) -> Result<Option<String>, PublishError> {
        let wire = self.wire;
        let unknown = |e: PublishError| PublishError::Uncertain {
            repo: wire.repo.to_owned(),
            why: format!("{}; then: {e}", fault.error()),
        };
        let head = wire.patiently(async || wire.head().await).await.map_err(unknown)?;
        if head == parent {
            return Ok(None);
        }
        let standing = wire.patiently(async || wire.tree(&head).await).await.map_err(unknown)?;
        match self.holds(&head, &standing).await.map_err(unknown)? {
            None => Ok(Some(head)),
            Some(_) => Err(PublishError::Diverged { repo: wire.repo.to_owned() }),
        }
    }

    async fn verified(&self, commit: String) -> Result<String, PublishError> {
        let wire = self.wire;
        let unknown = |e: PublishError| PublishError::Uncertain {
            repo: wire.repo.to_owned(),
            why: format!("commit {commit} was made and could not be read back: {e}"),
        };
        let standing = wire.patiently(async || wire.tree(&commit).await).await.map_err(unknown)?;
        match self.holds(&commit, &standing).await.map_err(unknown)? {
            None => Ok(commit),
            Some((path, why)) => {
                Err(PublishError::Mismatch { place: format!("{} at {commit}", wire.page()), path, why })
            }
        }
    }

    /// Adds of all files, and deletes of shards that an earlier release left.
    fn operations(&self, standing: &BTreeMap<String, u64>) -> Vec<CommitOperation> {
        let adds =
            self.cleared.files().iter().map(|f| CommitOperation::add_bytes(f.path.clone(), f.bytes.clone()));
        let stale = standing.keys().filter(|p| self.is_stale(p)).map(|p| CommitOperation::delete(p.clone()));
        adds.chain(stale).collect()
    }

    fn is_stale(&self, path: &str) -> bool {
        is_shard(path) && !self.files.iter().any(|f| f.path == path)
    }

    /// Compares a commit with the cleared files: `None` where it holds exactly them (and files that are not a
    /// release's), else the first difference. Sizes first, so that a different commit costs no download.
    async fn holds(
        &self,
        commit: &str,
        standing: &BTreeMap<String, u64>,
    ) -> Result<Option<(String, String)>, PublishError> {
        let differs = |path: &str, why: &str| Ok(Some((path.to_owned(), why.to_owned())));
        if let Some(path) = standing.keys().find(|p| self.is_stale(p)) {
            return differs(path, "a shard that is not in the release");
        }
        for file in self.files {
            match standing.get(&file.path) {
                None => return differs(&file.path, "missing"),
                Some(size) if *size != file.bytes => return differs(&file.path, "another size"),
                Some(_) => {}
            }
        }
        let (wire, total) = (self.wire, self.files.len());
        for (done, file) in self.files.iter().enumerate() {
            self.options.tell(Step::Verifying { done, total });
            let there = wire.patiently(async || wire.read(commit, &file.path, file.bytes).await).await?;
            if there.as_deref() != Some(file.sha256.as_str()) {
                return differs(&file.path, "another SHA-256");
            }
        }
        self.options.tell(Step::Verifying { done: total, total });
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shards_of_a_release_are_ever_deleted() {
        for ours in ["data/train-00000.jsonl", "data/train-12.jsonl"] {
            assert!(is_shard(ours), "{ours}");
        }
        for other in [
            "README.md",
            "data/test-00000.jsonl",
            "data/train-.jsonl",
            "data/train-0/0.jsonl",
            "data/train-00000.parquet",
            "x/data/train-00000.jsonl",
            "data/train-notes.jsonl",
        ] {
            assert!(!is_shard(other), "{other}");
        }
    }

    #[test]
    fn files_that_the_hub_would_refuse_are_named() {
        let file = |bytes| FileEntry { path: "data/train-00000.jsonl".into(), sha256: String::new(), bytes };
        assert!(fits(&[file(FILE_LIMIT as u64 - 1)]).is_ok());
        assert!(matches!(fits(&[file(FILE_LIMIT as u64)]), Err(PublishError::FileTooLarge { .. })));
        assert!(matches!(fits(&vec![file(1); 257]), Err(PublishError::TooManyFiles { files: 257, .. })));
    }
}
