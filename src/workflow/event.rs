//! What can happen to a release, and what follows from it, as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Assurance, AttestationKind, Destination, Evidence, FileEntry, NameScan, ReceiptFacts, Row};
use crate::trace::{SessionKey, Timestamp, Version};

/// What a preparation made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preparation {
    /// One row per chosen session, made from its chosen version.
    pub rows: BTreeMap<SessionKey, Row>,
    /// The sealed files.
    pub files: Vec<FileEntry>,
    /// The digest over `files`.
    pub digest: String,
    /// Hash of the policy it ran under.
    pub policy: String,
    /// Findings without a decision.
    pub open_findings: u64,
    /// Entities without a decision.
    pub undecided_entities: u64,
    /// Sessions whose rows must be read, at least `sample_size(rows)`.
    pub sample: Vec<SessionKey>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The archive was scanned.
    ScanDone,
    /// The person confirmed the scope.
    ScopeConfirmed,
    /// The scope changed and is unconfirmed again.
    ScopeChanged {
        /// Sessions that are no longer inside.
        outside: Vec<SessionKey>,
    },
    /// The set of sessions was chosen; replaces the former one.
    SessionsChosen {
        /// Sessions and versions.
        sessions: BTreeMap<SessionKey, Version>,
    },
    /// Redaction ran and files were sealed.
    Prepared(Box<Preparation>),
    /// A session has a new version, or none any more.
    SessionChanged {
        /// The session.
        key: SessionKey,
        /// Its present version; none where it was forgotten.
        version: Option<Version>,
    },
    /// Rules, custom strings, usernames or options changed.
    PolicyChanged {
        /// Hash of the present policy.
        policy: String,
    },
    /// Target, revision, visibility or licence were set.
    DestinationChanged {
        /// The present destination.
        destination: Destination,
    },
    /// Findings or entities were decided (or opened again).
    Decided {
        /// Findings still without a decision.
        open_findings: u64,
        /// Entities still without a decision.
        undecided_entities: u64,
        /// Sessions whose rows the decisions alter.
        touched: Vec<SessionKey>,
    },
    /// The exact-name scan ran over the sealed bytes, or was declined.
    NameScanned {
        /// Digest of the bytes.
        digest: String,
        /// `declined`, `hits` or `clean`.
        result: NameScan,
    },
    /// A human looked at the exact-name hits and lets them stand.
    NameHitsWaived {
        /// How sure we are that it was a human; at least A2.
        assurance: Assurance,
    },
    /// A row was served byte for byte to its end.
    RowRead {
        /// SHA-256 of the row that was served.
        sha256: String,
        /// Who read.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// What the review left behind was added up.
    EvidenceNoted {
        /// Its root, and how good the reader was.
        evidence: Evidence,
    },
    /// The reviewer is done.
    ReviewFinished,
    /// A statement was handed over.
    Attested {
        /// What it is about.
        kind: AttestationKind,
        /// The person's words.
        words: String,
        /// Who handed them over.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// The gate verified a receipt.
    ReceiptAccepted {
        /// What it says.
        receipt: ReceiptFacts,
        /// The present instant.
        now: Timestamp,
    },
    /// Time passed.
    Tick {
        /// The present instant.
        now: Timestamp,
    },
    /// The upload is about to begin.
    Publishing {
        /// Digest of the bytes about to be sent, computed from them.
        digest: String,
        /// The present instant.
        now: Timestamp,
    },
    /// The upload did not take place; the receipt stays good until it expires.
    PublishFailed,
    /// The upload took place and was read back.
    Published {
        /// The commit.
        commit: String,
        /// Digest of the bytes that were read back.
        digest: String,
        /// The present instant.
        now: Timestamp,
    },
    /// The person took the release back.
    Withdrawn,
}

/// What the caller must carry out after a step, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Append to the audit log.
    Audit {
        /// Kind of entry.
        kind: String,
        /// Facts, without secrets or session text.
        detail: Value,
    },
    /// These rows must be made again.
    PrepareAgain {
        /// Their sessions.
        keys: Vec<SessionKey>,
    },
    /// The review of these rows is void.
    VoidRows {
        /// Their sessions.
        keys: Vec<SessionKey>,
    },
    /// The attestations are void.
    VoidAttestations,
    /// The approval is void; its nonce counts as used.
    VoidReceipt {
        /// Nonce of the receipt.
        nonce: String,
    },
    /// Send exactly the bytes of this digest.
    Upload {
        /// The digest.
        digest: String,
        /// Where to.
        destination: Destination,
    },
    /// The nonce was used by a publication.
    SpendNonce {
        /// The nonce.
        nonce: String,
    },
    /// A withdrawn release still stands at its destination; tell the person how to take it down.
    TakeDown {
        /// Where it stands.
        destination: Destination,
        /// The commit.
        commit: String,
    },
}
