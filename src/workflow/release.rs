//! The whole persisted state of one release.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Assurance, Destination, Event, Evidence, FileEntry};
use crate::trace::{SessionKey, Timestamp, Version};

/// Where a release stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Sessions are being chosen, or something changed and the release must be prepared again.
    #[default]
    Draft,
    /// Redaction ran, files are sealed, the digest is fixed.
    Prepared,
    /// Findings and entities are decided, the sample was read to its end.
    Reviewed,
    /// The three attestations are given and borne out.
    Confirmed,
    /// A receipt covers digest, destination, visibility, licence and policy.
    Approved,
    /// The destination holds exactly the digest's bytes.
    Published,
    /// The person took it back.
    Withdrawn,
}

impl Phase {
    /// The name used in JSON and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Draft => "draft",
            Phase::Prepared => "prepared",
            Phase::Reviewed => "reviewed",
            Phase::Confirmed => "confirmed",
            Phase::Approved => "approved",
            Phase::Published => "published",
            Phase::Withdrawn => "withdrawn",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The two facts of the archive that every release depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ArchiveFacts {
    /// A scan exists.
    pub scanned: bool,
    /// The person confirmed which projects are in scope.
    pub scope_confirmed: bool,
}

/// One redacted session of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Version of the session the row was made from.
    pub version: Version,
    /// SHA-256 of the row's bytes, lower-case hex.
    pub sha256: String,
}

/// What a preparation fixed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The files, exactly those that would be published.
    pub files: Vec<FileEntry>,
    /// The digest over `files`.
    pub digest: String,
    /// Hash of the policy they were made under.
    pub policy: String,
    /// The destination they were made for: the card names it.
    pub destination: Option<Destination>,
}

/// Who read a row to its end, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadBy {
    /// The reader, for instance `human` or the name of an agent's client.
    pub by: String,
    /// When the last byte was served.
    pub at: Timestamp,
}

/// Result of the exact-name scan over the sealed bytes; the name itself is nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum NameScan {
    /// It did not run over the present digest.
    #[default]
    NotDone,
    /// The person chose not to give a name.
    Declined,
    /// The name was found; this blocks.
    Hits {
        /// Number of places.
        count: u64,
    },
    /// A human saw the hits and let them stand.
    Waived {
        /// Number of places.
        count: u64,
    },
    /// The name is not in the bytes.
    Clean,
}

/// What an attestation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttestationKind {
    /// The person's full name was searched for.
    FullName,
    /// Companies, clients, hosts, private URLs and people were considered.
    Entities,
    /// The sample was looked through by hand.
    ManualScan,
}

impl AttestationKind {
    /// All of them, in the order they are asked for.
    pub const ALL: [AttestationKind; 3] =
        [AttestationKind::FullName, AttestationKind::Entities, AttestationKind::ManualScan];

    /// The name used in JSON and in messages.
    pub fn name(self) -> &'static str {
        match self {
            AttestationKind::FullName => "full_name",
            AttestationKind::Entities => "entities",
            AttestationKind::ManualScan => "manual_scan",
        }
    }
}

/// A statement in the person's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// The words.
    pub words: String,
    /// Who handed them over.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What a verified receipt says; the signature was checked by the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptFacts {
    /// The release it approves.
    pub release: String,
    /// The digest it approves.
    pub digest: String,
    /// The destination with revision, visibility and licence.
    pub destination: Destination,
    /// Hash of the policy it approves.
    pub policy: String,
    /// Root of the review's evidence it approves.
    #[serde(default)]
    pub review: String,
    /// Single-use value.
    pub nonce: String,
    /// How sure we are that a human said yes.
    pub assurance: Assurance,
    /// When it was signed.
    pub issued: Timestamp,
    /// From when on it is worth nothing.
    pub expires: Timestamp,
    /// Fingerprint of the approver key.
    pub key: String,
}

/// An upload that began and has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    /// Digest of the bytes being sent.
    pub digest: String,
    /// Nonce of the receipt it goes under.
    pub nonce: String,
    /// When it began.
    pub since: Timestamp,
    /// Changes that came in meanwhile: applied when the upload fails, moot when it succeeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deferred: Vec<Event>,
}

/// What stands at the destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedFacts {
    /// The commit on the Hub, or a folder's own mark.
    pub commit: String,
    /// The digest that was read back.
    pub digest: String,
    /// The receipt it went under.
    pub receipt: ReceiptFacts,
    /// When.
    pub at: Timestamp,
}

