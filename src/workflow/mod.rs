//! Floor 2: the release state machine, its refusals and its audit chain. Pure: no I/O, no clock.
//!
//! Owns the one judge of every move ([`step`]), the words for what is due next ([`next_step`]), the digest an
//! approval is bound to, the assurance levels, canonical JSON and the hash-chained audit log. The store
//! persists a [`Release`] as it is; the application layer carries the [`Effect`]s out.

mod assurance;
mod audit;
mod canonical;
mod destination;
mod digest;
mod event;
mod evidence;
mod forward;
mod refusal;
mod release;
mod step;

pub use assurance::{Assurance, needed_assurance};
pub use audit::{AuditBreak, AuditDraft, AuditEntry, append, verify};
pub use canonical::canonical;
pub use destination::{Destination, Target, Visibility};
pub use digest::{FileEntry, digest};
pub use event::{Effect, Event, Preparation};
pub use evidence::{Evidence, Measured, coverage_root, wilson_lower};
pub use refusal::{NextStep, Refusal, RefusalCode, next_step, sign_action};
pub use release::{
    ArchiveFacts, Attestation, AttestationKind, InFlight, NameScan, Phase, PublishedFacts, ReadBy,
    ReceiptFacts, Release, Row, Sealed, sample_size,
};
pub use step::step;
