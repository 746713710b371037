//! Floor 4: approver keys, receipts, the sealed credential, and what they clear for upload.

mod cleared;

pub use cleared::{Cleared, ClearedFile};
