//! The facts that events carry and that a release stores.

use serde::{Deserialize, Serialize};

use super::{Assurance, Destination, FileEntry};
use crate::trace::{Timestamp, Version, words};

/// Progress of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Sessions are being chosen, or something changed and the release must be prepared again.
    #[default]
    Draft,
    /// Redaction ran, the files are sealed and the digest is fixed.
    Prepared,
    /// Findings and entities are decided, and the sample was read completely.
    Reviewed,
    /// The three attestations are given and supported by evidence.
    Confirmed,
    /// A receipt covers digest, destination, visibility, licence and policy.
    Approved,
    /// The destination contains exactly the bytes of the digest.
    Published,
    /// The person withdrew the release.
    Withdrawn,
}

impl Phase {
    /// Whether the release is finished, so that changes no longer affect it.
    pub fn is_final(self) -> bool {
        self >= Phase::Published
    }
}

words!(Phase, "a phase of a release", {
    Draft => "draft",
    Prepared => "prepared",
    Reviewed => "reviewed",
    Confirmed => "confirmed",
    Approved => "approved",
    Published => "published",
    Withdrawn => "withdrawn",
});

/// The two facts of the archive that every release depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ArchiveFacts {
    /// Whether the archive was ever scanned.
    pub scanned: bool,
    /// The person confirmed which projects are in scope.
    pub scope_confirmed: bool,
}

/// One redacted session of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Version of the session that the row was made from.
    pub version: Version,
    /// SHA-256 of the row's bytes, lower-case hex.
    pub sha256: String,
    /// Size of the row. 0 in releases that an earlier version stored.
    #[serde(default)]
    pub bytes: u64,
}

/// What a preparation fixed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The files, exactly those that would be published.
    pub files: Vec<FileEntry>,
    /// The digest over `files`.
    pub digest: String,
    /// Hash of the policy under which they were made.
    pub policy: String,
    /// The destination for which they were made; the card names it.
    pub destination: Option<Destination>,
}

/// Who read a row completely, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadBy {
    /// The reader: `person`, `agent`, or `agent:` and the name of its client.
    pub by: String,
    /// When the last byte was served.
    pub at: Timestamp,
}

/// Result of the exact-name scan over the sealed bytes. The name itself is stored nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum NameScan {
    /// The scan did not run over the current digest.
    #[default]
    NotDone,
    /// The person chose not to give a name.
    Declined,
    /// The name was found, which blocks the release.
    Hits {
        /// Number of places with the value.
        count: u64,
    },
    /// A person saw the hits and accepted them.
    Waived {
        /// Number of places with the value.
        count: u64,
    },
    /// The name is not in the bytes.
    Clean,
}

/// Subject of an attestation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttestationKind {
    /// The person's full name was searched for.
    FullName,
    /// Companies, clients, hosts, private URLs and people were considered.
    Entities,
    /// The sample was read by a person or an agent.
    ManualScan,
}

impl AttestationKind {
    /// All kinds, in the order in which they are asked for.
    pub const ALL: [AttestationKind; 3] =
        [AttestationKind::FullName, AttestationKind::Entities, AttestationKind::ManualScan];
}

words!(AttestationKind, "full_name, entities or manual_scan", {
    FullName => "full_name",
    Entities => "entities",
    ManualScan => "manual_scan",
});

/// A statement in the person's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    pub words: String,
    /// Who submitted the words: `person` or `agent`.
    pub by: String,
    pub at: Timestamp,
}

/// The content of a verified receipt. The gate has already checked the signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptFacts {
    /// Id of the approved release.
    pub release: String,
    /// Digest that was approved, in hex.
    pub digest: String,
    /// The approved destination with revision, visibility and licence.
    pub destination: Destination,
    /// Hash of the approved policy.
    pub policy: String,
    /// Root of the approved review evidence.
    #[serde(default)]
    pub review: String,
    /// Value that makes the receipt valid for one publication only.
    pub nonce: String,
    /// Strength of the approval.
    pub assurance: Assurance,
    /// When it was signed.
    pub issued: Timestamp,
    /// When it stops being valid.
    pub expires: Timestamp,
    /// Fingerprint of the approver key.
    pub key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedFacts {
    /// The commit on the Hub, or the digest for a folder.
    pub commit: String,
    /// The digest that was read back.
    pub digest: String,
    /// The receipt that allowed the upload.
    pub receipt: ReceiptFacts,
    pub at: Timestamp,
}
