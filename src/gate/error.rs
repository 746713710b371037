//! Everything the gate refuses, each with its own error.

use std::path::PathBuf;

use crate::trace::Timestamp;
use crate::workflow::Assurance;

/// Why the gate stays shut.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// Keys exist already.
    #[error("Approver keys exist already in {0}; they are never overwritten. Move them away first.")]
    KeysExist(PathBuf),
    /// No keys exist.
    #[error("No approver keys exist. The person makes them with `clawgate keys init`.")]
    NoKeys,
    /// The passphrase is too weak.
    #[error("The passphrase is too weak: {0}.")]
    WeakPassphrase(&'static str),
    /// The passphrase does not open the keys.
    #[error("The passphrase does not open the keys.")]
    WrongPassphrase,
    /// A key file cannot be used.
    #[error("The key file {path} cannot be used: {what}.")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The system gave no randomness.
    #[error("The system gave no randomness.")]
    Random,
    /// A file operation failed.
    #[error("{path}: {source}.")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The receipt is no canonical receipt.
    #[error("The receipt cannot be read: {0}. Sign again with `clawgate sign`.")]
    Malformed(String),
    /// The receipt names a key that is not enrolled.
    #[error("The receipt is signed by a key that is not enrolled ({0}).")]
    NotEnrolled(String),
    /// The signature does not fit the receipt.
    #[error("The receipt's signature is false: it was edited, or signed by another key.")]
    BadSignature,
    /// The receipt ran out.
    #[error("The receipt ran out at {0}. Sign again with `clawgate sign`.")]
    Expired(Timestamp),
    /// The receipt was issued in the future.
    #[error("The receipt is dated {0}, which is not yet. Check the clock and sign again.")]
    NotYetValid(Timestamp),
    /// The receipt's nonce was used before.
    #[error("The receipt was used before. Sign again with `clawgate sign`.")]
    Replayed,
    /// The receipt is about another release.
    #[error("The receipt approves another release.")]
    OtherRelease,
    /// The receipt is about other bytes.
    #[error("The receipt approves other files than the prepared ones. Review and sign again.")]
    OtherDigest,
    /// The receipt is for another place.
    #[error("The receipt approves another destination.")]
    OtherDestination,
    /// The receipt is for another branch.
    #[error("The receipt approves another revision.")]
    OtherRevision,
    /// The receipt is for another visibility.
    #[error("The receipt approves another visibility.")]
    OtherVisibility,
    /// The receipt is for another licence.
    #[error("The receipt approves another licence.")]
    OtherLicence,
    /// The receipt is under another policy.
    #[error("The receipt approves another policy.")]
    OtherPolicy,
    /// The receipt is over other review evidence.
    #[error(
        "The receipt approves another review: what was read and answered changed. Confirm and sign again."
    )]
    OtherReview,
    /// The receipt's assurance is too low.
    #[error("The receipt has assurance {given}; the destination needs {needed}.")]
    AssuranceTooLow {
        /// Level of the receipt.
        given: Assurance,
        /// Level the destination needs.
        needed: Assurance,
    },
    /// The release has no sealed files, no destination, or they do not fit.
    #[error("The release is not prepared as it stands. Run `clawgate prepare`.")]
    NotPrepared,
    /// A Hub upload without the unsealed token.
    #[error("No Hub token is unsealed. The person stores one with `clawgate login` and signs again.")]
    NoToken,
    /// A sealed file has other bytes than it should.
    #[error("The sealed file {0} was changed. Run `clawgate prepare` again.")]
    FileChanged(String),
    /// A sealed file is gone.
    #[error("The sealed file {0} is missing. Run `clawgate prepare` again.")]
    FileMissing(String),
    /// A file is there that was never sealed.
    #[error("The release folder holds {0}, which was never sealed. Remove it, or prepare again.")]
    FileUnexpected(String),
    /// A link or device stands where a sealed file belongs.
    #[error("{0} in the release folder is neither a plain file nor a plain folder.")]
    NotAFile(String),
    /// A path that leads out of the release.
    #[error("{0:?} is no path inside a release.")]
    BadPath(String),
}
