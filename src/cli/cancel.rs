//! Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::app::{Failure, Kind};

/// Fails if the person has pressed Ctrl-C.
///
/// # Errors
/// Returns a [`Failure`] of the kind [`Kind::Cancelled`].
pub(super) fn check_cancelled(cancel: &AtomicBool) -> Result<(), Failure> {
    match cancel.load(Ordering::SeqCst) {
        true => Err(Failure::new(Kind::Cancelled, "cancelled", "Interrupted. Completed work is kept.")),
        false => Ok(()),
    }
}
