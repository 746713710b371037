//! Publish: sends exactly the approved bytes, and nothing without a receipt.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gate::{ClearRequest, Unlocked, clear};
use crate::publish::{HubOptions, Step, publish_blocking};
use crate::workflow::{Event, Phase, Target, sign_action};

use crate::app::{App, Failure, Kind};

/// What to publish.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PublishParams {
    /// Release id (default the current one).
    pub release: Option<String>,
}

/// What stands at the destination.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PublishReport {
    /// Release.
    pub release: String,
    /// Digest, read back.
    pub digest: String,
    /// The commit, or a folder's own mark.
    pub commit: String,
    /// Where it can be seen.
    pub url: String,
    /// Files that were read back and compared.
    pub files: u64,
}

impl App {
    /// Publishes a release under its receipt. A Hub destination needs the token that only the passphrase unseals.
    ///
    /// # Errors
    /// [`Failure`]: a human is needed where no receipt stands or no token is at hand; refused where anything
    /// differs from what was approved; failed where the destination refuses.
    pub fn publish(
        &mut self,
        p: &PublishParams,
        unlocked: Option<&Unlocked>,
    ) -> Result<PublishReport, Failure> {
        let mut open = self.required(p.release.as_deref(), Phase::Approved)?;
        let id = open.release.id.clone();
        let now = self.now();
        if open.release.phase == Phase::Confirmed {
            let mut f = Failure::new(
                Kind::HumanNeeded,
                "human_needed",
                format!("A human is needed. {}", sign_action(&id)),
            );
            f.hints.push(format!("clawgate sign {id}"));
            return Err(f);
        }
        let files = self.sealed_files(&open)?;
        let entries: Vec<_> =
            files.iter().map(|f| crate::workflow::FileEntry::of(&f.path, &f.bytes)).collect();
        drop(files);
        let digest = crate::workflow::digest(&entries);
        let hub = matches!(open.release.destination.as_ref().map(|d| &d.target), Some(Target::Hub { .. }));
        let signed = self.receipt(&id)?;
        let token = unlocked.and_then(Unlocked::token);
        if open.release.phase == Phase::Approved && hub && token.is_none() {
            let command = format!("clawgate publish {id}");
            return Err(Failure::new(
                Kind::HumanNeeded,
                "human_needed",
                format!(
                    "A human is needed: the Hub token is sealed. Ask the person to run `{command}` in their own terminal; it asks for their passphrase there."
                ),
            )
            .hint(command));
        }
        let Some(signed) = signed.filter(|_| open.release.phase == Phase::Approved) else {
            // The state machine words the refusal.
            self.step(&mut open, &Event::Publishing { digest, now })?;
            return Err(Failure::new(Kind::HumanNeeded, "human_needed", sign_action(&id)));
        };
        let enrolled = self.enrolled()?;
        let review = self.evidence(&open)?.root;
        let dir = self.sealed_dir(&id);
        let archive = &self.archive;
        let cleared = clear(ClearRequest {
            signed: &signed,
            enrolled: &enrolled,
            now,
            release: &open.release,
            review: &review,
            dir: &dir,
            nonce_used: &|nonce| archive.nonce_used(nonce).unwrap_or(true),
            token,
        });
        let cleared = match cleared {
            Ok(cleared) => cleared,
            Err(e) => {
                self.audit("refused", Some(&id), serde_json::json!({ "code": "not_cleared" }))?;
                return Err(e.into());
            }
        };
        self.step(&mut open, &Event::Publishing { digest: cleared.digest().to_owned(), now })?;
        let mut options = HubOptions::default();
        if let Some(endpoint) = self.ctx.env.var("HF_ENDPOINT") {
            options.endpoint = endpoint.trim_end_matches('/').to_owned();
        }
        let progress = self.ctx.progress.clone();
        options.progress = Some(Arc::new(move |step: &Step| match step {
            Step::Checking => progress.report("checking the destination", 0, 0),
            Step::Creating => progress.report("creating the repository", 0, 0),
            Step::Sending { bytes, .. } => progress.report("sending", 0, *bytes),
            Step::Waiting { .. } => progress.report("waiting, as the Hub asked", 0, 0),
            Step::Verifying { done, total } => {
                progress.report("reading back and comparing", *done as u64, *total as u64);
            }
        }));
        let done = publish_blocking(&cleared, &options);
        let published = match done {
            Ok(published) => published,
            Err(e) => {
                self.step(&mut open, &Event::PublishFailed)?;
                return Err(e.into());
            }
        };
        let now = self.now();
        let commit = published.commit.unwrap_or_else(|| published.digest.clone());
        let event = Event::Published { commit: commit.clone(), digest: published.digest.clone(), now };
        self.step(&mut open, &event)?;
        Ok(PublishReport {
            release: id,
            digest: published.digest,
            commit,
            url: published.url,
            files: published.files.len() as u64,
        })
    }

    /// Takes a release back. What stands at a destination already stays there; the answer says so.
    ///
    /// # Errors
    /// [`Failure`] where there is no such release.
    pub fn withdraw(&mut self, release: Option<&str>) -> Result<String, Failure> {
        let mut open = self.required(release, Phase::Draft)?;
        self.step(&mut open, &Event::Withdrawn)?;
        Ok(open.release.id)
    }
}
