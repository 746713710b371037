//! The echo of the terminal, which stays off until all questions for a passphrase have ended.
//!
//! Between two questions the passphrase is checked, which takes almost a second. What a person types in that time must not
//! appear on the screen either.

use std::fs::OpenOptions;
use std::sync::{Mutex, PoisonError};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use super::unix::TERMINAL;

/// The settings of the terminal before the echo was switched off.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// While this exists, the terminal does not show what is typed.
pub(crate) struct EchoOff {
    /// The echo was on before, so that it is switched on again.
    is_first: bool,
}

impl EchoOff {
    /// Switches the echo off. A terminal that refuses keeps its echo, as with any question.
    pub(crate) fn new() -> Self {
        let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = before.is_none() && {
            *before = switch_off();
            before.is_some()
        };
        EchoOff { is_first }
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        if self.is_first {
            restore_echo();
        }
    }
}

/// Returns the settings before.
fn switch_off() -> Option<Termios> {
    let terminal = OpenOptions::new().read(true).write(true).open(TERMINAL.0).ok()?;
    let before = tcgetattr(&terminal).ok()?;
    let mut quiet = before.clone();
    quiet.local_flags.remove(LocalFlags::ECHO | LocalFlags::ECHONL);
    tcsetattr(&terminal, SetArg::TCSANOW, &quiet).ok()?;
    Some(before)
}

/// Gives the terminal the settings that it had before a question for a passphrase, if one is being asked. What was typed
/// and not read is dropped, so that no part of a passphrase reaches the shell.
pub fn restore_echo() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(before) = before else { return };
    if let Ok(terminal) = OpenOptions::new().read(true).write(true).open(TERMINAL.0) {
        let _ = tcsetattr(&terminal, SetArg::TCSAFLUSH, &before);
    }
}
