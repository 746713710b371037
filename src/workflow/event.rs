//! Events that change a release, and effects that the caller carries out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Assurance, AttestationKind, Destination, Evidence, FileEntry, NameScan, Phase, ReceiptFacts, Row,
};
use crate::trace::{SessionKey, Timestamp, Version};

/// The result of a preparation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preparation {
    /// One row per chosen session, made from its chosen version.
    pub rows: BTreeMap<SessionKey, Row>,
    /// The sealed files, sorted by path.
    pub files: Vec<FileEntry>,
    /// The digest over `files`.
    pub digest: String,
    /// Hash of the policy that was applied.
    pub policy: String,
    /// Findings without a decision.
    pub open_findings: u64,
    /// Entities without a decision.
    pub undecided_entities: u64,
    /// Sessions whose rows must be read; at least `sample_size(rows)`.
    pub sample: Vec<SessionKey>,
}

/// Something that happened to a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The archive was scanned.
    ScanDone,
    /// The person confirmed the scope.
    ScopeConfirmed,
    /// The scope changed and must be confirmed again.
    ScopeChanged {
        /// Sessions that are no longer in scope.
        outside: Vec<SessionKey>,
    },
    /// The set of sessions was chosen. It replaces the previous set.
    SessionsChosen { sessions: BTreeMap<SessionKey, Version> },
    /// Redaction ran and the files were sealed.
    Prepared(Box<Preparation>),
    /// A session has a new version or was forgotten.
    SessionChanged {
        key: SessionKey,
        /// Its current version. `None` if it was forgotten.
        version: Option<Version>,
    },
    /// Rules, custom strings, usernames or options changed.
    PolicyChanged {
        /// Hash of the current policy.
        policy: String,
    },
    /// Target, revision, visibility or licence were set.
    DestinationChanged { destination: Destination },
    /// Findings or entities were decided, or decisions were undone.
    Decided {
        /// Findings without a decision.
        open_findings: u64,
        /// Entities without a decision.
        undecided_entities: u64,
        /// Sessions whose rows the decisions change.
        touched: Vec<SessionKey>,
    },
    /// The exact-name scan ran over the sealed bytes or was declined.
    NameScanned {
        /// Digest of the bytes.
        digest: String,
        /// `declined`, `hits` or `clean`.
        result: NameScan,
        /// Keyed hash of the name that was searched for. `None` if the scan was declined.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// A person looked at the exact-name hits and accepted them.
    NameHitsWaived {
        /// Strength of the person's decision; at least the level that the destination needs.
        assurance: Assurance,
    },
    /// The check before the signature found that the stored evidence does not match the bytes or the audit log.
    EvidenceRejected {
        /// The last phase that the evidence still supports.
        back_to: Phase,
        /// Whether the record of reading is among it. If the release is sealed again, its rows then have to be read again.
        #[serde(default)]
        reading: bool,
        /// What does not match, in words without session text.
        faults: Vec<String>,
    },
    /// Every required byte of a row was served and answered.
    RowRead {
        /// SHA-256 of the row.
        sha256: String,
        /// Who read it.
        by: String,
        at: Timestamp,
    },
    /// The evidence of the review was computed.
    EvidenceNoted { evidence: Evidence },
    /// The reviewer is done.
    ReviewFinished,
    /// A statement was submitted.
    Attested {
        kind: AttestationKind,
        /// The words that the person typed.
        words: String,
        /// Who submitted them: `person` or `agent`.
        by: String,
        at: Timestamp,
    },
    /// The gate verified a receipt.
    ReceiptAccepted { receipt: ReceiptFacts, now: Timestamp },
    /// Time passed, so that a receipt may have expired.
    Tick { now: Timestamp },
    /// The upload is about to begin.
    Publishing {
        /// Digest computed from the bytes that are about to be sent.
        digest: String,
        now: Timestamp,
    },
    /// The upload failed. The receipt stays valid until it expires.
    PublishFailed,
    /// Somebody else changed the destination, so that the files no longer belong to what is there.
    HeadMoved,
    /// The receipt was revoked before it was used.
    ReceiptRevoked,
    /// The upload succeeded and was read back.
    Published {
        commit: String,
        /// Digest of the bytes that were read back.
        digest: String,
        now: Timestamp,
    },
    /// The person withdrew the release.
    Withdrawn,
}

/// An action that the caller must carry out after a step. Effects are carried out in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Append an entry to the audit log.
    Audit {
        kind: String,
        /// Facts, without secrets or session text.
        detail: Value,
    },
    /// The review of the rows of these sessions is void.
    VoidRows { keys: Vec<SessionKey> },
    /// The attestations are void.
    VoidAttestations,
    /// The approval is void. Its nonce counts as used.
    VoidReceipt { nonce: String },
    /// A publication used the nonce.
    SpendNonce { nonce: String },
}
