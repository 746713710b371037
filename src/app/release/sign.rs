//! Sign: shows what will leave, and turns a person's passphrase into a receipt over exactly that.

use std::path::PathBuf;

use serde::Serialize;

use crate::gate::{DEFAULT_TTL_MS, Issue, KdfParams, Keys, SignedReceipt, Unlocked, issue, verify};
use crate::trace::{SessionKey, Timestamp};
use crate::workflow::{Assurance, Destination, Event, FileEntry, Phase, digest, needed_assurance};

use crate::app::config::write_private;
use crate::app::context::Actor;
use crate::app::failure::io_failure;
use crate::app::release::Open;
use crate::app::release::{EvidenceReport, PrivacyReport};
use crate::app::{App, Failure, Kind};

/// A row of the sample, as the person sees it before signing.
#[derive(Debug, Clone, Serialize)]
pub struct SampleRow {
    /// Session.
    pub session: SessionKey,
    /// Size of the row in bytes.
    pub bytes: u64,
    /// The beginning of the sealed bytes.
    pub excerpt: String,
}

/// What will leave, if the person signs.
#[derive(Debug, Clone, Serialize)]
pub struct SignPreview {
    /// Release.
    pub release: String,
    /// Digest of the bytes.
    pub digest: String,
    /// Where to, who may see it, under which licence.
    pub destination: Destination,
    /// Assurance that is needed.
    pub needed: Assurance,
    /// Rows.
    pub rows: u64,
    /// Files.
    pub files: Vec<FileEntry>,
    /// Privacy report.
    pub privacy_report: PrivacyReport,
    /// What was read, and how an agent that read did; nothing before everything was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceReport>,
    /// Beginnings of some rows.
    pub sample: Vec<SampleRow>,
}

/// What would leave as the release stands, whatever is still to be done before.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// Release.
    pub release: String,
    /// Where it stands.
    pub phase: Phase,
    /// Digest of the bytes.
    pub digest: String,
    /// Where to, who may see it, under which licence; nothing where it is not chosen yet.
    pub destination: Option<Destination>,
    /// Assurance that is needed.
    pub needed: Option<Assurance>,
    /// Rows.
    pub rows: u64,
    /// Files.
    pub files: Vec<FileEntry>,
    /// Privacy report.
    pub privacy_report: PrivacyReport,
    /// What was read, and how an agent that read did; nothing before everything was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceReport>,
    /// Beginnings of some rows.
    pub sample: Vec<SampleRow>,
}

/// The receipt that was written.
#[derive(Debug, Clone, Serialize)]
pub struct SignReport {
    /// Release.
    pub release: String,
    /// Digest that is approved.
    pub digest: String,
    /// Fingerprint of the approver key.
    pub key: String,
    /// Assurance.
    pub assurance: Assurance,
    /// From when on the receipt is worth nothing.
    pub expires: Timestamp,
    /// Where it stands.
    pub receipt: PathBuf,
}

/// The approver keys, without anything secret.
#[derive(Debug, Clone, Serialize)]
pub struct KeysReport {
    /// Fingerprint of this machine's key.
    pub fingerprint: Option<String>,
    /// Whether a Hub token is sealed beside it.
    pub hub_token_sealed: bool,
    /// Fingerprints of all enrolled keys.
    pub enrolled: Vec<String>,
}

impl App {
    fn keys_dir(&self) -> PathBuf {
        self.dir().join("keys")
    }

    fn receipt_path(&self, id: &str) -> PathBuf {
        self.dir().join("receipts").join(format!("{id}.json"))
    }

    /// The approver keys, without anything secret.
    ///
    /// # Errors
    /// [`Failure`] where a key file cannot be read.
    pub fn keys(&self) -> Result<KeysReport, Failure> {
        let public = Keys::public(&self.keys_dir())?;
        Ok(KeysReport {
            fingerprint: public.own,
            hub_token_sealed: public.has_token,
            enrolled: public.enrolled.iter().map(|k| k.fingerprint().to_owned()).collect(),
        })
    }

