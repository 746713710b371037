//! `Cleared`: bytes that a valid receipt covers. Only this floor can make one.

use zeroize::Zeroizing;

use crate::workflow::Destination;

/// One file with the bytes that were checked; nobody reads it from disk again.
#[derive(Debug, Clone)]
pub struct ClearedFile {
    /// Path inside the release.
    pub path: String,
    /// SHA-256 of `bytes`, lower-case hex.
    pub sha256: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Permission to publish: the pinned bytes, their digest, the destination and the unsealed token.
pub struct Cleared {
    pub(in crate::gate) files: Vec<ClearedFile>,
    pub(in crate::gate) digest: String,
    pub(in crate::gate) destination: Destination,
    pub(in crate::gate) token: Option<Zeroizing<String>>,
}

impl Cleared {
    /// The pinned files.
    pub fn files(&self) -> &[ClearedFile] {
        &self.files
    }

    /// The digest the receipt approves.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Where the receipt allows the files to go.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// The Hub token, where one was unsealed.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref().map(String::as_str)
    }

    /// For tests of the floors above only.
    #[cfg(test)]
    pub fn for_tests(files: Vec<ClearedFile>, destination: Destination, token: Option<String>) -> Self {
        let entries: Vec<_> =
            files.iter().map(|f| crate::workflow::FileEntry::of(&f.path, &f.bytes)).collect();
        Cleared {
            digest: crate::workflow::digest(&entries),
            files,
            destination,
            token: token.map(Zeroizing::new),
        }
    }
}
