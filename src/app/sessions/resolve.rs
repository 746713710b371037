//! Resolves what a caller typed to one session.

use crate::app::{App, Failure};
use crate::trace::SessionKey;

/// Maximum number of keys that an error about an ambiguous name lists.
const MAX_LISTED_KEYS: u64 = 6;

/// Maximum number of characters of the caller's text that an error repeats.
const MAX_ECHO_CHARS: usize = 80;

impl App {
    /// Returns the one session with this key, or whose key or native id starts with it.
    ///
    /// # Errors
    /// A usage [`Failure`] if no session or several sessions match.
    pub fn resolve(&self, name: &str) -> Result<SessionKey, Failure> {
        if self.archive.session(name)?.is_some() {
            return Ok(SessionKey(name.to_owned()));
        }
        let mut matches = self.archive.keys_like(name, MAX_LISTED_KEYS)?;
        if matches.len() == 1 {
            return Ok(matches.remove(0));
        }
        let shown: String = name.chars().take(MAX_ECHO_CHARS).collect();
        if matches.is_empty() {
            return Err(Failure::usage("no_such_session", format!("No session matches {shown:?}."))
                .hint("clawgate inbox --json"));
        }
        let keys: Vec<&str> = matches.iter().map(SessionKey::as_str).collect();
        Err(Failure::usage(
            "ambiguous_session",
            format!("{shown:?} matches several sessions: {}.", keys.join(", ")),
        ))
    }
}
