//! Signed statements: a JSON text in a DSSE envelope (Dead Simple Signing Envelope), signed with the approver's key.
//!
//! The signature covers the type of the payload, so a statement of one kind is never accepted as one of another kind. The
//! provenance of a dataset and the head of the audit log are such statements.

use std::path::Path;

use data_encoding::BASE64;
use ed25519_dalek::{Signature, Signer, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::private_file::{FileOwner, read_private_file};
use super::{GateError, PublicKey, Unlocked};

/// A signed text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Envelope {
    /// Media type of the text.
    pub payload_type: String,
    /// The text, base64.
    payload: String,
    signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeSignature {
    /// Fingerprint of the key.
    keyid: String,
    /// Ed25519 signature, base64.
    sig: String,
}

/// The bytes that are signed: the "pre-authentication encoding" of DSSE v1.
fn signed_bytes(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

impl Envelope {
    /// Signs a text.
    ///
    /// # Errors
    /// [`GateError`] if the key cannot be read from memory.
    pub fn sign(unlocked: &Unlocked, payload_type: &str, payload: &str) -> Result<Self, GateError> {
        let signature = unlocked.signing()?.sign(&signed_bytes(payload_type, payload.as_bytes()));
        Ok(Envelope {
            payload_type: payload_type.to_owned(),
            payload: BASE64.encode(payload.as_bytes()),
            signatures: vec![EnvelopeSignature {
                keyid: unlocked.fingerprint().to_owned(),
                sig: BASE64.encode(&signature.to_bytes()),
            }],
        })
    }

    /// Reads the envelope in a private file of the user. `None` if the file does not exist.
    ///
    /// # Errors
    /// [`GateError::PrivateFile`] if the file cannot be used, or is not an envelope.
    pub fn read(path: &Path) -> Result<Option<Self>, GateError> {
        let Some(bytes) = read_private_file(path, FileOwner::User)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|_| GateError::PrivateFile {
            path: path.to_path_buf(),
            what: "it is not a signed statement".to_owned(),
        })
    }

    /// The text, before its signature is checked.
    pub fn unchecked_payload(&self) -> Option<String> {
        String::from_utf8(BASE64.decode(self.payload.as_bytes()).ok()?).ok()
    }

    /// The fingerprint that the envelope names.
    pub fn key(&self) -> Option<&str> {
        self.signatures.first().map(|s| s.keyid.as_str())
    }

    /// The text, if one of the keys signed it as this type. Returns the fingerprint of the key too.
    pub fn verify<'k>(&self, payload_type: &str, keys: &'k [PublicKey]) -> Option<(String, &'k str)> {
        let key = keys.iter().find(|k| Some(k.fingerprint()) == self.key())?;
        Some((self.verify_bytes(payload_type, key.bytes())?, key.fingerprint()))
    }

    /// The text, if the key with these bytes signed it as this type.
    fn verify_bytes(&self, payload_type: &str, key: &[u8; 32]) -> Option<String> {
        if self.payload_type != payload_type || self.signatures.len() != 1 {
            return None;
        }
        let payload = self.unchecked_payload()?;
        let bytes = BASE64.decode(self.signatures.first()?.sig.as_bytes()).ok()?;
        let signature = Signature::from_slice(&bytes).ok()?;
        let signed = signed_bytes(payload_type, payload.as_bytes());
        VerifyingKey::from_bytes(key).ok()?.verify_strict(&signed, &signature).ok()?;
        Some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{KdfParams, Keys};
    use crate::trace::Timestamp;

    #[test]
    fn the_signed_bytes_are_those_of_dsse() {
        // The example of the specification.
        let bytes = signed_bytes("http://example.com/HelloWorld", b"hello world");
        assert_eq!(bytes, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[cfg(unix)]
    #[test]
    fn an_envelope_is_read_only_from_a_private_file() {
        use std::os::unix::fs::PermissionsExt;
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("audit-head.json");
        assert_eq!(Envelope::read(&path).unwrap(), None);
        std::fs::write(&path, "{\"payloadType\":\"a\",\"payload\":\"\",\"signatures\":[]}").unwrap();
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        assert!(matches!(Envelope::read(&path), Err(GateError::PrivateFile { .. })));
        mode(0o600);
        assert_eq!(Envelope::read(&path).unwrap().unwrap().payload_type, "a");
        let link = tmp.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(Envelope::read(&link), Err(GateError::PrivateFile { .. })));
        std::fs::write(&path, "{}").unwrap();
        assert!(matches!(Envelope::read(&path), Err(GateError::PrivateFile { .. })));
    }

    #[test]
    fn a_statement_counts_only_with_its_text_type_and_key() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("keys");
        Keys::init(&dir, "correct horse battery staple", None, Timestamp(0), KdfParams::cheap()).unwrap();
        let unlocked = Keys::unlock(&dir, "correct horse battery staple").unwrap();
        let keys = Keys::public(&dir).unwrap().enrolled;
        let envelope = Envelope::sign(&unlocked, "a", "{}").unwrap();
        assert_eq!(envelope.verify("a", &keys), Some(("{}".to_owned(), unlocked.fingerprint())));
        assert_eq!(envelope.verify("b", &keys), None);
        assert_eq!(envelope.verify("a", &[]), None);
        let text = serde_json::to_string(&envelope).unwrap();
        assert!(text.contains("\"payloadType\":\"a\""), "{text}");
        type Edit = fn(&mut Envelope);
        let edits: [Edit; 5] = [
            |e| e.payload = BASE64.encode(b"{ }"),
            |e| e.payload = "?".to_owned(),
            |e| e.payload_type = "b".to_owned(),
            |e| e.signatures[0].sig = BASE64.encode(&[0; 64]),
            |e| e.signatures.clear(),
        ];
        for edit in edits {
            let mut other = envelope.clone();
            edit(&mut other);
            assert_eq!(other.verify("a", &keys), None, "{other:?}");
        }
    }
}
