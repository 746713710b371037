//! The approval of a second person, if the policy needs two approvers.
//!
//! The first approver signs, and exports the sealed files with the receipt. The second one reads them on their own machine or
//! in their own directory, signs the same statement with their own key, and gives the folder back. The import keeps the second
//! receipt beside the first. Nothing is published before that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::app::environment::EnvironmentNote;
use crate::app::fs::{io_failure, make_private_dir, write_private_json};
use crate::app::{App, Failure, Kind};
use crate::export::Layout;
use crate::gate::{
    EarlierCounts, Envelope, FileOwner, GateError, HubAddress, InTotoStatement, Issue, PolicyVerdict,
    PublicKey, PublishPolicy, STATEMENT_TYPE, SealedFile, SignedReceipt, VerifiedReceipt, checked_provenance,
    issue, read_private_file, read_sealed, verify, verify_second, write_sealed,
};
use crate::trace::Timestamp;
use crate::workflow::{
    Assurance, AuditPosition, Destination, FileEntry, NameScan, NextStep, Phase, Release, canonical, digest,
};

use super::approval::{ProjectRows, projects, rows_there};
use super::handed_folder::{FILES, FIRST, REVOCATION, SECOND, read_json};
use super::provenance::Provenance;
use super::review::Coverage;
use super::sign::changed_meanwhile;

/// The entry of the audit log on the second approver's machine.
pub(super) const COSIGNED: &str = "cosigned";
/// The second approver's copies of the files that they read, in clawgate's directory.
const COPIES: &str = "cosign";
/// Characters of the digest in the name of a copy.
const COPY_NAME_CHARS: usize = 16;

/// What the first approver gives to the second, beside the files.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exported {
    receipt: SignedReceipt,
    provenance: Envelope,
    files: Vec<FileEntry>,
}

/// What the second approver gives back.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Returned {
    receipt: SignedReceipt,
    /// The statement of the first approver with both signatures.
    provenance: Envelope,
}

/// An exported folder that was checked.
struct CheckedFolder {
    preview: SecondPreview,
    first: VerifiedReceipt,
    provenance: Envelope,
    files: Vec<SealedFile>,
}

/// The approvals of a signed release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approvals {
    /// How many approvers have to sign, as the policy says.
    pub needed: u8,
    /// Fingerprints of the keys that signed.
    pub given: Vec<String>,
    /// Fingerprints of the other enrolled keys. One of them has to sign, if an approval is missing.
    pub others: Vec<String>,
    /// Why a second receipt that exists does not count.
    pub problem: Option<String>,
}

impl Approvals {
    /// Whether the policy needs an approval that was not given.
    pub(crate) fn is_missing(&self) -> bool {
        self.needed > 1 && self.given.len() < usize::from(self.needed)
    }

    /// How many approvals there are, and who is missing.
    pub(crate) fn in_words(&self, id: &str) -> String {
        let signed = if self.given.is_empty() { "nobody".to_owned() } else { self.given.join(" and ") };
        let mut out =
            format!("Release {id} has {} of {} approvals: signed by {signed}", self.given.len(), self.needed);
        if self.is_missing() {
            out.push_str(&match self.others.as_slice() {
                [] => "; no other approver is enrolled (`clawgate keys enrol`)".to_owned(),
                [one] => format!("; missing: {one}"),
                others => format!("; missing: one of {}", others.join(", ")),
            });
        }
        if let Some(problem) = &self.problem {
            out.push_str(&format!(". {problem}"));
        }
        out.trim_end_matches('.').to_owned() + "."
    }

    /// The next step of a release that a second approver has to sign.
    pub(crate) fn next_step(&self, id: &str) -> NextStep {
        NextStep::second_approval(id, &self.in_words(id))
    }
}

