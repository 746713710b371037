//! Verifies a published dataset on disk against its provenance statement, without network access.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::app::fs::{io_failure, read_bounded};
use crate::app::{App, Failure};
use crate::export::{ADDITIONS, FILE_LIMIT, Layout, added_by};
use crate::gate::{Envelope, InTotoStatement, PROVENANCE_FILE, STATEMENT_TYPE};
use crate::workflow::{FileEntry, Target, digest};

use super::provenance::{MAX_PROVENANCE_MIB, Provenance};

/// Problems that a report lists.
const MAX_PROBLEMS: usize = 50;

/// Files outside the statement that a report lists.
const MAX_NOT_COVERED: usize = 50;
/// What the Hub adds to a dataset, and the statement itself.
const IGNORED: [&str; 2] = [PROVENANCE_FILE, ".gitattributes"];
/// Directories of the Hub's tools. They are listed and not read.
const NOT_READ: [&str; 2] = [".git", ".cache"];

/// The result of a verification.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyReport {
    /// Whether every file that the statement names is the approved one, `data/` has no other, and as many approvers signed the
    /// statement as it says that the policy demanded.
    pub valid: bool,
    /// The folder that was read.
    pub path: PathBuf,
    /// Number of files that were compared.
    pub files: u64,
    /// Fingerprint of the key of the first approver.
    pub key: Option<String>,
    /// Fingerprint of the key of the second approver, if there is one.
    pub second_key: Option<String>,
    /// Whether every key that signed is enrolled on this machine.
    pub enrolled: bool,
    /// Fingerprints of the keys that signed and are neither enrolled on this machine nor given by the caller.
    pub unknown: Vec<String>,
    /// What the approver says. `None` if the statement cannot be read.
    pub provenance: Option<Provenance>,
    /// What the approvers of the releases say that were added to the dataset, by the id of the release.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub additions: BTreeMap<String, Provenance>,
    /// One sentence for each problem. Empty if the dataset is as it was signed.
    pub problems: Vec<String>,
    /// Files of the folder that the statement does not name. Nobody approved them.
    pub not_covered: Vec<String>,
}

impl App {
    /// Verifies a dataset in a folder, or a downloaded dataset `owner/name` in the cache of the Hub's tools. `given` are the
    /// fingerprints that the approvers published elsewhere. Each of these keys must have signed.
    ///
    /// # Errors
    /// [`Failure`] if there is no such folder, or it has no provenance file.
    pub fn verify_dataset(&self, target: &str, given: &[String]) -> Result<VerifyReport, Failure> {
        let path = self.dataset_folder(target)?;
        let file = path.join(PROVENANCE_FILE);
        if !file.is_file() {
            let message = format!(
                "{} has no {PROVENANCE_FILE}. Datasets that an earlier version published have none; their card explains \
                 how to compute the digest.",
                path.display()
            );
            return Err(Failure::failed("no_provenance", message));
        }
        let mut report = VerifyReport {
            valid: false,
            files: 0,
            key: None,
            second_key: None,
            enrolled: false,
            unknown: Vec::new(),
            provenance: None,
            additions: BTreeMap::new(),
            problems: Vec::new(),
            not_covered: Vec::new(),
            path,
        };
        let enrolled = self.enrolled_keys()?;
        let is_enrolled = |key: &String| enrolled.iter().any(|k| k.fingerprint() == key);
        report.enrolled = true;
        let mut named: BTreeSet<String> = IGNORED.map(str::to_owned).into();
        for (name, release) in statements_of(&report.path)? {
            named.insert(name.clone());
            let signed = serde_json::from_slice::<Envelope>(&read_bounded(
                &report.path.join(&name),
                MAX_PROVENANCE_MIB,
            )?);
            let signed = signed.map_err(|_| "it is not a signed statement".to_owned());
            let Signed { statement, provenance, signers } = match signed.and_then(|e| signed_statement(&e)) {
                Ok(signed) => signed,
                Err(problem) => {
                    report.enrolled = false;
                    report.problems.push(format!("{name} does not count: {problem}"));
                    continue;
                }
            };
            report.enrolled &= signers.iter().all(is_enrolled);
            for key in given.iter().filter(|key| !signers.contains(key)) {
                let who = signers.join(" and ");
                report.problems.push(format!("the key {key} did not sign {name}; {who} did"));
            }
            for key in signers.iter().filter(|key| !is_enrolled(key) && !given.contains(key)) {
                if !report.unknown.contains(key) {
                    report.unknown.push(key.clone());
                }
            }
            compare(&mut report, &statement, &provenance, release.as_deref(), &mut named)?;
            // The whole release comes first.
            let stranger = signers.iter().find(|key| {
                report.key.as_ref() != Some(*key)
                    && report.second_key.as_ref() != Some(*key)
                    && report.unknown.contains(key)
            });
            if let Some(key) = stranger.filter(|_| release.is_some() && report.provenance.is_some()) {
                let problem = format!(
                    "{name} is signed by {key}, which did not sign the dataset and is not known on this machine"
                );
                report.problems.push(problem);
            }
            if release.is_some()
                && report.provenance.as_ref().is_some_and(|whole| !is_added_to(&provenance, whole))
            {
                report.problems.push(format!("{name} is about files that were added to another dataset"));
            }
            match release {
                Some(release) => drop(report.additions.insert(release, provenance)),
                None => {
                    let mut signers = signers.into_iter();
                    report.key = signers.next();
                    report.second_key = signers.next();
                    report.provenance = Some(provenance);
                }
            }
        }
        if report.provenance.is_some() {
            list_not_covered(&mut report, &named)?;
        }
        report.problems.truncate(MAX_PROBLEMS);
        report.valid = report.problems.is_empty();
        Ok(report)
    }

