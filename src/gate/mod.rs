//! Layer 4: approver keys, signed receipts, the encrypted credential, and [`Cleared`], the permission to upload.
//!
//! Nothing here trusts the database. A receipt is valid only if it is signed by an enrolled key, and bytes are
//! accepted only if their own hashes match when they are read for the upload.

mod approvers;
mod cleared;
mod detached;
mod encryption;
mod envelope;
mod error;
mod key_files;
mod keys;
mod passphrase;
mod policy;
mod private_file;
mod provenance;
mod receipt;
mod sealed;
mod second;
mod secret;
#[cfg(test)]
mod tests;
mod unlocked;
mod withdrawal;

pub use crate::platform::FileOwner;
pub use approvers::PublicKey;
pub use cleared::{ClearRequest, Cleared, clear};
pub use detached::SignerKey;
pub use encryption::KdfParams;
pub use envelope::{Envelope, SignatureFault};
pub use error::GateError;
pub use keys::{Keys, PublicKeys};
pub use policy::{PolicyVerdict, PublishPolicy};
pub use private_file::{MAX_PRIVATE_FILE_BYTES, read_private_file};
pub use provenance::{
    InTotoStatement, PROVENANCE_FILE, STATEMENT_TYPE, Subject, checked as checked_provenance, provenance_file,
};
pub use receipt::{
    DEFAULT_TTL_MS, EarlierCounts, Issue, MAX_TTL_MS, Receipt, RowsRead, SignedReceipt, VerifiedReceipt,
    issue, read_receipts, verify, verify_at_any_time,
};
pub use sealed::{SealedFile, read_sealed, write_sealed};
pub use second::verify_second;
pub use secret::Secret;
pub use unlocked::{HubAccess, HubAddress, Unlocked};
pub use withdrawal::{
    ClearedWithdrawal, WITHDRAWAL_TYPE, WITHDRAWN_TYPE, WithdrawRequest, WithdrawnFiles, clear_withdrawal,
};
