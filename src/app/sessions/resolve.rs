//! Short ids of sessions, and the session that a caller means.

use std::collections::HashMap;

use crate::app::text::echo;
use crate::app::{App, Failure};
use crate::trace::SessionKey;

/// Maximum number of keys that an error about an ambiguous name lists.
const MAX_LISTED_KEYS: u64 = 5;

/// Minimum number of characters of the agent's own id in a short key.
const MIN_ID_CHARS: usize = 8;

impl App {
    /// Returns the one session with this key, or whose key or native id starts with it.
    ///
    /// # Errors
    /// A usage [`Failure`] if no session or several sessions match.
    pub fn resolve(&self, name: &str) -> Result<SessionKey, Failure> {
        let name = name.trim();
        if self.archive.session(name)?.is_some() {
            return Ok(SessionKey(name.to_owned()));
        }
        let mut matches = match name.is_empty() {
            true => Vec::new(),
            false => self.archive.keys_like(name, MAX_LISTED_KEYS)?,
        };
        if matches.len() == 1 {
            return Ok(matches.remove(0));
        }
        let shown = echo(name);
        if matches.is_empty() {
            return Err(Failure::usage("no_such_session", format!("No session matches {shown:?}."))
                .hint("clawgate inbox"));
        }
        let count = self.archive.count_keys_like(name)?;
        let short = self.short_keys(&matches.iter().map(SessionKey::as_str).collect::<Vec<_>>())?;
        let mut keys: Vec<&str> = matches.iter().map(|k| short[k.as_str()].as_str()).collect();
        if count > keys.len() as u64 {
            keys.push("…");
        }
        let message = format!("{shown:?} matches {count} sessions: {}.", keys.join(", "));
        Err(Failure::usage("ambiguous_session", message).hint("add more characters of the id"))
    }

    /// Returns a short form of each key: the agent and the shortest beginning of its id, of at least [`MIN_ID_CHARS`]
    /// characters, that no other session has. Every command accepts it.
    ///
    /// # Errors
    /// [`Failure`] if the archive cannot be read.
    pub fn short_keys(&self, keys: &[&str]) -> Result<HashMap<String, String>, Failure> {
        let mut out = HashMap::new();
        for key in keys {
            let others = self.archive.neighbours(key)?;
            // The compactions of a session are counted under its key with a suffix. They are part of it.
            let part = |other: &&String| SessionKey::without_compaction_suffix(other) == *key;
            let others = others.iter().filter(|other| !part(other)).map(String::as_str);
            out.insert((*key).to_owned(), shortest_unique(key, others));
        }
        Ok(out)
    }
}

/// Returns the shortest beginning of a key that no other key has.
fn shortest_unique<'a>(key: &str, others: impl Iterator<Item = &'a str>) -> String {
    let common = |other: &str| key.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let agent = key.split(':').next().map_or(0, |agent| agent.chars().count() + 1);
    let length = others.map(|other| common(other) + 1).max().unwrap_or(0).max(agent + MIN_ID_CHARS);
    key.chars().take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_key_is_the_shortest_beginning_that_no_other_session_has() {
        let short = |key: &str, others: &[&str]| shortest_unique(key, others.iter().copied());
        assert_eq!(short("claude:a01ef872-1111", &[]), "claude:a01ef872");
        assert_eq!(short("claude:a01ef872-1111", &["claude:a01e", "codex:a01ef872-1111"]), "claude:a01ef872");
        assert_eq!(short("claude:a01ef872-1111", &["claude:a01ef872-12"]), "claude:a01ef872-11");
        assert_eq!(short("cline:12", &["cline:123"]), "cline:12", "a whole key is never ambiguous");
        assert_eq!(short("pi:éééééééééé", &["pi:ééééééééé1"]), "pi:éééééééééé");
    }
}