/// What a second approver is about to sign.
#[derive(Debug, Clone, Serialize)]
pub struct SecondPreview {
    /// Id of the release on the first approver's machine.
    pub release: String,
    /// Digest of the files, computed from their bytes.
    pub digest: String,
    pub destination: Destination,
    pub endpoint: Option<String>,
    pub proxy: Option<String>,
    pub rows: u64,
    /// Whether the files are added to a dataset that exists. If not, they replace it.
    pub adds: bool,
    /// What the first approver's receipt says about the rows at the destination. `None` if it says that there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier: Option<EarlierCounts>,
    pub files: u64,
    /// Size of the files.
    pub bytes: u64,
    /// Projects of the rows. Untrusted text.
    pub projects: Vec<ProjectRows>,
    /// What the first approver's archive says about the reading.
    pub coverage: Coverage,
    pub name_scan: NameScan,
    /// Who submitted each statement.
    pub statements: BTreeMap<String, String>,
    /// What the rules and the second approver's own strings find in the rows, by kind.
    pub found: BTreeMap<String, u64>,
    /// What the policy of this machine demands.
    pub policy: PolicyVerdict,
    /// The key, the time and the end of the first approval.
    pub first_key: String,
    pub first_signed: Timestamp,
    pub expires: Timestamp,
    /// Fingerprint of the person's own key.
    pub key: String,
    pub environment: Vec<EnvironmentNote>,
}

/// An exported release as it is shown to a second approver.
pub struct ToCosign {
    pub preview: SecondPreview,
    /// SHA-256 over everything that is shown, lower-case hex.
    pub shown: String,
    /// The approver's own copy of the files that were checked.
    pub files: PathBuf,
    entries: Vec<FileEntry>,
    dir: PathBuf,
    first: VerifiedReceipt,
    provenance: Envelope,
}

#[derive(Debug, Clone, Serialize)]
pub struct CosignReport {
    pub release: String,
    pub digest: String,
    /// Fingerprints of the first and the second key.
    pub keys: [String; 2],
    pub expires: Timestamp,
    /// The signed second receipt.
    pub receipt: PathBuf,
}

impl App {
    fn second_path(&self, id: &str) -> PathBuf {
        self.dir().join("receipts").join(format!("{id}.second.json"))
    }

    /// The receipt of the second approver. `None` if there is none that can be read: then it is missing.
    pub(super) fn second_receipt(&self, id: &str) -> Option<SignedReceipt> {
        let bytes = read_private_file(&self.second_path(id), FileOwner::User).ok()??;
        serde_json::from_slice(&bytes).ok()
    }

