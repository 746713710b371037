//! [`Cleared`]: bytes that a valid receipt covers. Only this module can make one.

use std::path::Path;

use zeroize::Zeroizing;

use super::receipt::{Receipt, destination_text};
use super::{GateError, PublicKey, SealedFile, SignedReceipt, read_sealed, verify};
use crate::trace::Timestamp;
use crate::workflow::{Destination, FileEntry, Release, Sealed, Target, digest, needed_assurance};

/// Permission to publish: the checked bytes, their digest, the destination and the unsealed token.
pub struct Cleared {
    files: Vec<SealedFile>,
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
    /// The files with the bytes that were checked.
    pub fn files(&self) -> &[SealedFile] {
        &self.files
    }

    /// The approved digest.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The approved destination.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// The Hub token, if one was unsealed.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref().map(String::as_str)
    }

    /// Makes a permission without a receipt, for tests of the layers above.
    #[cfg(test)]
    pub fn for_tests(files: Vec<SealedFile>, destination: Destination, token: Option<String>) -> Self {
        let entries: Vec<_> = files.iter().map(SealedFile::entry).collect();
        Cleared { digest: digest(&entries), files, destination, token: token.map(Zeroizing::new) }
    }
}

/// The input of [`clear`].
pub struct ClearRequest<'a> {
    /// The receipt.
    pub signed: &'a SignedReceipt,
    /// The enrolled approver keys.
    pub enrolled: &'a [PublicKey],
    /// The current time.
    pub now: Timestamp,
    /// The current release.
    pub release: &'a Release,
    /// Root of the review's evidence, computed from the archive for this request.
    pub review: &'a str,
    /// Folder of the sealed files.
    pub dir: &'a Path,
    /// Returns whether a nonce was used or voided before, in any release.
    pub nonce_used: &'a dyn Fn(&str) -> bool,
    /// The Hub token, if the passphrase unsealed it. A Hub destination needs it.
    pub token: Option<Zeroizing<String>>,
}

/// Reads the sealed files and checks that the receipt covers exactly these bytes.
///
/// The checks run in this order: signature, form and dates of the receipt; release, destination, revision, visibility,
/// licence, policy and review evidence against the current release; assurance; single use; every sealed file byte for
/// byte; the digest recomputed from the bytes; the token.
///
/// # Errors
/// The [`GateError`] of the first check that fails.
pub fn clear(request: ClearRequest<'_>) -> Result<Cleared, GateError> {
    let ClearRequest { signed, enrolled, now, release, review, dir, nonce_used, token } = request;
    let verified = verify(signed, enrolled, now)?;
    let receipt = verified.receipt();
    let (sealed, destination) = check_release(receipt, release, review)?;
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
    // The database may be wrong about the files, so the digest is computed from the bytes that will be sent.
    let entries: Vec<FileEntry> = files.iter().map(SealedFile::entry).collect();
    let digest = digest(&entries);
    if digest != receipt.digest {
        return Err(GateError::OtherDigest);
    }
    if matches!(destination.target, Target::Hub { .. }) && token.is_none() {
        return Err(GateError::NoToken);
    }
    Ok(Cleared { files, digest, destination: destination.clone(), token })
}

/// Checks that the receipt approves the current release, and returns what it approves.
fn check_release<'r>(
    receipt: &Receipt,
    release: &'r Release,
    review: &str,
) -> Result<(&'r Sealed, &'r Destination), GateError> {
    if receipt.release != release.id {
        return Err(GateError::OtherRelease);
    }
    let (Some(sealed), Some(destination)) = (&release.sealed, &release.destination) else {
        return Err(GateError::NotPrepared);
    };
    let (target, revision) = destination_text(&destination.target);
    if receipt.destination != target {
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
    Ok((sealed, destination))
}
