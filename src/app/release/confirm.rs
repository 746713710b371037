//! Confirm: three attestations in the person's words, each checked against the recorded evidence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::{App, Failure, Kind};
use crate::gate::SealedFile;
use crate::pricing::pluralize;
use crate::workflow::{AttestationKind, Event, FileEntry, NameScan, Phase, digest};

use super::name_scan::count_name;
use super::review::EvidenceReport;

/// Minimum length of an attestation, in characters.
pub const MIN_ATTESTATION_CHARS: usize = 24;
/// Minimum length of a full name, in characters.
pub const MIN_NAME_CHARS: usize = 3;

/// The attestations.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmParams {
    /// Default: current.
    pub release: Option<String>,
    /// Not stored.
    pub full_name: Option<String>,
    /// The person declined.
    #[serde(default)]
    pub skip_full_name_scan: bool,
    /// On the name scan.
    pub attest_full_name: String,
    /// On sensitive entities.
    pub attest_sensitive: String,
    /// On reading the sample.
    pub attest_manual_scan: String,
}

impl ConfirmParams {
    /// Each attestation with the name of its parameter, its option on the command line, and its words.
    fn attestations(&self) -> [(AttestationKind, &'static str, &'static str, &str); 3] {
        [
            (AttestationKind::FullName, "attest_full_name", "--attest-full-name", &self.attest_full_name),
            (AttestationKind::Entities, "attest_sensitive", "--attest-sensitive", &self.attest_sensitive),
            (
                AttestationKind::ManualScan,
                "attest_manual_scan",
                "--attest-manual-scan",
                &self.attest_manual_scan,
            ),
        ]
    }

    fn check(&self) -> Result<(), Failure> {
        if self.full_name.is_some() == self.skip_full_name_scan {
            return Err(Failure::usage(
                "name_or_skip",
                "Ask the person for their full name (it is searched for and not stored), or state that they declined.",
            )
            .for_person("Give your full name with --full-name, or skip the search with --skip-full-name-scan."));
        }
        for (_, parameter, option, words) in self.attestations() {
            if !is_long_enough(words) {
                let message = format!(
                    "`{parameter}` must say in the person's words what was asked and done (at least \
                     {MIN_ATTESTATION_CHARS} characters)."
                );
                let for_person = format!(
                    "{option} needs a sentence of at least {MIN_ATTESTATION_CHARS} characters that says what was \
                     asked and done."
                );
                return Err(Failure::usage("attestation_too_short", message).for_person(for_person));
            }
        }
        Ok(())
    }
}

/// The evidence that supports the attestations.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ConfirmReport {
    /// Id of the release.
    pub release: String,
    /// The confirmed digest.
    pub digest: String,
    /// Result of the exact-name scan.
    pub name_scan: NameScan,
    /// Number of decided values of the inventory.
    pub entities_decided: u64,
    /// Number of sampled rows that were read completely.
    pub sample_read: u64,
    /// Number of rows in the release.
    pub rows: u64,
    /// Evidence of the review, with the measurement of an agent that read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceReport>,
}

impl App {
    /// Records the attestations after checking each against the evidence.
    ///
    /// # Errors
    /// [`Failure`] if the review is not complete, the name is in the sealed bytes, or words are missing.
    pub fn confirm(&mut self, p: &ConfirmParams) -> Result<ConfirmReport, Failure> {
        let mut open = self.required_release(p.release.as_deref(), Phase::Reviewed)?;
        self.check_exclusions()?;
        // In other states the state machine refuses the step, which is more useful than a message about the words.
        if open.release.phase >= Phase::Reviewed && open.release.phase != Phase::Withdrawn {
            p.check()?;
        }
        let files = self.sealed_files(&open)?;
        let entries: Vec<FileEntry> = files.iter().map(SealedFile::entry).collect();
        let digest = digest(&entries);
        let result = scan_for_name(p.full_name.as_deref(), &files)?;
        self.step(&mut open, &Event::NameScanned { digest: digest.clone(), result })?;
        if let NameScan::Hits { count } = result {
            let message = format!(
                "The full name is in the sealed files in {}; it must be redacted first.",
                pluralize(count, "place")
            );
            return Err(Failure::new(Kind::Refused, "name_found", message).hint(
                "clawgate config --redact \"THE NAME\" (and its handle with --redact-usernames), then clawgate prepare",
            ));
        }
        let by = self.ctx.actor.as_str().to_owned();
        for (kind, _, _, words) in p.attestations() {
            let (words, at) = (words.trim().to_owned(), self.now());
            self.step(&mut open, &Event::Attested { kind, words, by: by.clone(), at })?;
        }
        let entities = open.data.report.as_ref().map_or(0, |r| r.entities.total);
        Ok(ConfirmReport {
            digest,
            name_scan: result,
            entities_decided: entities - open.release.undecided_entities.min(entities),
            sample_read: open.release.sample.len() as u64 - open.release.unread_sample().len() as u64,
            rows: open.release.rows.len() as u64,
            evidence: open.release.evidence.as_ref().map(EvidenceReport::from),
            release: open.release.id,
        })
    }
}

/// Whether an attestation has at least [`MIN_ATTESTATION_CHARS`] characters.
pub fn is_long_enough(words: &str) -> bool {
    words.trim().chars().count() >= MIN_ATTESTATION_CHARS
}

fn scan_for_name(name: Option<&str>, files: &[SealedFile]) -> Result<NameScan, Failure> {
    let Some(name) = name else { return Ok(NameScan::Declined) };
    if name.trim().chars().count() < MIN_NAME_CHARS {
        let message = format!("A full name has at least {MIN_NAME_CHARS} letters.");
        return Err(Failure::usage("name_too_short", message));
    }
    let count = files.iter().map(|f| count_name(name, &String::from_utf8_lossy(&f.bytes))).sum();
    Ok(if count == 0 { NameScan::Clean } else { NameScan::Hits { count } })
}