    /// Removes a second receipt and the second signature of the provenance statement, because the first receipt that they
    /// belong to ended, or because they were revoked.
    pub(super) fn remove_second_receipt(&self, id: &str) -> Result<(), Failure> {
        let path = self.second_path(id);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(io_failure("cannot remove", &path, &e));
            }
            _ => {}
        }
        match self.provenance(id)? {
            Some(both) if both != both.clone().first_only() => self.store_provenance(id, &both.first_only()),
            _ => Ok(()),
        }
    }

    /// Checks that a second receipt belongs to the first and was not revoked, and that its key signed the provenance statement
    /// too.
    fn check_second(
        &self,
        second: &SignedReceipt,
        provenance: Option<&Envelope>,
        first: &VerifiedReceipt,
        enrolled: &[PublicKey],
    ) -> Result<VerifiedReceipt, GateError> {
        let checked = verify_second(second, first, enrolled, self.now())?;
        // If the audit log cannot be read, the receipt counts as revoked.
        let this = (checked.key().to_owned(), checked.receipt().nonce.clone());
        if self.revoked_receipts().map_or(true, |revoked| revoked.contains(&this)) {
            return Err(GateError::SecondApproval(format!("{} revoked it", checked.key())));
        }
        let signers = provenance.and_then(|p| p.verify_all(STATEMENT_TYPE, enrolled).ok());
        let signers = signers.map(|(_, signers)| signers).unwrap_or_default();
        match signers.iter().map(|key| key.fingerprint()).eq([first.key(), checked.key()]) {
            true => Ok(checked),
            false => Err(GateError::SecondApproval(
                "the provenance statement does not have the signatures of both keys".to_owned(),
            )),
        }
    }

    /// Who signed a release, and who is missing.
    ///
    /// # Errors
    /// [`Failure`] if the policy, the keys or the receipt cannot be read.
    pub(crate) fn approvals(&self, release: &Release) -> Result<Approvals, Failure> {
        let policy = PublishPolicy::read(self.ctx.env.system_dir.as_deref(), &self.dir())?;
        let needed = release.destination.as_ref().map_or(1, |d| policy.approvers(d));
        let enrolled = self.enrolled_keys()?;
        let mut out = Approvals { needed, given: Vec::new(), others: Vec::new(), problem: None };
        let first = self.receipt(&release.id)?.and_then(|signed| verify(&signed, &enrolled, self.now()).ok());
        let nonce = release.approval.as_ref().map(|a| a.nonce.as_str());
        if let Some(first) = first.filter(|first| Some(first.receipt().nonce.as_str()) == nonce) {
            out.given.push(first.key().to_owned());
            let provenance = self.provenance(&release.id)?;
            let check = |second| self.check_second(&second, provenance.as_ref(), &first, &enrolled);
            match self.second_receipt(&release.id).map(check) {
                Some(Ok(second)) => out.given.push(second.key().to_owned()),
                Some(Err(problem)) => out.problem = Some(problem.to_string()),
                None => {}
            }
        }
        let others = enrolled.iter().map(|k| k.fingerprint().to_owned());
        out.others = others.filter(|key| !out.given.contains(key)).collect();
        Ok(out)
    }

    /// Fails if the policy needs an approval that is missing.
    pub(super) fn require_approvals(&self, release: &Release) -> Result<(), Failure> {
        let approvals = self.approvals(release)?;
        if !approvals.is_missing() {
            return Ok(());
        }
        let next = approvals.next_step(&release.id);
        let message = format!("A human is needed. {}", next.human_action.unwrap_or_default());
        Err(Failure::new(Kind::HumanNeeded, "second_approval_needed", message)
            .for_person(approvals.in_words(&release.id))
            .hint(next.command))
    }

    /// Writes a signed release to a new folder, for the second approver.
    ///
    /// # Errors
    /// [`Failure`] if the release is not signed or has to be signed again, the policy needs only one approval, the files were
    /// changed, or the folder exists.
    pub fn cosign_export(&mut self, release: Option<&str>, dir: &Path) -> Result<String, Failure> {
        let open = self.required_release(release, Phase::Approved)?;
        let id = open.id().to_owned();
        let (Some(receipt), Some(provenance), Phase::Approved) =
            (self.receipt(&id)?, self.provenance(&id)?, open.release.phase)
        else {
            let message = format!("Release {id} is not signed. The first approver signs before the second.");
            return Err(
                Failure::new(Kind::Refused, "not_signed", message).hint(format!("clawgate sign {id}"))
            );
        };
        let refused = |code: &str, message: String, next: String| {
            Err(Failure::new(Kind::Refused, code, message).hint(next))
        };
        if let Some(why) = self.why_sign_again(&id)? {
            return refused("not_cleared", why, format!("clawgate sign {id}"));
        }
        if self.approvals(&open.release)?.needed < 2 {
            let message = format!("The policy needs one approval, and release {id} has it.");
            return refused("one_approval", message, format!("clawgate publish {id}"));
        }
        if std::fs::symlink_metadata(dir).is_ok() {
            let message = format!("{} exists already.", dir.display());
            return Err(Failure::usage("folder_exists", message).hint("name a new folder"));
        }
        let files = self.sealed_files(&open)?;
        make_private_dir(dir)?;
        let content: Vec<(String, Vec<u8>)> = files.into_iter().map(|f| (f.path, f.bytes)).collect();
        let files = write_sealed(&dir.join(FILES), &content)?;
        let exported = Exported { receipt, provenance: provenance.first_only(), files };
        write_private_json(&dir.join(FIRST), &exported)?;
        self.audit("cosign_exported", Some(&id), json!({ "digest": open.release.digest() }))?;
        Ok(id)
    }

    /// What a second approver is about to sign, from a folder that the first approver exported. The files that were checked
    /// are copied into clawgate's directory, so that the person reads them where the first approver does not write.
    ///
    /// # Errors
    /// [`Failure`] if the folder is not complete, a file is not the one that was signed, the first key is not enrolled here
    /// or is the person's own, the first approval expired, or the policy of this machine does not allow the release.
    pub fn cosign_preview(&self, dir: &Path) -> Result<ToCosign, Failure> {
        let CheckedFolder { preview, first, provenance, files } = self.exported(dir)?;
        let shown = hash_of(&preview)?;
        let copies = self.dir().join(COPIES);
        make_private_dir(&copies)?;
        let copy = copies.join(preview.digest.get(..COPY_NAME_CHARS).unwrap_or(&preview.digest));
        let content: Vec<(String, Vec<u8>)> = files.into_iter().map(|f| (f.path, f.bytes)).collect();
        let entries = write_sealed(&copy, &content)?;
        Ok(ToCosign { preview, shown, files: copy, entries, dir: dir.to_owned(), first, provenance })
    }

    /// Reads and checks an exported folder.
    fn exported(&self, dir: &Path) -> Result<CheckedFolder, Failure> {
        let exported: Exported = read_json(&dir.join(FIRST), "clawgate cosign export DIR")?;
        let enrolled = self.enrolled_keys()?;
        let first = verify(&exported.receipt, &enrolled, self.now()).map_err(other_first)?;
        let own = self.public_keys()?.own.ok_or(GateError::NoKeys)?;
        let refuse = |what: &str| other_first(GateError::SecondApproval(what.to_owned()));
        if own.fingerprint() == first.key() {
            let what = "your own key signed the first one, and another person has to sign the second";
            let failure = Failure::from(GateError::SecondApproval(what.to_owned()));
            let hints =
                vec!["give the folder to another approver; `clawgate keys list` names them".to_owned()];
            return Err(Failure { hints, ..failure });
        }
        let receipt = first.receipt();
        if receipt.second_to.is_some() {
            return Err(refuse("the folder contains no first approval"));
        }
        let files = read_sealed(&dir.join(FILES), &exported.files).map_err(other_folder)?;
        let entries: Vec<FileEntry> = files.iter().map(SealedFile::entry).collect();
        if digest(&entries) != receipt.release_digest() {
            return Err(other_folder(GateError::OtherDigest));
        }
        let Some(layout) = Layout::of(files.iter().map(|f| f.path.as_str())) else {
            return Err(refuse("its files are not those of one release"));
        };
        let provenance = enrolled
            .iter()
            .find(|key| key.fingerprint() == first.key())
            .map(std::slice::from_ref)
            .filter(|keys| {
                checked_provenance(&exported.provenance, keys, &files, receipt.release_digest()).is_some()
            })
            .and_then(|keys| exported.provenance.verify(STATEMENT_TYPE, keys))
            .and_then(|(text, _)| {
                serde_json::from_value::<Provenance>(InTotoStatement::parse(&text)?.predicate).ok()
            })
            .ok_or_else(|| other_first(GateError::OtherProvenance))?;
        let may_sign = provenance.keys().unwrap_or_default();
        if !may_sign.iter().any(|key| key.bytes() == own.bytes()) {
            return Err(refuse(
                "the first approver's statement does not name your key: they enrol it (`clawgate keys enrol`), sign again and \
                 export again",
            ));
        }
        let (projects, rows) = projects(&files);
        if !provenance.coverage.is_possible(rows) {
            return Err(refuse("what the first approver says about the reading cannot be true"));
        }
        let policy = PublishPolicy::read(self.ctx.env.system_dir.as_deref(), &self.dir())?;
        let policy = policy.judge(first.destination(), rows + rows_there(receipt.earlier.as_ref()));
        if !policy.faults.is_empty() {
            let message =
                format!("The policy of this machine does not allow it: {}.", policy.faults.join("; "));
            return Err(Failure::new(Kind::Refused, "policy", message).hint("clawgate doctor"));
        }
        let preview = SecondPreview {
            release: receipt.release.clone(),
            digest: receipt.release_digest().to_owned(),
            destination: first.destination().clone(),
            endpoint: receipt.endpoint.clone(),
            proxy: receipt.proxy.clone(),
            rows,
            adds: layout != Layout::Whole,
            earlier: receipt.earlier,
            files: files.len() as u64,
            bytes: files.iter().map(|f| f.bytes.len() as u64).sum(),
            projects,
            coverage: provenance.coverage,
            name_scan: provenance.name_scan,
            statements: provenance.statements,
            found: self.found_in(&files)?,
            policy,
            first_key: first.key().to_owned(),
            first_signed: receipt.issued,
            expires: receipt.expires,
            key: own.fingerprint().to_owned(),
            environment: self.unusual_environment(receipt.endpoint.as_deref()),
        };
        Ok(CheckedFolder { preview, first, provenance: exported.provenance, files })
    }

    /// Fails if the files that the person could read, or what they were shown, changed since.
    fn check_cosigned(&mut self, shown: &ToCosign) -> Result<(), Failure> {
        let copy = read_sealed(&shown.files, &shown.entries);
        let again = self.exported(&shown.dir).and_then(|folder| hash_of(&folder.preview));
        if copy.is_ok() && again.is_ok_and(|again| again == shown.shown) {
            return Ok(());
        }
        let detail = json!({ "code": "changed_meanwhile", "release": shown.first.receipt().release });
        self.audit("refused", None, detail)?;
        let message = format!(
            "The files in {} changed while you were reading. Nothing was signed.",
            shown.dir.display()
        );
        let command = format!("clawgate cosign sign {}", shown.dir.display());
        Err(Failure::new(Kind::Refused, "changed_meanwhile", message).recorded().hint(command))
    }

    /// Signs what was shown, as the second approver, and writes the receipt into the folder.
    ///
    /// # Errors
    /// [`Failure`] if the passphrase does not unlock the key that was shown, a file changed since it was shown, the first
    /// approval expired, the audit log is damaged, or the caller is an agent.
    pub fn cosign(&mut self, shown: &ToCosign, passphrase: &str) -> Result<CosignReport, Failure> {
        let first = shown.first.receipt();
        self.require_person(&format!("clawgate cosign sign {}", shown.dir.display()))?;
        let unlocked = self.unlock(passphrase)?;
        if unlocked.fingerprint() != shown.preview.key {
            return Err(changed_meanwhile(&first.release));
        }
        self.check_cosigned(shown)?;
        let (log, now) = (self.intact_audit_log()?, self.now());
        let hub = first.endpoint.clone().map(|endpoint| HubAddress { endpoint, proxy: first.proxy.clone() });
        let environment: Vec<String> = shown.preview.environment.iter().map(EnvironmentNote::line).collect();
        let what = Issue {
            release: &first.release,
            digest: &shown.preview.digest,
            sent: first.files.as_ref().map(|_| first.digest.as_str()),
            destination: shown.first.destination(),
            policy: &first.policy,
            review: &first.review,
            hub: hub.as_ref(),
            shown: &shown.shown,
            second_to: Some(&first.nonce),
            environment: &environment,
            reading: None,
            earlier: None,
            audit: &AuditPosition::end_of(&log.entries),
            assurance: Assurance::A3,
        };
        let signed = issue(&unlocked, what, now, first.expires.millis().saturating_sub(now.millis()))?;
        let second = verify_second(&signed, &shown.first, &self.enrolled_keys()?, now)?;
        let detail = json!({
            "release": first.release, "digest": first.release_digest(), "first_key": shown.first.key(),
            "first_nonce": first.nonce, "key": second.key(), "nonce": second.receipt().nonce,
        });
        let provenance = shown.provenance.clone().with_signature(&unlocked)?;
        self.audit(COSIGNED, None, detail)?;
        self.sign_audit_head(&unlocked)?;
        let path = shown.dir.join(SECOND);
        let returned = Returned { receipt: signed, provenance };
        write_private_json(&path, &returned)?;
        // The copy was for the reading. If it cannot be removed, the next one replaces it.
        let _ = std::fs::remove_dir_all(&shown.files);
        Ok(CosignReport {
            release: first.release.clone(),
            digest: first.release_digest().to_owned(),
            keys: [shown.first.key().to_owned(), second.key().to_owned()],
            expires: second.receipt().expires,
            receipt: path,
        })
    }

    /// Takes over the second receipt from a folder that comes back, or its revocation. The receipt must belong to the present
    /// first receipt.
    ///
    /// # Errors
    /// [`Failure`] if the release is not signed or is already published, or the second receipt does not count.
    pub fn cosign_import(&mut self, release: Option<&str>, dir: &Path) -> Result<Approvals, Failure> {
        if let Some(failure) = self.already_published(release)? {
            return Err(failure);
        }
        let is_revoked = std::fs::symlink_metadata(dir.join(REVOCATION)).is_ok();
        let returned: Option<Returned> = match read_json(&dir.join(SECOND), "clawgate cosign sign DIR") {
            Err(_) if is_revoked && !dir.join(SECOND).exists() => None,
            read => Some(read?),
        };
        let open = self.required_release(release, Phase::Approved)?;
        let (id, enrolled, now) = (open.id().to_owned(), self.enrolled_keys()?, self.now());
        // A revocation counts before anything else does.
        self.import_revocation(&id, dir, &enrolled)?;
        let approval = open.release.approval.as_ref();
        let (Some(first), Some(approval)) = (self.receipt(&id)?, approval) else {
            let message = format!("Release {id} has no valid first approval.");
            return Err(
                Failure::new(Kind::Refused, "not_signed", message).hint(format!("clawgate sign {id}"))
            );
        };
        let Some(Returned { receipt: signed, provenance }) = returned else {
            return self.approvals(&open.release);
        };
        let first_key = first.key.clone();
        let first = match verify(&first, &enrolled, now) {
            Ok(first) if first.receipt().nonce == approval.nonce => first,
            Ok(_) => return Err(self.not_cleared(&id, GateError::Replayed)?),
            Err(problem) => return Err(self.not_cleared(&id, problem)?),
        };
        let stored = self.provenance(&id)?.map(Envelope::first_only);
        let checked = match stored.as_ref() == Some(&provenance.clone().first_only()) {
            true => self.check_second(&signed, Some(&provenance), &first, &enrolled),
            // The statement of another signature: the receipt says the same, in better words.
            false => verify_second(&signed, &first, &enrolled, now).and(Err(GateError::SecondApproval(
                "its provenance statement is not that of the release".to_owned(),
            ))),
        };
        let second = match checked {
            Ok(second) => second,
            Err(problem) => return Err(self.second_not_cleared(&id, problem)?),
        };
        self.store_provenance(&id, &provenance)?;
        write_private_json(&self.second_path(&id), &signed)?;
        let detail = json!({
            "digest": second.receipt().release_digest(), "key": second.key(), "nonce": second.receipt().nonce,
            "first_key": first_key, "first_nonce": approval.nonce,
        });
        self.audit("second_approval", Some(&id), detail)?;
        self.approvals(&open.release)
    }

    /// Records a second receipt that is not accepted, and makes the failure. The second approver has to sign what is exported
    /// now.
    fn second_not_cleared(&mut self, id: &str, problem: GateError) -> Result<Failure, Failure> {
        let is_unknown = matches!(problem, GateError::NotEnrolled(_));
        let failure = self.not_cleared(id, problem)?;
        let mut failure = Failure { hints: Vec::new(), ..failure };
        if is_unknown {
            failure = failure
                .hint_command("clawgate keys enrol FILE", "enrols the key that the other person exported");
        }
        Ok(failure.hint(format!("clawgate cosign export DIR {id}")))
    }
}

