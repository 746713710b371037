//! Confirm: three attestations in the person's words, each checked against the recorded evidence.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::{App, Failure, Kind};
use crate::gate::SealedFile;
use crate::pricing::{pluralize, pluralize_with_verb};
use crate::trace::SessionKey;
use crate::workflow::{
    Assurance, AttestationKind, EntityDecision, Event, FileEntry, NameScan, Phase, Refusal, digest,
    need_destination, need_scope,
};

use super::OpenRelease;
use super::name_scan::count_name;
use super::review::{Coverage, EvidenceReport};
use super::session_ids::named;
use super::statement::{MIN_ATTESTATION_CHARS, denies_kept_values, statement_fault};

/// Minimum length of a full name, in characters.
pub const MIN_NAME_CHARS: usize = 3;

/// Sessions with the name that a message names.
const MAX_PLACES: usize = 5;

/// Parameters of [`App::confirm`].
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmParams {
    /// Id of the release. By default the current one.
    #[schemars(description = "Default: current.")]
    pub release: Option<String>,
    /// Full name of the owner, for which the sealed files are searched. It is not stored.
    #[schemars(description = "Not stored.")]
    pub full_name: Option<String>,
    /// Whether the person declined the search for their name.
    #[schemars(description = "The person declined the search.")]
    #[serde(default)]
    pub skip_full_name_scan: bool,
    /// The person accepts that the name is in the files. The interface has asked for their passphrase.
    #[serde(skip)]
    pub waive_name_hits: bool,
    /// Statement about the search for the name.
    #[schemars(description = "On the name scan.")]
    pub attest_full_name: String,
    /// Statement about companies, clients and internal names.
    #[schemars(description = "On sensitive entities.")]
    pub attest_sensitive: String,
    /// Statement about reading the sample.
    #[schemars(description = "On reading the sample.")]
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
        let has_scan = self.full_name.is_some() || self.skip_full_name_scan || self.waive_name_hits;
        if !has_scan || self.full_name.is_some() && self.skip_full_name_scan {
            return Err(Failure::usage(
                "name_or_skip",
                "Ask the person for their full name (it is searched for and not stored), or state that they declined.",
            )
            .for_person("Give your full name with --full-name, or skip the search with --skip-full-name-scan."));
        }
        for (_, parameter, option, words) in self.attestations() {
            if let Some(fault) = statement_fault(words) {
                let message = format!(
                    "`{parameter}` must say in the person's words what was asked and done (at least \
                     {MIN_ATTESTATION_CHARS} characters): {fault}."
                );
                let for_person = format!(
                    "{option} needs a sentence of at least {MIN_ATTESTATION_CHARS} characters that says what was \
                     asked and done: {fault}."
                );
                let code = if words.trim().chars().count() < MIN_ATTESTATION_CHARS {
                    "attestation_too_short"
                } else {
                    "attestation_without_words"
                };
                return Err(Failure::usage(code, message).for_person(for_person));
            }
        }
        Ok(())
    }
}

/// The evidence that supports the attestations.
#[derive(Debug, Clone, Serialize)]
pub struct ConfirmReport {
    /// Id of the release.
    pub release: String,
    /// Digest of the sealed files, in hex.
    pub digest: String,
    /// Result of the exact-name scan.
    pub name_scan: NameScan,
    /// Number of decided values of the inventory.
    pub entities_decided: u64,
    /// Number of sampled rows whose served parts were all read. Of a long row only parts are served; see `coverage`.
    pub sample_read: u64,
    /// Number of rows in the release.
    pub rows: u64,
    /// How much was read, by whom.
    pub coverage: Coverage,
    /// Evidence of the review, with the measurement of an agent that read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceReport>,
}

impl App {
    /// Returns the phase of the release that a person wants to confirm. An interface calls this before it asks anything.
    ///
    /// # Errors
    /// [`Failure`] if there is no release, or if it is reviewed and the scope is not confirmed.
    pub fn phase_to_confirm(&mut self, release: Option<&str>) -> Result<Phase, Failure> {
        Ok(self.release_to_confirm(release)?.release.phase)
    }

    fn release_to_confirm(&mut self, release: Option<&str>) -> Result<OpenRelease, Failure> {
        let open = self.required_release(release, Phase::Reviewed)?;
        self.check_exclusions()?;
        if matches!(open.release.phase, Phase::Reviewed | Phase::Confirmed) {
            self.require_scope(&open, Phase::Reviewed)?;
            self.require(&open, need_destination(&open.release, Phase::Reviewed))?;
        }
        Ok(open)
    }

    /// Refuses a step of a release whose scope is not confirmed.
    pub(super) fn require_scope(&mut self, open: &OpenRelease, required: Phase) -> Result<(), Failure> {
        self.require(open, need_scope(&open.release, required))
    }

    /// Records a refusal in the audit log.
    pub(super) fn require(&mut self, open: &OpenRelease, judged: Result<(), Refusal>) -> Result<(), Failure> {
        let Err(refusal) = judged else { return Ok(()) };
        self.audit("refused", Some(open.id()), serde_json::json!({ "code": refusal.code }))?;
        Err(Failure::from(refusal).recorded())
    }

