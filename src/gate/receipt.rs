//! Receipts: signed approvals of one digest for one destination.

use ed25519_dalek::{Signature, Signer, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::keys::random_bytes;
use super::{GateError, PublicKey, Unlocked};
use crate::trace::Timestamp;
use crate::workflow::{Assurance, Destination, ReceiptFacts, Target, Visibility, canonical};

/// Default lifetime of a receipt: 15 minutes, in milliseconds.
pub const DEFAULT_TTL_MS: i64 = 15 * 60 * 1000;
/// Maximum lifetime of a receipt: one day, in milliseconds.
const MAX_TTL_MS: i64 = 24 * 3600 * 1000;
/// Prefix of the signed bytes. It prevents that a signature of something else is accepted as one of a receipt.
const CONTEXT: &[u8] = b"clawgate receipt v1\0";
const VERSION: u32 = 1;

/// The content of a receipt: what is approved, for how long, and with which assurance.
///
/// It is signed as canonical JSON: sorted keys, no whitespace, absent fields omitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Version of this format, 1.
    pub v: u32,
    /// Id of the release.
    pub release: String,
    /// The digest over all files that may be published.
    pub digest: String,
    /// `hf:owner/name` or `folder:/absolute/path`.
    pub destination: String,
    /// Branch on the Hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    pub visibility: Visibility,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Hash of the policy.
    pub policy: String,
    /// Root of the review's evidence.
    #[serde(default)]
    pub review: String,
    /// Single-use value, 128 random bits.
    pub nonce: String,
    /// When it was signed.
    pub issued: Timestamp,
    /// When it stops being valid.
    pub expires: Timestamp,
    /// Strength of the approval.
    pub assurance: Assurance,
}

/// The canonical text of a receipt with its detached signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedReceipt {
    /// The canonical JSON of the [`Receipt`], exactly the bytes that were signed.
    pub receipt: String,
    /// Ed25519 signature, base64.
    pub signature: String,
    /// Fingerprint of the approver key.
    pub key: String,
}

/// What a person approves.
#[derive(Debug, Clone, Copy)]
pub struct Issue<'a> {
    /// Id of the release.
    pub release: &'a str,
    /// The digest that was shown.
    pub digest: &'a str,
    /// The destination that was shown.
    pub destination: &'a Destination,
    /// Hash of the policy.
    pub policy: &'a str,
    /// Root of the review's evidence.
    pub review: &'a str,
    /// Strength of the approval.
    pub assurance: Assurance,
}

/// A receipt whose signature, form and dates were checked. Only [`verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedReceipt {
    receipt: Receipt,
    destination: Destination,
    key: String,
}

impl VerifiedReceipt {
    /// The receipt.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The receipt in the form that the workflow uses.
    pub fn facts(&self) -> ReceiptFacts {
        let r = &self.receipt;
        ReceiptFacts {
            release: r.release.clone(),
            digest: r.digest.clone(),
            destination: self.destination.clone(),
            policy: r.policy.clone(),
            review: r.review.clone(),
            nonce: r.nonce.clone(),
            assurance: r.assurance,
            issued: r.issued,
            expires: r.expires,
            key: self.key.clone(),
        }
    }
}

/// The destination and the revision as a receipt contains them.
pub(super) fn destination_text(target: &Target) -> (String, Option<String>) {
    match target {
        Target::Hub { repo, revision } => (format!("hf:{repo}"), Some(revision.clone())),
        Target::Folder { path } => (format!("folder:{path}"), None),
    }
}

fn target(receipt: &Receipt) -> Option<Target> {
    match (receipt.destination.split_once(':')?, &receipt.revision) {
        (("hf", repo), Some(revision)) => {
            Some(Target::Hub { repo: repo.to_owned(), revision: revision.clone() })
        }
        (("folder", path), None) => Some(Target::Folder { path: path.to_owned() }),
        _ => None,
    }
}

fn canonical_text(receipt: &Receipt) -> Result<String, GateError> {
    let value = serde_json::to_value(receipt).map_err(|e| GateError::Malformed(e.to_string()))?;
    Ok(canonical(&value))
}

fn message(text: &str) -> Vec<u8> {
    [CONTEXT, text.as_bytes()].concat()
}

/// Signs an approval that is valid for `ttl_ms` milliseconds, at most one day.
///
/// # Errors
/// [`GateError::Random`] if the system provides no random bytes.
pub fn issue(
    unlocked: &Unlocked,
    what: Issue<'_>,
    now: Timestamp,
    ttl_ms: i64,
) -> Result<SignedReceipt, GateError> {
    let (destination, revision) = destination_text(&what.destination.target);
    let receipt = Receipt {
        v: VERSION,
        release: what.release.to_owned(),
        digest: what.digest.to_owned(),
        destination,
        revision,
        visibility: what.destination.visibility,
        licence: what.destination.licence.clone(),
        policy: what.policy.to_owned(),
        review: what.review.to_owned(),
        nonce: data_encoding::HEXLOWER.encode(&random_bytes::<16>()?),
        issued: now,
        expires: Timestamp(now.millis().saturating_add(ttl_ms.clamp(0, MAX_TTL_MS))),
        assurance: what.assurance,
    };
    let text = canonical_text(&receipt)?;
    let signature = unlocked.signing().sign(&message(&text));
    Ok(SignedReceipt {
        receipt: text,
        signature: data_encoding::BASE64.encode(&signature.to_bytes()),
        key: unlocked.fingerprint().to_owned(),
    })
}

/// Checks a receipt's key, signature, form and dates, in this order.
///
/// # Errors
/// The [`GateError`] of the first check that fails.
pub fn verify(
    signed: &SignedReceipt,
    enrolled: &[PublicKey],
    now: Timestamp,
) -> Result<VerifiedReceipt, GateError> {
    let key = enrolled
        .iter()
        .find(|k| k.fingerprint() == signed.key)
        .ok_or_else(|| GateError::NotEnrolled(signed.key.clone()))?;
    let key =
        VerifyingKey::from_bytes(key.bytes()).map_err(|_| GateError::NotEnrolled(signed.key.clone()))?;
    let signature = data_encoding::BASE64
        .decode(signed.signature.as_bytes())
        .ok()
        .and_then(|b| Signature::from_slice(&b).ok())
        .ok_or(GateError::BadSignature)?;
    key.verify_strict(&message(&signed.receipt), &signature).map_err(|_| GateError::BadSignature)?;

    let malformed = |what: &str| GateError::Malformed(what.to_owned());
    let receipt: Receipt = serde_json::from_str(&signed.receipt)
        .map_err(|_| malformed("it is not a receipt of this version"))?;
    if receipt.v != VERSION {
        return Err(malformed("it has another version"));
    }
    // Two texts of the same receipt would have two signatures. Only the canonical one is accepted.
    if canonical_text(&receipt)? != signed.receipt {
        return Err(malformed("it is not canonical"));
    }
    let target = target(&receipt).ok_or_else(|| malformed("its destination is unknown"))?;
    let lifetime = receipt.expires.millis().saturating_sub(receipt.issued.millis());
    if !(0..=MAX_TTL_MS).contains(&lifetime) {
        return Err(malformed("its lifetime is out of bounds"));
    }
    if now < receipt.issued {
        return Err(GateError::NotYetValid(receipt.issued));
    }
    if now >= receipt.expires {
        return Err(GateError::Expired(receipt.expires));
    }
    let destination =
        Destination { target, visibility: receipt.visibility, licence: receipt.licence.clone() };
    Ok(VerifiedReceipt { receipt, destination, key: signed.key.clone() })
}