    /// Makes the approver key and seals it, and the Hub token if there is one, with the passphrase.
    ///
    /// # Errors
    /// [`Failure`] where keys exist, the passphrase is weak, or the caller is an agent.
    pub fn keys_init(&mut self, passphrase: &str, token: Option<&str>) -> Result<KeysReport, Failure> {
        self.keys_init_with(passphrase, token, KdfParams::default())
    }

    /// The same with other costs of the key derivation; for tests.
    ///
    /// # Errors
    /// As [`App::keys_init`].
    pub fn keys_init_with(
        &mut self,
        passphrase: &str,
        token: Option<&str>,
        params: KdfParams,
    ) -> Result<KeysReport, Failure> {
        self.person_only("clawgate keys init")?;
        let key = Keys::init(&self.keys_dir(), passphrase, token, self.now(), params)?;
        let detail = serde_json::json!({ "key": key.fingerprint(), "token_sealed": token.is_some() });
        self.audit("keys_made", None, detail)?;
        self.keys()
    }

    /// Seals another Hub token beside the approver key.
    ///
    /// # Errors
    /// [`Failure`] where the passphrase does not open the keys, or the caller is an agent.
    pub fn keys_set_token(&mut self, passphrase: &str, token: Option<&str>) -> Result<KeysReport, Failure> {
        self.person_only("clawgate login")?;
        Keys::set_token(&self.keys_dir(), passphrase, token)?;
        self.audit("token_sealed", None, serde_json::json!({ "token_sealed": token.is_some() }))?;
        self.keys()
    }

    fn person_only(&self, command: &str) -> Result<(), Failure> {
        match self.ctx.actor {
            Actor::Person => Ok(()),
            Actor::Agent => {
                let message = format!("Only a person can do this, in their own terminal: {command}");
                Err(Failure::new(Kind::HumanNeeded, "human_needed", message).hint(command))
            }
        }
    }

    /// What would leave as the release stands, read from the sealed files.
    ///
    /// # Errors
    /// [`Failure`] where nothing is prepared or the sealed files changed.
    pub fn preview(&mut self, release: Option<&str>) -> Result<Preview, Failure> {
        let mut open = self.required(release, Phase::Prepared)?;
        let Some(privacy_report) = open.extra.report.clone().filter(|_| open.release.sealed.is_some()) else {
            // The state machine words the refusal: a review is never due before the preparation.
            self.step(&mut open, &Event::ReviewFinished)?;
            return Err(Failure::failed("not_prepared", "The release has no report."));
        };
        let files = self.sealed_files(&open)?;
        let files: Vec<FileEntry> = files.iter().map(|f| FileEntry::of(&f.path, &f.bytes)).collect();
        Ok(Preview {
            release: open.release.id.clone(),
            phase: open.release.phase,
            digest: digest(&files),
            needed: open.release.destination.as_ref().map(needed_assurance),
            destination: open.release.destination.clone(),
            rows: open.release.rows.len() as u64,
            sample: self.sample_rows(&open)?,
            evidence: open.release.evidence.as_ref().map(EvidenceReport::from),
            files,
            privacy_report,
        })
    }

    fn sample_rows(&self, open: &Open) -> Result<Vec<SampleRow>, Failure> {
        let rows = self.sealed_rows(open)?.into_iter().take(3);
        Ok(rows
            .map(|(row, text)| SampleRow {
                session: row.key,
                bytes: row.bytes,
                excerpt: text.chars().take(600).collect(),
            })
            .collect())
    }

