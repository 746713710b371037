//! Single messages out of a stored session, without building the rest of it.

use std::fmt;

use rusqlite::{OptionalExtension, params};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::trace::{Message, SessionKey};

use super::{Archive, StoreError};

impl Archive {
    /// The messages at these places (ascending) of a session's current version, and the size of its normal form.
    /// Places that are not there are left out; an unknown session has none.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses or the stored form does not read back.
    pub fn messages(
        &self,
        key: &SessionKey,
        places: &[u32],
    ) -> Result<(Vec<(u32, Message)>, u64), StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT b.body, b.raw_bytes FROM sessions s
             JOIN bodies b ON b.session_id = s.id AND b.version = s.version WHERE s.key = ?1",
        )?;
        let found: Option<(Vec<u8>, i64)> =
            q.query_row(params![key.as_str()], |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
        let Some((body, raw)) = found else { return Ok((Vec::new(), 0)) };
        let bytes = zstd::bulk::decompress(&body, usize::try_from(raw).unwrap_or(usize::MAX))
            .map_err(|e| StoreError::Corrupt { what: "session", detail: e.to_string() })?;
        Ok((pick(&bytes, places)?, bytes.len() as u64))
    }
}

/// The messages at these places (ascending) of a normal form.
fn pick(json: &[u8], places: &[u32]) -> Result<Vec<(u32, Message)>, StoreError> {
    let mut pick = Pick { places, out: Vec::new(), done: places.is_empty() };
    let mut reader = serde_json::Deserializer::from_slice(json);
    match pick.session(&mut reader) {
        // What stands after the last wanted message is not read.
        Err(_) if pick.done => Ok(pick.out),
        Err(e) => Err(StoreError::json("session")(e)),
        Ok(()) => Ok(pick.out),
    }
}

struct Pick<'a> {
    places: &'a [u32],
    out: Vec<(u32, Message)>,
    done: bool,
}

impl Pick<'_> {
    fn session<'de, D: Deserializer<'de>>(&mut self, d: D) -> Result<(), D::Error> {
        if self.done {
            return Ok(());
        }
        d.deserialize_map(Fields(self))
    }
}

struct Fields<'p, 'a>(&'p mut Pick<'a>);

impl<'de> Visitor<'de> for Fields<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "messages" => map.next_value_seed(Messages(&mut *self.0))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

struct Messages<'p, 'a>(&'p mut Pick<'a>);

impl<'de> DeserializeSeed<'de> for Messages<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Messages<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("messages")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        let mut at = 0;
        for place in self.0.places {
            while at < *place {
                if seq.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(());
                }
                at += 1;
            }
            if at > *place {
                continue;
            }
            let Some(message) = seq.next_element()? else { return Ok(()) };
            self.0.out.push((at, message));
            at += 1;
        }
        self.0.done = true;
        Err(S::Error::custom("the rest is not read"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Origin, Part, Role, Session, canonical_json};

    #[test]
    fn single_messages_are_those_of_the_whole() {
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
        for places in [&[][..], &[0], &[8], &[2, 3, 7], &[5, 5], &[8, 9, 12]] {
            let found = pick(&json, places).unwrap();
            assert!(found.iter().all(|(i, m)| session.messages[*i as usize] == *m), "{places:?}");
            let mut there: Vec<u32> = places.iter().copied().filter(|p| *p < 9).collect();
            there.dedup();
            assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), there);
        }
        assert!(pick(&json[..json.len() - 40], &[8]).is_err());
    }
}