    /// Records the attestations after checking each against the evidence.
    ///
    /// # Errors
    /// [`Failure`] if the review is not complete, the name is in the sealed bytes, or words are missing.
    pub fn confirm(&mut self, p: &ConfirmParams) -> Result<ConfirmReport, Failure> {
        let mut open = self.release_to_confirm(p.release.as_deref())?;
        // In other states the state machine refuses the step, which is more useful than a message about the words.
        if open.release.phase >= Phase::Reviewed && open.release.phase != Phase::Withdrawn {
            p.check()?;
        }
        self.check_statement_about_inventory(&open, &p.attest_sensitive)?;
        let files = self.sealed_files(&open)?;
        let entries: Vec<FileEntry> = files.iter().map(SealedFile::entry).collect();
        let digest = digest(&entries);
        if p.full_name.is_some() || !p.waive_name_hits {
            let result = scan_for_name(p.full_name.as_deref(), &files)?;
            let name = p.full_name.as_deref().map(|name| self.name_id(name)).transpose()?;
            self.step(&mut open, &Event::NameScanned { digest: digest.clone(), result, name })?;
        }
        if p.waive_name_hits {
            self.require_person(&format!("clawgate confirm {} --waive-name-hits", open.id()))?;
            // The interface has asked for the passphrase.
            self.step(&mut open, &Event::NameHitsWaived { assurance: Assurance::A3 })?;
        }
        if let NameScan::Hits { count } = open.release.name_scan {
            let name = p.full_name.as_deref();
            let places = name.map(|name| places_of(name, &files, &open)).unwrap_or_default();
            return Err(name_found(open.id(), count, &places));
        }
        let by = self.ctx.speaker();
        for (kind, _, _, words) in p.attestations() {
            let (words, at) = (words.trim().to_owned(), self.now());
            self.step(&mut open, &Event::Attested { kind, words, by: by.clone(), at })?;
        }
        let entities = open.data.report.as_ref().map_or(0, |r| r.entities.total);
        Ok(ConfirmReport {
            digest,
            name_scan: open.release.name_scan,
            entities_decided: entities - open.release.undecided_entities.min(entities),
            sample_read: open.release.sample.len() as u64 - open.release.unread_sample().len() as u64,
            rows: open.release.rows.len() as u64,
            coverage: self.reading_summary(&open)?.coverage,
            evidence: open.release.evidence.as_ref().map(EvidenceReport::from),
            release: open.release.id,
        })
    }
}

impl App {
    /// Refuses a statement that nothing was kept in clear if the inventory has kept items.
    fn check_statement_about_inventory(&mut self, open: &OpenRelease, words: &str) -> Result<(), Failure> {
        let kept_values = self.decided_values(open.id(), EntityDecision::Keep)?;
        let entities = self.secrets(open.id())?.entities;
        let kept = entities.iter().filter(|e| kept_values.contains(&e.id)).count() as u64;
        if kept == 0 || !denies_kept_values(words) {
            return Ok(());
        }
        let items = pluralize_with_verb(kept, "inventory item", ("is", "are"));
        let message =
            format!("The statement about entities says that nothing is kept in clear, but {items} kept.");
        Err(Failure::new(Kind::Refused, "statement_contradicted", message).hint_command(
            format!("clawgate review {} --inventory", open.id()),
            "lists them; say which are kept, or redact them",
        ))
    }
}

/// The failure of a release whose files contain the full name.
fn name_found(release: &str, count: u64, places: &[String]) -> Failure {
    let mut message = format!("The full name is in the sealed files in {}", pluralize(count, "place"));
    if !places.is_empty() {
        let more = places.len().saturating_sub(MAX_PLACES);
        let named: Vec<&str> = places.iter().take(MAX_PLACES).map(String::as_str).collect();
        message.push_str(&format!(" ({}", named.join(", ")));
        message.push_str(&if more > 0 { format!(" and {more} more)") } else { ")".to_owned() });
    }
    message.push_str("; it must be redacted first.");
    Failure::new(Kind::Refused, "name_found", message)
        .hint_command("clawgate config --redact \"THE NAME\"", "and the account name with --redact-usernames")
        .hint_command(format!("clawgate prepare {release}"), "then redacts the sessions again")
        .hint_command(
            format!("clawgate confirm {release} --waive-name-hits"),
            "if the name may be published; only a person can say so",
        )
}

/// The sessions and other files in which the name is.
fn places_of(name: &str, files: &[SealedFile], open: &OpenRelease) -> Vec<String> {
    let by_sha: BTreeMap<&str, &SessionKey> =
        open.data.rows.iter().map(|row| (row.place.sha256.as_str(), &row.key)).collect();
    let mut places = Vec::new();
    for file in files {
        if !file.path.starts_with("data/") {
            if count_name(name, &String::from_utf8_lossy(&file.bytes)) > 0 {
                places.push(file.path.clone());
            }
            continue;
        }
        let lines = file.bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        places.extend(
            lines
                .filter(|line| count_name(name, &String::from_utf8_lossy(line)) > 0)
                .filter_map(|line| by_sha.get(FileEntry::of("", line).sha256.as_str()).map(|key| named(key))),
        );
    }
    places
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
