//! Layer 4: approver keys, signed receipts, the sealed credential, and [`Cleared`], the permission to upload.
//!
//! Nothing here trusts the database. A receipt is valid only if it is signed by an enrolled key, and bytes are
//! accepted only if their own hashes match when they are read for the upload.

mod cleared;
mod detached;
mod error;
mod keys;
mod receipt;
mod sealed;
#[cfg(test)]
mod tests;

pub use cleared::{ClearRequest, Cleared, clear};
pub use detached::SignerKey;
pub use error::GateError;
pub use keys::{KdfParams, Keys, PublicKey, PublicKeys, Unlocked};
pub use receipt::{DEFAULT_TTL_MS, Issue, Receipt, SignedReceipt, VerifiedReceipt, issue, verify};
pub use sealed::{SealedFile, read_sealed, write_sealed};