/// One release; only [`super::step`] changes it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Release {
    /// Opaque id.
    pub id: String,
    /// Where it stands.
    pub phase: Phase,
    /// Facts of the archive, as last told.
    pub archive: ArchiveFacts,
    /// Chosen sessions and their versions.
    pub chosen: BTreeMap<SessionKey, Version>,
    /// Hash of the current policy (rules version, custom strings, usernames, options); none until first told.
    pub policy: Option<String>,
    /// Where it goes; none until set.
    pub destination: Option<Destination>,
    /// What the last preparation fixed; none while the release must be prepared (again).
    pub sealed: Option<Sealed>,
    /// Rows of the last preparation, without those whose session left.
    pub rows: BTreeMap<SessionKey, Row>,
    /// Rows that must be made again.
    pub stale: BTreeSet<SessionKey>,
    /// Findings without a decision.
    pub open_findings: u64,
    /// Entities without a decision.
    pub undecided_entities: u64,
    /// Sessions whose rows must be read to their end.
    pub sample: Vec<SessionKey>,
    /// Review evidence: SHA-256 of a row that was read to its end, and by whom.
    pub read: BTreeMap<String, ReadBy>,
    /// What the review left behind, as last added up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// The exact-name scan over the present digest.
    pub name_scan: NameScan,
    /// The attestations given over the present digest.
    pub attestations: BTreeMap<AttestationKind, Attestation>,
    /// The approval that holds.
    pub approval: Option<ReceiptFacts>,
    /// An upload under way.
    pub in_flight: Option<InFlight>,
    /// Nonces that were used, voided or ran out: none of them counts again.
    pub spent: BTreeSet<String>,
    /// What was published.
    pub published: Option<PublishedFacts>,
}

/// The least number of rows that must be read: 20, or all where there are fewer.
pub fn sample_size(rows: usize) -> usize {
    rows.min(20)
}

impl Release {
    /// A draft with nothing chosen.
    pub fn new(id: impl Into<String>, archive: ArchiveFacts) -> Self {
        Release { id: id.into(), archive, ..Release::default() }
    }

    /// The digest that holds now.
    pub fn digest(&self) -> Option<&str> {
        self.sealed.as_ref().map(|s| s.digest.as_str())
    }

    /// The root of the review's evidence; empty where none was added up.
    pub fn review_root(&self) -> &str {
        self.evidence.as_ref().map_or("", |e| e.root.as_str())
    }

    /// Whether the sealed files are those of the present sessions, policy and destination.
    pub fn seal_is_current(&self) -> bool {
        self.sealed.as_ref().is_some_and(|s| {
            self.stale.is_empty()
                && self.policy.as_deref() == Some(s.policy.as_str())
                && self.destination == s.destination
        })
    }

    /// Sampled sessions whose rows were not read to their end yet.
    pub fn unread_sample(&self) -> Vec<&SessionKey> {
        self.sample
            .iter()
            .filter(|k| !self.rows.get(*k).is_some_and(|r| self.read.contains_key(&r.sha256)))
            .collect()
    }

    /// What the review still lacks, in words; empty when it may be finished.
    pub fn review_missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if self.open_findings > 0 {
            missing.push(format!("decisions on {} open findings", self.open_findings));
        }
        if self.undecided_entities > 0 {
            missing.push(format!("decisions on {} entities", self.undecided_entities));
        }
        let unread = self.unread_sample();
        missing.extend(unread.iter().take(20).map(|k| format!("reading {k} to its end")));
        if unread.len() > 20 {
            missing.push(format!("reading {} more sampled sessions to their end", unread.len() - 20));
        }
        match &self.evidence {
            None if missing.is_empty() => missing.push("the record of what was read".to_owned()),
            Some(e) if e.measured.is_some_and(|m| !m.passes()) => {
                missing.push("a reader who finds what was planted".to_owned());
            }
            _ => {}
        }
        missing
    }

    /// What a destination still lacks, in words: the place itself, or the licence of a public one.
    pub fn destination_missing(&self) -> Vec<String> {
        match &self.destination {
            None => vec!["destination".to_owned()],
            Some(d) if d.visibility == super::Visibility::Public && d.licence.is_none() => {
                vec!["licence".to_owned()]
            }
            Some(_) => Vec::new(),
        }
    }

    /// Attestations not given yet.
    pub fn attestations_missing(&self) -> Vec<AttestationKind> {
        AttestationKind::ALL.into_iter().filter(|k| !self.attestations.contains_key(k)).collect()
    }
}