    /// The folder that a path or a name of a downloaded dataset means.
    fn dataset_folder(&self, target: &str) -> Result<PathBuf, Failure> {
        let path = PathBuf::from(target);
        if path.is_dir() {
            return Ok(path);
        }
        let missing = |hint: String| {
            let message = match path.exists() {
                true => format!("{target} is not a folder."),
                false => format!("There is no folder {target}."),
            };
            Failure::usage("no_such_dataset", message).hint(hint)
        };
        let Ok(Target::Hub { repo, revision }) = Target::hub(target) else {
            return Err(missing(
                "clawgate verify FOLDER, or the owner/name of a downloaded dataset".to_owned(),
            ));
        };
        let env = &self.ctx.env;
        let hub = match env.var("HF_HUB_CACHE") {
            Some(cache) => PathBuf::from(cache),
            None => env.dir("HF_HOME", ".cache/huggingface").join("hub"),
        };
        let cached = hub.join(format!("datasets--{}", repo.replace('/', "--")));
        let commit = std::fs::read_to_string(cached.join("refs").join(revision)).unwrap_or_default();
        let snapshot = cached.join("snapshots").join(commit.trim());
        match snapshot.is_dir() && !commit.trim().is_empty() {
            true => Ok(snapshot),
            false => {
                Err(missing(format!("hf download {repo} --repo-type dataset, then clawgate verify {repo}")))
            }
        }
    }
}

/// A statement whose signatures were checked.
pub(super) struct Signed {
    pub statement: InTotoStatement,
    pub provenance: Provenance,
    /// Fingerprints of the keys that signed, that of the first approver first.
    pub signers: Vec<String>,
}

/// The statement, if the approver that it names signed it, and as many of the others that it names as the policy demanded. If
/// not, says why.
pub(super) fn signed_statement(envelope: &Envelope) -> Result<Signed, String> {
    let read = || {
        let statement = InTotoStatement::parse(&envelope.unchecked_payload()?)?;
        let provenance: Provenance = serde_json::from_value(statement.predicate.clone()).ok()?;
        let keys = provenance.keys()?;
        Some((statement, provenance, keys))
    };
    let (statement, provenance, keys) = read().ok_or("it is not a statement of clawgate")?;
    let (_, signers) = envelope.verify_all(STATEMENT_TYPE, &keys).map_err(|fault| fault.to_string())?;
    let signers: Vec<String> = signers.iter().map(|key| key.fingerprint().to_owned()).collect();
    if signers.first() != Some(&provenance.approver.fingerprint) {
        return Err("the first signature is not that of the approver that it names".to_owned());
    }
    match usize::from(provenance.approvers).cmp(&signers.len()) {
        Ordering::Equal => Ok(Signed { statement, provenance, signers }),
        Ordering::Greater => Err(format!(
            "the policy of the owner demanded {} approvals, and only {} signed it",
            provenance.approvers,
            signers.join(" and ")
        )),
        Ordering::Less => Err("more approvers signed it than the policy of the owner demanded".to_owned()),
    }
}

/// Whether the approver of an added release named this whole release.
fn is_added_to(added: &Provenance, whole: &Provenance) -> bool {
    added.adds_to.as_ref() == Some(&whole.digest) && added.repository == whole.repository
}

