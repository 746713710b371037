//! The echo of the terminal, which stays off until all questions for a passphrase have ended.
//!
//! Between two questions the passphrase is checked, which takes almost a second. What a person types in that time must not
//! appear on the screen either.

#[cfg(unix)]
pub(super) use unix::EchoOff;
#[cfg(unix)]
pub use unix::restore_echo;

#[cfg(unix)]
mod unix {
    use std::fs::OpenOptions;
    use std::sync::{Mutex, PoisonError};

    use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

    const TERMINAL: &str = "/dev/tty";

    /// The settings of the terminal before the echo was switched off.
    static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

    /// While this exists, the terminal does not show what is typed.
    pub(in crate::cli) struct EchoOff {
        /// The echo was on before, so that it is switched on again.
        is_first: bool,
    }

    impl EchoOff {
        /// Switches the echo off. A terminal that refuses keeps its echo, as with any question.
        pub fn new() -> Self {
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
        let terminal = OpenOptions::new().read(true).write(true).open(TERMINAL).ok()?;
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
        if let Ok(terminal) = OpenOptions::new().read(true).write(true).open(TERMINAL) {
            let _ = tcsetattr(&terminal, SetArg::TCSAFLUSH, &before);
        }
    }
}

#[cfg(not(unix))]
pub(super) struct EchoOff;

#[cfg(not(unix))]
impl EchoOff {
    pub fn new() -> Self {
        EchoOff
    }
}

/// On this system the echo is off only while a question is asked.
#[cfg(not(unix))]
pub fn restore_echo() {}
