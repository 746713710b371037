//! Confirm: three attestations in the person's words, each held against what really happened.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::workflow::{AttestationKind, Event, FileEntry, NameScan, Phase, digest};

use crate::app::release::EvidenceReport;
use crate::app::release::name_scan::count_name;
use crate::app::{App, Failure};

/// The attestations.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmParams {
    /// Release id (default the current one).
    pub release: Option<String>,
    /// The person's full name; not stored.
    pub full_name: Option<String>,
    /// The person declined to give a name.
    #[serde(default)]
    pub skip_full_name_scan: bool,
    /// What the person says about the name scan.
    pub attest_full_name: String,
    /// What the person says about sensitive entities.
    pub attest_sensitive: String,
    /// What the person says about reading the sample.
    pub attest_manual_scan: String,
}

/// What the server holds to bear the attestations out.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ConfirmReport {
    /// Release.
    pub release: String,
    /// Digest that is confirmed.
    pub digest: String,
    /// Result of the exact-name scan.
    pub name_scan: NameScan,
    /// Things of the inventory, all decided.
    pub entities_decided: u64,
    /// Rows that were read to their end.
    pub sample_read: u64,
    /// Rows in the release.
    pub rows: u64,
    /// What was read, and how an agent that read did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceReport>,
}

/// Shorter words attest nothing.
const LEAST_WORDS: usize = 24;

impl App {
    /// Takes the attestations, each held against the evidence.
    ///
    /// # Errors
    /// [`Failure`] where the review is not done, the name stands in the sealed bytes, or words are missing.
    pub fn confirm(&mut self, p: &ConfirmParams) -> Result<ConfirmReport, Failure> {
        let mut open = self.required(p.release.as_deref(), Phase::Reviewed)?;
        let id = open.release.id.clone();
        let words = [
            (AttestationKind::FullName, "attest_full_name", &p.attest_full_name),
            (AttestationKind::Entities, "attest_sensitive", &p.attest_sensitive),
            (AttestationKind::ManualScan, "attest_manual_scan", &p.attest_manual_scan),
        ];
        if open.release.phase >= Phase::Reviewed && open.release.phase != Phase::Withdrawn {
            if p.full_name.is_some() == p.skip_full_name_scan {
                return Err(Failure::usage(
                    "name_or_skip",
                    "Ask the person for their full name (it is searched for and not stored), or say that they declined.",
                )
                .hint("clawgate confirm --full-name \"…\" … or clawgate confirm --skip-full-name-scan …"));
            }
            for (_, field, text) in &words {
                if text.trim().chars().count() < LEAST_WORDS {
                    return Err(Failure::usage(
                        "attestation_too_short",
                        format!(
                            "`{field}` must say in the person's words what was asked and done ({LEAST_WORDS} characters or more)."
                        ),
                    ));
                }
            }
        }
        let files = self.sealed_files(&open)?;
        let entries: Vec<_> = files.iter().map(|f| FileEntry::of(&f.path, &f.bytes)).collect();
        let digest = digest(&entries);
        let result = match &p.full_name {
            Some(name) if name.trim().chars().count() < 3 => {
                return Err(Failure::usage("name_too_short", "The full name has three letters or more."));
            }
            Some(name) => {
                let hits = files.iter().map(|f| count_name(name, &String::from_utf8_lossy(&f.bytes))).sum();
                if hits == 0 { NameScan::Clean } else { NameScan::Hits { count: hits } }
            }
            None => NameScan::Declined,
        };
        self.step(&mut open, &Event::NameScanned { digest: digest.clone(), result })?;
        if let NameScan::Hits { count } = result {
            return Err(Failure::new(
                crate::app::Kind::Refused,
                "name_found",
                format!("The full name stands in the sealed bytes in {count} places; it must be redacted first."),
            )
            .hint("clawgate config --redact \"THE NAME\" (and its handle with --redact-usernames), then clawgate prepare"));
        }
        let by = self.ctx.actor.as_str().to_owned();
        for (kind, _, text) in words {
            let (words, at) = (text.trim().to_owned(), self.now());
            self.step(&mut open, &Event::Attested { kind, words, by: by.clone(), at })?;
        }
        let entities = open.extra.report.as_ref().map_or(0, |r| r.entities.total);
        Ok(ConfirmReport {
            release: id,
            digest,
            name_scan: result,
            entities_decided: entities - open.release.undecided_entities.min(entities),
            sample_read: open.release.sample.len() as u64 - open.release.unread_sample().len() as u64,
            rows: open.release.rows.len() as u64,
            evidence: open.release.evidence.as_ref().map(EvidenceReport::from),
        })
    }
}