/// The provenance files of a dataset: that of the whole release, and those of the releases that were added to it, with
/// their ids.
fn statements_of(root: &Path) -> Result<Vec<(String, Option<String>)>, Failure> {
    let mut out = vec![(PROVENANCE_FILE.to_owned(), None)];
    let dir = root.join(ADDITIONS);
    if !dir.is_dir() {
        return Ok(out);
    }
    let io = |e: std::io::Error| io_failure("cannot read", &dir, &e);
    let mut added = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(io)? {
        let name =
            format!("{ADDITIONS}/{}/{PROVENANCE_FILE}", entry.map_err(io)?.file_name().to_string_lossy());
        if let Some(id) = added_by(&name).filter(|_| root.join(&name).is_file()) {
            added.push((name.clone(), Some(id.to_owned())));
        }
    }
    added.sort();
    out.append(&mut added);
    Ok(out)
}

/// Compares the files on disk with a statement, and adds their names to `named`. `release` is the id of an added release.
fn compare(
    report: &mut VerifyReport,
    statement: &InTotoStatement,
    provenance: &Provenance,
    release: Option<&str>,
    named: &mut BTreeSet<String>,
) -> Result<(), Failure> {
    let (root, before) = (report.path.clone(), report.problems.len());
    let layout = release.map(|id| Layout::Added(id.to_owned()));
    let mut entries = Vec::new();
    if let Some(name) = repeated(statement) {
        report.problems.push(format!("the statement names {name:?} twice"));
        return Ok(());
    }
    for subject in &statement.subject {
        let name = subject.name.as_str();
        let is_plain = name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
        let is_other = layout.as_ref().is_some_and(|layout| !layout.contains(name));
        if !is_plain || name.contains('\\') || is_other {
            report.problems.push(format!("the statement names the path {name:?}"));
            continue;
        }
        named.insert(name.to_owned());
        let path = root.join(name);
        if !path.is_file() {
            report.problems.push(format!("{name} is missing"));
            continue;
        }
        let entry = FileEntry::of(name, &read_bounded(&path, (FILE_LIMIT >> 20) as u64 + 1)?);
        if Some(entry.sha256.as_str()) != subject.sha256() {
            report.problems.push(format!("{name} has another SHA-256"));
        }
        entries.push(entry);
    }
    report.files += entries.len() as u64;
    if report.problems.len() == before && digest(&entries) != provenance.digest {
        report.problems.push("the digest over the files is not the approved one".to_owned());
    }
    Ok(())
}

/// Lists the files that no statement names.
fn list_not_covered(report: &mut VerifyReport, named: &BTreeSet<String>) -> Result<(), Failure> {
    let mut others = Vec::new();
    list_others(&report.path, "", named, &mut others)?;
    others.sort();
    // The card declares all of `data/` as rows of the dataset.
    let is_data = |name: &String| name == "data" || name.starts_with("data/");
    let (data, mut not_covered): (Vec<String>, Vec<String>) = others.into_iter().partition(is_data);
    report.problems.extend(data.iter().map(|name| format!("{name} was not approved")));
    let more = not_covered.len().saturating_sub(MAX_NOT_COVERED);
    not_covered.truncate(MAX_NOT_COVERED);
    if more > 0 {
        not_covered.push(format!("{more} more"));
    }
    report.not_covered = not_covered;
    Ok(())
}

/// A name that a statement has more than once. No release has one, and each occurrence would be read again.
fn repeated(statement: &InTotoStatement) -> Option<&str> {
    let mut seen = BTreeSet::new();
    statement.subject.iter().map(|s| s.name.as_str()).find(|name| !seen.insert(*name))
}

/// Adds every file below `dir` that the statement does not name. `below` is its path in the dataset.
///
/// Links to folders are listed and not followed, because they can lead out of the dataset.
fn list_others(
    dir: &Path,
    below: &str,
    named: &BTreeSet<String>,
    others: &mut Vec<String>,
) -> Result<(), Failure> {
    let io = |e: std::io::Error| io_failure("cannot read", dir, &e);
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if named.contains(&name) {
            continue;
        }
        let is_dir = entry.file_type().map_err(io)?.is_dir();
        if is_dir && NOT_READ.contains(&name.as_str()) {
            others.push(format!("{name}/"));
        } else if is_dir {
            list_others(&entry.path(), &format!("{name}/"), named, others)?;
        } else {
            others.push(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_that_names_a_file_twice_is_found() {
        let file = |path: &str| FileEntry::of(path, b"x");
        let statement = |files: &[FileEntry]| InTotoStatement::new(files, serde_json::json!({}));
        assert_eq!(repeated(&statement(&[file("README.md"), file("data/a")])), None);
        let twice = statement(&[file("README.md"), file("data/a"), file("README.md")]);
        assert_eq!(repeated(&twice), Some("README.md"));
    }
}
