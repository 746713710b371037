//! Floor 4: approver keys, receipts, the sealed credential, and what they clear for upload.
//!
//! Nothing here trusts the database: a receipt counts by its signature under an enrolled key, and the bytes by
//! their own hashes at the moment they are pinned.

mod cleared;
mod detached;
mod error;
mod keys;
mod receipt;
mod sealed;
#[cfg(test)]
mod tests;

pub use cleared::{ClearRequest, Cleared, ClearedFile, clear};
pub use detached::SignerKey;
pub use error::GateError;
pub use keys::{KdfParams, Keys, PublicKey, PublicKeys, Unlocked};
pub use receipt::{DEFAULT_TTL_MS, Issue, Receipt, SignedReceipt, VerifiedReceipt, issue, verify};
pub use sealed::{read_sealed, read_sealed_file, write_sealed};
