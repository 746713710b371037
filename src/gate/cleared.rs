//! `Cleared`: bytes that a valid receipt covers. Only this floor can make one.

use std::path::Path;

use zeroize::Zeroizing;

use super::receipt::place;
use super::{GateError, PublicKey, SignedReceipt, read_sealed, verify};
use crate::trace::Timestamp;
use crate::workflow::{Destination, FileEntry, Release, Target, digest, needed_assurance};

/// One file with the bytes that were checked; nobody reads it from disk again.
#[derive(Debug, Clone)]
pub struct ClearedFile {
    /// Path inside the release.
    pub path: String,
    /// SHA-256 of `bytes`, lower-case hex.
    pub sha256: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Permission to publish: the pinned bytes, their digest, the destination and the unsealed token.
pub struct Cleared {
    files: Vec<ClearedFile>,
    digest: String,
    destination: Destination,
    token: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for Cleared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cleared")
            .field("digest", &self.digest)
            .field("destination", &self.destination)
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

impl Cleared {
    /// The pinned files.
    pub fn files(&self) -> &[ClearedFile] {
        &self.files
    }

    /// The digest the receipt approves.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Where the receipt allows the files to go.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// The Hub token, where one was unsealed.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref().map(String::as_str)
    }

    /// For tests of the floors above only.
    #[cfg(test)]
    pub fn for_tests(files: Vec<ClearedFile>, destination: Destination, token: Option<String>) -> Self {
        let entries: Vec<_> = files.iter().map(|f| FileEntry::of(&f.path, &f.bytes)).collect();
        Cleared { digest: digest(&entries), files, destination, token: token.map(Zeroizing::new) }
    }
}

/// What [`clear`] judges.
pub struct ClearRequest<'a> {
    /// The receipt.
    pub signed: &'a SignedReceipt,
    /// The enrolled approver keys.
    pub enrolled: &'a [PublicKey],
    /// The present instant.
    pub now: Timestamp,
    /// The release as it stands.
    pub release: &'a Release,
    /// Root of the review's evidence, added up anew from the archive.
    pub review: &'a str,
    /// Folder of the sealed files.
    pub dir: &'a Path,
    /// Tells whether a nonce was used or voided before, in any release.
    pub nonce_used: &'a dyn Fn(&str) -> bool,
    /// The Hub token, where the passphrase unsealed it; a Hub destination needs it.
    pub token: Option<Zeroizing<String>>,
}

/// Reads the sealed files, judges the receipt over exactly those bytes, and pins them.
///
/// In order: signature, form and dates of the receipt; release, destination, revision, visibility, licence,
/// policy and review evidence against the release as it stands; assurance; single use; every sealed file byte for byte; the digest
/// recomputed from the bytes; the token. The first that fails is the error.
pub fn clear(request: ClearRequest<'_>) -> Result<Cleared, GateError> {
    let ClearRequest { signed, enrolled, now, release, review, dir, nonce_used, token } = request;
    let verified = verify(signed, enrolled, now)?;
    let receipt = verified.receipt();
    if receipt.release != release.id {
        return Err(GateError::OtherRelease);
    }
    let (Some(sealed), Some(destination)) = (&release.sealed, &release.destination) else {
        return Err(GateError::NotPrepared);
    };
    let (to, revision) = place(&destination.target);
    if receipt.destination != to {
        return Err(GateError::OtherDestination);
    }
    if receipt.revision != revision {
        return Err(GateError::OtherRevision);
    }
    if receipt.visibility != destination.visibility {
        return Err(GateError::OtherVisibility);
    }
    if receipt.licence != destination.licence {
        return Err(GateError::OtherLicence);
    }
    if release.policy.as_deref() != Some(receipt.policy.as_str()) {
        return Err(GateError::OtherPolicy);
    }
    if receipt.review != review || receipt.review != release.review_root() {
        return Err(GateError::OtherReview);
    }
    if !release.seal_is_current() {
        return Err(GateError::NotPrepared);
    }
    let needed = needed_assurance(destination);
    if receipt.assurance < needed {
        return Err(GateError::AssuranceTooLow { given: receipt.assurance, needed });
    }
    if release.spent.contains(&receipt.nonce) || nonce_used(&receipt.nonce) {
        return Err(GateError::Replayed);
    }
    if receipt.digest != sealed.digest {
        return Err(GateError::OtherDigest);
    }
    let files = read_sealed(dir, &sealed.files)?;
    // The entries are made anew from the bytes that are pinned: what the database says about them counts nothing.
    let entries: Vec<FileEntry> = files.iter().map(|f| FileEntry::of(&f.path, &f.bytes)).collect();
    let digest = digest(&entries);
    if digest != receipt.digest {
        return Err(GateError::OtherDigest);
    }
    if matches!(destination.target, Target::Hub { .. }) && token.is_none() {
        return Err(GateError::NoToken);
    }
    Ok(Cleared { files, digest, destination: destination.clone(), token })
}
