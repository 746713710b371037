//! Reads single messages of a stored session without parsing the others.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::trace::{Message, SessionKey};

use super::{Archive, StoreError};

/// Messages of a session, each with its index.
#[derive(Debug, Default)]
pub struct SessionMessages {
    /// The messages, by ascending index.
    pub messages: Vec<(u32, Message)>,
    /// Size of the session's normal form in bytes.
    pub session_bytes: u64,
}

/// A session whose messages are not parsed yet.
#[derive(Deserialize)]
struct RawSession<'a> {
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
}

impl Archive {
    /// Returns the messages at these indices (ascending) of a session's current version. Indices that do not exist are
    /// left out, and an unknown session has no messages.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails or the stored session cannot be read.
    pub fn messages(&self, key: &SessionKey, indices: &[u32]) -> Result<SessionMessages, StoreError> {
        let Some(bytes) = self.session_json(key.as_str(), None)? else {
            return Ok(SessionMessages::default());
        };
        Ok(SessionMessages { messages: parse(&bytes, indices)?, session_bytes: bytes.len() as u64 })
    }
}

/// Parses the messages at these indices (ascending) of a normal form.
fn parse(json: &[u8], indices: &[u32]) -> Result<Vec<(u32, Message)>, StoreError> {
    if indices.is_empty() {
        return Ok(Vec::new());
    }
    let session: RawSession<'_> = serde_json::from_slice(json).map_err(StoreError::json("session"))?;
    let mut out: Vec<(u32, Message)> = Vec::with_capacity(indices.len());
    for &index in indices {
        let repeated = out.last().is_some_and(|(last, _)| *last == index);
        if let (false, Some(raw)) = (repeated, session.messages.get(index as usize)) {
            out.push((index, serde_json::from_str(raw.get()).map_err(StoreError::json("session"))?));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Origin, Part, Role, Session, canonical_json};

    #[test]
    fn single_messages_equal_those_of_the_whole_session() {
        let mut session = Session::empty("claude", "a");
        session.messages = (0..9)
            .map(|i| Message {
                id: None,
                role: Role::User,
                origin: Origin::Human,
                at: None,
                model: None,
                parts: vec![Part::Text { text: format!("\"{i}\"\n") }],
            })
            .collect();
        let json = canonical_json(&session).unwrap();
        for indices in [&[][..], &[0], &[8], &[2, 3, 7], &[5, 5], &[8, 9, 12]] {
            let found = parse(&json, indices).unwrap();
            assert!(found.iter().all(|(i, m)| session.messages[*i as usize] == *m), "{indices:?}");
            let mut existing: Vec<u32> = indices.iter().copied().filter(|i| *i < 9).collect();
            existing.dedup();
            assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), existing);
        }
        assert!(parse(&json[..json.len() - 40], &[8]).is_err());
    }
}
