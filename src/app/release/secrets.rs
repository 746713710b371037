//! The private file of a release, and the key under which values are hashed on this machine.

use std::io::ErrorKind;
use std::path::PathBuf;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::app::fs::{io_failure, make_private_dir, read_if_exists, write_private};
use crate::app::random::{key_from_hex, random_key_hex};
use crate::app::{App, Failure};

use super::data::ReleaseSecrets;

/// Bytes of the keyed hash that identifies a value.
const VALUE_ID_BYTES: usize = 10;

/// Keyed hash of a value of the inventory. It is the same for every release of this machine, and reveals nothing
/// without the key.
pub(crate) fn value_id(key: &[u8; 32], kind: &str, value: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(kind.as_bytes());
    mac.update(&[0]);
    mac.update(value.trim().to_lowercase().as_bytes());
    data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes()[..VALUE_ID_BYTES])
}

impl App {
    fn secrets_path(&self, id: &str) -> PathBuf {
        self.dir().join("private").join(format!("{id}.json"))
    }

    /// Reads the secrets of a release. A new release gets a new key.
    pub(crate) fn secrets(&self, id: &str) -> Result<ReleaseSecrets, Failure> {
        let path = self.secrets_path(id);
        let Some(text) = read_if_exists(&path)? else {
            return Ok(ReleaseSecrets { key: random_key_hex()?, ..ReleaseSecrets::default() });
        };
        serde_json::from_str(&text)
            .map_err(|_| Failure::failed("private", format!("{} cannot be read.", path.display())))
    }

    /// Gives a new release the key of an earlier one, so that the same session has the same id and the same value the same
    /// placeholder in the whole dataset.
    pub(super) fn continue_secrets(&self, id: &str, earlier: &str) -> Result<(), Failure> {
        if self.secrets_path(id).exists() || !self.secrets_path(earlier).exists() {
            return Ok(());
        }
        let key = self.secrets(earlier)?.key;
        self.save_secrets(id, &ReleaseSecrets { key, ..ReleaseSecrets::default() })
    }

    pub(crate) fn save_secrets(&self, id: &str, secrets: &ReleaseSecrets) -> Result<(), Failure> {
        make_private_dir(&self.dir().join("private"))?;
        let json = serde_json::to_vec(secrets).map_err(|e| Failure::failed("json", e.to_string()))?;
        write_private(&self.secrets_path(id), &json)
    }

    /// Removes the values in clear that a finished release has stored.
    pub(crate) fn remove_secrets(&self, id: &str) -> Result<(), Failure> {
        let path = self.secrets_path(id);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(io_failure("cannot remove", &path, &e)),
            _ => Ok(()),
        }
    }

    /// The key under which this machine hashes values. It is made at the first call.
    pub(crate) fn local_key(&self) -> Result<[u8; 32], Failure> {
        key_from_hex(&self.archive.meta_or_insert("local_key", &random_key_hex()?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_value_ignores_case_and_depends_on_key_and_kind() {
        let id = value_id(&[1; 32], "ORG", "Acme");
        assert_eq!(id, value_id(&[1; 32], "ORG", " acme "));
        assert_eq!(id.len(), 2 * VALUE_ID_BYTES);
        for other in [
            value_id(&[2; 32], "ORG", "Acme"),
            value_id(&[1; 32], "CLIENT", "Acme"),
            value_id(&[1; 32], "ORG", "Acme Ltd"),
        ] {
            assert_ne!(id, other);
        }
    }
}
