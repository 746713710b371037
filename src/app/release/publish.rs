//! Publish: sends exactly the approved bytes, and nothing without a receipt.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::{App, Failure, Kind};
use crate::gate::{ClearRequest, Cleared, GateError, SignedReceipt, Unlocked, clear};
use crate::publish::{HubOptions, UploadStep, publish_blocking};
use crate::workflow::{Event, Phase, Release, Target};

use super::OpenRelease;
use super::sealed::sealed_changed;

/// Parameters of [`App::publish`].
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PublishParams {
    /// Default: current.
    pub release: Option<String>,
}

/// A published release.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PublishReport {
    /// Id of the release.
    pub release: String,
    /// Digest of the bytes that were read back.
    pub digest: String,
    /// The commit on the Hub, or the digest for a folder.
    pub commit: String,
    /// URL or path of the published files.
    pub url: String,
    /// Number of files that were read back and compared.
    pub files: u64,
}

impl App {
    /// Publishes a release that has a valid receipt. A Hub destination needs the token, which only the passphrase
    /// unseals.
    ///
    /// # Errors
    /// [`Failure`]: refused if the release is already published. A human is needed if the receipt or the token is missing. It is refused if anything differs from
    /// what was approved, and fails if the destination does not accept the upload.
    pub fn publish(
        &mut self,
        p: &PublishParams,
        unlocked: Option<&Unlocked>,
    ) -> Result<PublishReport, Failure> {
        if let Some(failure) = self.already_published(p.release.as_deref())? {
            return Err(failure);
        }
        let mut open = self.required_release(p.release.as_deref(), Phase::Approved)?;
        let signed = self.approved_receipt(&open, unlocked)?;
        let cleared = self.clear_release(&open, &signed, unlocked)?;
        let digest = cleared.digest().to_owned();
        self.step(&mut open, &Event::Publishing { digest, now: self.now() })?;
        let published = match publish_blocking(&cleared, &self.hub_options()) {
            Ok(published) => published,
            Err(e) => {
                self.step(&mut open, &Event::PublishFailed)?;
                return Err(e.into());
            }
        };
        let commit = published.commit.unwrap_or_else(|| published.digest.clone());
        let digest = published.digest.clone();
        self.step(&mut open, &Event::Published { commit: commit.clone(), digest, now: self.now() })?;
        Ok(PublishReport {
            release: open.release.id,
            digest: published.digest,
            commit,
            url: published.url,
            files: published.files.len() as u64,
        })
    }

    /// The receipt of an approved release. Fails if a person has to act first, or if the release is not approved.
    fn approved_receipt(
        &mut self,
        open: &OpenRelease,
        unlocked: Option<&Unlocked>,
    ) -> Result<SignedReceipt, Failure> {
        let id = open.id();
        if open.release.phase == Phase::Confirmed {
            return Err(self.signature_needed(&open.release));
        }
        if open.release.phase != Phase::Approved {
            let digest = open.release.digest().unwrap_or_default().to_owned();
            return Err(self.refusal(open, &Event::Publishing { digest, now: self.now() }));
        }
        let target = open.release.destination.as_ref().map(|d| &d.target);
        let token = unlocked.and_then(Unlocked::token);
        if matches!(target, Some(Target::Hub { .. })) && token.is_none() {
            // Nobody is asked to act for a release whose files were changed.
            self.sealed_files(open)?;
            return Err(token_needed(id));
        }
        // The receipt file may have been deleted after the approval.
        match self.receipt(id)? {
            Some(receipt) => Ok(receipt),
            None => Err(self.signature_needed(&open.release)),
        }
    }

    /// Checks the receipt over the sealed bytes. A failure is recorded in the audit log.
    fn clear_release(
        &mut self,
        open: &OpenRelease,
        signed: &SignedReceipt,
        unlocked: Option<&Unlocked>,
    ) -> Result<Cleared, Failure> {
        let cleared = clear(ClearRequest {
            signed,
            enrolled: &self.enrolled_keys()?,
            now: self.now(),
            release: &open.release,
            review: &self.evidence(open)?.root,
            dir: &self.sealed_dir(open.id()),
            // If the archive cannot be read, the nonce counts as used.
            nonce_used: &|nonce| self.archive.nonce_used(nonce).unwrap_or(true),
            token: unlocked.and_then(Unlocked::token),
        });
        cleared.or_else(|e: GateError| {
            self.audit("refused", Some(open.id()), serde_json::json!({ "code": "not_cleared" }))?;
            Err(match e.is_changed_file() {
                true => sealed_changed(open.id()).hint(e.to_string()),
                false => e.into(),
            })
        })
    }

    /// The failure of a publication that a person has to sign first.
    fn signature_needed(&self, release: &Release) -> Failure {
        let next = self.approval_step(release);
        let action = next.human_action.unwrap_or_default();
        Failure::new(Kind::HumanNeeded, "human_needed", format!("A human is needed. {action}"))
            .for_person("The release is not signed yet.")
            .hint(next.command)
    }

    fn hub_options(&self) -> HubOptions {
        let mut options = HubOptions::default();
        if let Some(endpoint) = self.ctx.env.var("HF_ENDPOINT") {
            options.endpoint = endpoint.trim_end_matches('/').to_owned();
        }
        let progress = self.ctx.progress.clone();
        options.progress = Some(Arc::new(move |step: &UploadStep| match step {
            UploadStep::Checking => progress.report("checking the destination", 0, 0),
            UploadStep::Creating => progress.report("creating the repository", 0, 0),
            UploadStep::Sending { bytes, .. } => progress.report("sending", 0, *bytes),
            UploadStep::Waiting { .. } => progress.report("waiting, as the Hub asked", 0, 0),
            UploadStep::Verifying { done, total } => {
                progress.report("reading back and comparing", *done as u64, *total as u64);
            }
        }));
        options
    }

    /// Withdraws a release. Files that are already published stay at the destination.
    ///
    /// # Errors
    /// [`Failure`] if there is no such release.
    pub fn withdraw(&mut self, release: Option<&str>) -> Result<String, Failure> {
        let mut open = self.required_release(release, Phase::Draft)?;
        self.step(&mut open, &Event::Withdrawn)?;
        Ok(open.release.id)
    }
}

fn token_needed(id: &str) -> Failure {
    let command = format!("clawgate publish {id}");
    let message = format!(
        "A human is needed: the Hub token is sealed. Ask the person to run `{command}` in their own terminal, where \
         it asks for their passphrase."
    );
    Failure::new(Kind::HumanNeeded, "human_needed", message)
        .for_person("The Hub token is encrypted. Your passphrase decrypts it.")
        .hint(command)
}
