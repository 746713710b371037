//! Floor 2: the release state machine. Pure: no I/O, no clock.

mod destination;
mod digest;

pub use destination::{Destination, Target, Visibility};
pub use digest::{FileEntry, digest};
