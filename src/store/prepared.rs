//! The form in which a session is stored: compressed, with its version, its index and the hashes of its messages.

use sha2::{Digest, Sha256};

use crate::trace::{Part, Session, SessionKey, Version};

use super::StoreError;
use super::search::{self, Doc, DocKind};

const ZSTD_LEVEL: i32 = 1;
/// Length of the hash of a message. Hashes tell which messages of a session are new.
pub(super) const HASH_BYTES: usize = 8;

/// What lists show of a session, apart from its counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// Redacted title.
    pub title: Option<String>,
    pub badges: Vec<String>,
}

/// A session ready to be stored. It is made on a reading thread, so that the writer has little to do.
pub struct Prepared {
    pub(super) session: Session,
    pub(super) title: Option<String>,
    pub(super) badges: Vec<String>,
    pub(super) models: Vec<String>,
    pub(super) version: Version,
    pub(super) raw_bytes: u64,
    pub(super) body: Vec<u8>,
    pub(super) hashes: Vec<u8>,
    pub(super) docs: Vec<Doc>,
}

impl Prepared {
    /// Compresses and indexes a session.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the session cannot be written as JSON or compressed.
    pub fn of(mut session: Session, description: Description) -> Result<Self, StoreError> {
        let json = StoreError::json("session");
        let messages = std::mem::take(&mut session.messages);
        // The canonical bytes are written message by message, because each message is hashed on the way.
        let mut canonical = serde_json::to_vec(&session).map_err(&json)?;
        canonical.truncate(canonical.len().saturating_sub(2));
        let mut hashes = Vec::with_capacity(messages.len() * HASH_BYTES);
        for (i, message) in messages.iter().enumerate() {
            if i > 0 {
                canonical.push(b',');
            }
            let from = canonical.len();
            serde_json::to_writer(&mut canonical, message).map_err(&json)?;
            hashes.extend_from_slice(&Sha256::digest(&canonical[from..])[..HASH_BYTES]);
        }
        canonical.extend_from_slice(b"]}");
        session.messages = messages;
        let body = zstd::bulk::compress(&canonical, ZSTD_LEVEL)
            .map_err(|e| StoreError::Corrupt { what: "session", detail: e.to_string() })?;
        let docs = documents(&session);
        Ok(Prepared {
            models: session.models(),
            version: Version::of(&canonical),
            raw_bytes: canonical.len() as u64,
            title: description.title,
            badges: description.badges,
            body,
            hashes,
            docs,
            session,
        })
    }

    pub fn key(&self) -> &SessionKey {
        &self.session.key
    }
}

/// Decompresses a stored normal form of this size.
pub(super) fn decompress(body: &[u8], raw_bytes: i64) -> Result<Vec<u8>, StoreError> {
    zstd::bulk::decompress(body, usize::try_from(raw_bytes).unwrap_or(usize::MAX))
        .map_err(|e| StoreError::Corrupt { what: "session", detail: e.to_string() })
}

/// Returns the searchable text of a session: one document for each message and kind of text.
fn documents(session: &Session) -> Vec<Doc> {
    let mut docs: Vec<Doc> = Vec::new();
    for (i, message) in session.messages.iter().enumerate() {
        let start = docs.len();
        let mut add = |kind: DocKind, text: &str| {
            if text.trim().is_empty() {
                return;
            }
            match docs[start..].iter_mut().find(|d| d.kind == kind) {
                Some(d) => {
                    d.text.push('\n');
                    d.text.push_str(text);
                }
                None => docs.push(Doc { message: i as u32, kind, text: text.to_owned() }),
            }
        };
        for part in &message.parts {
            match part {
                Part::Text { text } => add(DocKind::of_text(message.role), text),
                Part::Thinking { text } => add(DocKind::Thinking, text),
                Part::Tool(call) => {
                    let mut input = call.name.clone();
                    search::json_text(&call.input, &mut input);
                    add(DocKind::ToolInput, &input);
                    if let Some(output) = &call.output {
                        add(DocKind::ToolOutput, output);
                    }
                }
                Part::Attachment { name, text } => {
                    add(DocKind::Prompt, name);
                    add(DocKind::Prompt, text);
                }
                Part::Media { .. } => {}
            }
        }
    }
    docs
}
