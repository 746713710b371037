//! Sign: shows what would be published, and makes a signed receipt for exactly that.

use std::path::PathBuf;

use serde::Serialize;

use crate::app::fs::{make_private_dir, read_if_exists, write_private};
use crate::app::{App, Failure, Kind};
use crate::gate::{DEFAULT_TTL_MS, Issue, SealedFile, SignedReceipt, Unlocked, issue, verify};
use crate::trace::{SessionKey, Timestamp};
use crate::workflow::{Assurance, Destination, Event, FileEntry, Phase, digest, needed_assurance};

use super::OpenRelease;
use super::data::PrivacyReport;
use super::review::EvidenceReport;
use super::sync::judge;

/// Rows of the sample that a preview shows.
const PREVIEW_ROWS: usize = 3;
/// Characters of each row that a preview shows.
const EXCERPT_CHARS: usize = 600;

/// A sampled row in a preview.
#[derive(Debug, Clone, Serialize)]
pub struct SampleRow {
    pub key: SessionKey,
    /// Size of the row in bytes.
    pub bytes: u64,
    /// The beginning of the sealed text.
    pub excerpt: String,
}

/// What would be published if the release was signed now.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// Id of the release.
    pub release: String,
    pub state: Phase,
    /// Digest of the sealed files.
    pub digest: String,
    /// `None` if no destination is chosen yet.
    pub destination: Option<Destination>,
    /// The assurance that the destination needs.
    pub needed: Option<Assurance>,
    /// Number of rows.
    pub rows: u64,
    pub files: Vec<FileEntry>,
    pub privacy_report: PrivacyReport,
    /// Evidence of the review. `None` if the review has not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceReport>,
    /// Beginnings of some rows.
    pub sample: Vec<SampleRow>,
}

/// A signed receipt.
#[derive(Debug, Clone, Serialize)]
pub struct SignReport {
    /// Id of the release.
    pub release: String,
    /// The approved digest.
    pub digest: String,
    /// Fingerprint of the approver key.
    pub fingerprint: String,
    pub assurance: Assurance,
    /// When the receipt stops being valid.
    pub expires: Timestamp,
    /// Path of the receipt.
    pub receipt: PathBuf,
}

impl App {
    fn receipt_path(&self, id: &str) -> PathBuf {
        self.dir().join("receipts").join(format!("{id}.json"))
    }

    /// What would be published, read from the sealed files. Only reads.
    ///
    /// # Errors
    /// [`Failure`] if the release is not prepared or the sealed files were changed.
    pub fn preview(&self, release: Option<&str>) -> Result<Preview, Failure> {
        let open = self.viewed_release(release, Phase::Prepared)?;
        self.preview_of(&open)?.ok_or_else(|| judge(&open, &Event::ReviewFinished))
    }

    /// What a person is about to sign. Brings the release up to date first.
    ///
    /// # Errors
    /// [`Failure`] if the release is not confirmed or the sealed files were changed.
    pub fn sign_preview(&mut self, release: Option<&str>) -> Result<Preview, Failure> {
        if let Some(failure) = self.already_published(release)? {
            return Err(failure);
        }
        let open = self.required_release(release, Phase::Confirmed)?;
        if open.release.phase < Phase::Confirmed || open.release.destination.is_none() {
            let event = Event::Publishing { digest: String::new(), now: self.now() };
            return Err(self.refusal(&open, &event));
        }
        self.preview_of(&open)?
            .ok_or_else(|| Failure::failed("not_prepared", "The release has no sealed files."))
    }

    /// `None` if the release is not prepared.
    fn preview_of(&self, open: &OpenRelease) -> Result<Option<Preview>, Failure> {
        let release = &open.release;
        let (Some(privacy_report), Some(_)) = (open.data.report.clone(), &release.sealed) else {
            return Ok(None);
        };
        let files: Vec<FileEntry> = self.sealed_files(open)?.iter().map(SealedFile::entry).collect();
        let rows = self.sampled_rows(open)?.into_iter().take(PREVIEW_ROWS);
        let sample = rows.map(|r| SampleRow {
            key: r.row.key,
            bytes: r.row.place.bytes,
            excerpt: r.text.chars().take(EXCERPT_CHARS).collect(),
        });
        Ok(Some(Preview {
            release: release.id.clone(),
            state: release.phase,
            digest: digest(&files),
            needed: release.destination.as_ref().map(needed_assurance),
            destination: release.destination.clone(),
            rows: release.rows.len() as u64,
            sample: sample.collect(),
            evidence: release.evidence.as_ref().map(EvidenceReport::from),
            files,
            privacy_report,
        }))
    }

    /// Signs exactly what the preview showed. Returns the unlocked secrets too, which the upload needs.
    ///
    /// # Errors
    /// [`Failure`] if the release changed after the preview, the passphrase does not unlock the keys, or the caller is
    /// an agent.
    pub fn sign(&mut self, shown: &Preview, passphrase: &str) -> Result<(SignReport, Unlocked), Failure> {
        self.require_person(&format!("clawgate sign {}", shown.release))?;
        let unlocked = self.unlock(passphrase)?;
        let mut open = self.required_release(Some(&shown.release), Phase::Confirmed)?;
        let now = self.now();
        let destination = open.release.destination.clone();
        let (Some(destination), true) = (destination, is_unchanged(&open, shown)) else {
            let message = "The release changed while you were looking at it.";
            return Err(Failure::new(Kind::Refused, "changed_meanwhile", message)
                .hint(format!("clawgate sign {}", shown.release)));
        };
        let approval = Issue {
            release: &shown.release,
            digest: &shown.digest,
            destination: &destination,
            policy: open.release.policy.as_deref().unwrap_or_default(),
            review: open.release.review_root(),
            assurance: Assurance::A3,
        };
        let signed = issue(&unlocked, approval, now, DEFAULT_TTL_MS)?;
        let receipt = verify(&signed, &self.enrolled_keys()?, now)?.facts();
        let report = SignReport {
            release: shown.release.clone(),
            digest: shown.digest.clone(),
            fingerprint: receipt.key.clone(),
            assurance: receipt.assurance,
            expires: receipt.expires,
            receipt: self.receipt_path(&shown.release),
        };
        self.step(&mut open, &Event::ReceiptAccepted { receipt, now })?;
        make_private_dir(&self.dir().join("receipts"))?;
        write_private(&report.receipt, &serde_json::to_vec_pretty(&signed).unwrap_or_default())?;
        Ok((report, unlocked))
    }

    /// Reads the receipt of a release. `None` if there is none.
    pub(super) fn receipt(&self, id: &str) -> Result<Option<SignedReceipt>, Failure> {
        let Some(text) = read_if_exists(&self.receipt_path(id))? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|_| {
            Failure::new(Kind::Refused, "bad_receipt", "The receipt cannot be read.")
                .hint(format!("clawgate sign {id}"))
        })
    }
}

/// Whether the release still has the digest, the destination and the review evidence of the preview.
fn is_unchanged(open: &OpenRelease, shown: &Preview) -> bool {
    open.release.digest() == Some(shown.digest.as_str())
        && open.release.destination == shown.destination
        && open.release.review_root() == shown.evidence.as_ref().map_or("", |e| e.root.as_str())
}