    /// What will leave, read from the sealed files.
    ///
    /// # Errors
    /// [`Failure`] where the release is not confirmed or the sealed files changed.
    pub fn sign_preview(&mut self, release: Option<&str>) -> Result<SignPreview, Failure> {
        let mut open = self.required(release, Phase::Confirmed)?;
        if open.release.phase < Phase::Confirmed || open.release.destination.is_none() {
            // The state machine words the refusal: publishing is never due in these phases.
            let event = Event::Publishing { digest: String::new(), now: self.now() };
            self.step(&mut open, &event)?;
        }
        let files = self.sealed_files(&open)?;
        let entries: Vec<FileEntry> = files.iter().map(|f| FileEntry::of(&f.path, &f.bytes)).collect();
        let (Some(destination), Some(report)) = (open.release.destination.clone(), open.extra.report.clone())
        else {
            return Err(Failure::failed("not_prepared", "The release has no destination or no report."));
        };
        Ok(SignPreview {
            release: open.release.id.clone(),
            digest: digest(&entries),
            needed: needed_assurance(&destination),
            destination,
            rows: open.release.rows.len() as u64,
            sample: self.sample_rows(&open)?,
            evidence: open.release.evidence.as_ref().map(EvidenceReport::from),
            files: entries,
            privacy_report: report,
        })
    }

    /// Signs exactly what the preview showed, and hands the unlocked secrets on for the upload.
    ///
    /// # Errors
    /// [`Failure`] where the bytes are no longer those of the preview, the passphrase does not open the keys, or
    /// the caller is an agent.
    pub fn sign(&mut self, shown: &SignPreview, passphrase: &str) -> Result<(SignReport, Unlocked), Failure> {
        self.person_only(&format!("clawgate sign {}", shown.release))?;
        let unlocked = Keys::unlock(&self.keys_dir(), passphrase)?;
        let mut open = self.required(Some(&shown.release), Phase::Confirmed)?;
        let now = self.now();
        if open.release.digest() != Some(shown.digest.as_str())
            || open.release.destination.as_ref() != Some(&shown.destination)
            || open.release.review_root() != shown.evidence.as_ref().map_or("", |e| e.root.as_str())
        {
            return Err(Failure::new(
                Kind::Refused,
                "changed_meanwhile",
                "The release changed while you were looking at it.",
            )
            .hint(format!("clawgate sign {}", shown.release)));
        }
        let what = Issue {
            release: &shown.release,
            digest: &shown.digest,
            destination: &shown.destination,
            policy: open.release.policy.as_deref().unwrap_or_default(),
            review: open.release.review_root(),
            assurance: Assurance::A3,
        };
        let signed = issue(&unlocked, what, now, DEFAULT_TTL_MS)?;
        let enrolled = Keys::public(&self.keys_dir())?.enrolled;
        let receipt = verify(&signed, &enrolled, now)?.facts();
        let report = SignReport {
            release: shown.release.clone(),
            digest: shown.digest.clone(),
            key: receipt.key.clone(),
            assurance: receipt.assurance,
            expires: receipt.expires,
            receipt: self.receipt_path(&shown.release),
        };
        self.step(&mut open, &Event::ReceiptAccepted { receipt, now })?;
        let dir = self.dir().join("receipts");
        crate::store::private_dir(&dir).map_err(|e| io_failure("cannot make", &dir, &e))?;
        write_private(&report.receipt, &serde_json::to_vec_pretty(&signed).unwrap_or_default())?;
        Ok((report, unlocked))
    }

    /// The receipt that was written for a release.
    pub(crate) fn receipt(&self, id: &str) -> Result<Option<SignedReceipt>, Failure> {
        let path = self.receipt_path(id);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|_| {
                Failure::new(Kind::Refused, "bad_receipt", "The receipt cannot be read back.")
                    .hint(format!("clawgate sign {id}"))
            }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(io_failure("cannot read", &path, &e)),
        }
    }

    /// Opens the keys for a publication whose receipt stands already.
    ///
    /// # Errors
    /// [`Failure`] where the passphrase does not open them.
    pub fn unlock(&self, passphrase: &str) -> Result<Unlocked, Failure> {
        Ok(Keys::unlock(&self.keys_dir(), passphrase)?)
    }

    pub(crate) fn enrolled(&self) -> Result<Vec<crate::gate::PublicKey>, Failure> {
        Ok(Keys::public(&self.keys_dir())?.enrolled)
    }
}