/// SHA-256 over everything that is shown, lower-case hex.
fn hash_of(preview: &SecondPreview) -> Result<String, Failure> {
    let shown = serde_json::to_value(preview).map_err(|e| Failure::failed("json", e.to_string()))?;
    Ok(data_encoding::HEXLOWER.encode(&Sha256::digest(canonical(&shown))))
}

/// The failure of a first approval that the second approver cannot sign. Only the first approver can give another one.
fn other_first(e: GateError) -> Failure {
    let hint = match e {
        GateError::NotEnrolled(_) => {
            "clawgate keys enrol FILE  # enrols the key that the first approver exported"
        }
        _ => "ask the first approver to run `clawgate sign` and `clawgate cosign export` again",
    };
    Failure { hints: vec![hint.to_owned()], ..Failure::from(e) }
}

/// The failure of a folder whose files are not those of the first approval. Only the first approver can give others.
fn other_folder(e: GateError) -> Failure {
    let what = match e {
        GateError::FileChanged(path) => format!("{path} was changed"),
        GateError::FileMissing(path) => format!("{path} is missing"),
        GateError::FileUnexpected(path) => format!("it contains {path}, which was never sealed"),
        GateError::OtherDigest => "it contains other files".to_owned(),
        e => e.to_string().trim_end_matches('.').to_owned(),
    };
    let message = format!("The folder is not what the first approver exported: {what}.");
    Failure::new(Kind::Refused, "folder_changed", message)
        .hint("ask the first approver to run `clawgate cosign export` again")
}
