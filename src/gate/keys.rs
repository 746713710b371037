//! The approver's key and the Hub token, sealed by a passphrase; the list of enrolled public keys.
//!
//! `approver.json` holds the sealed secrets and the parameters that sealed them, `approvers.json` the public keys
//! whose receipts count. Whoever can write `approvers.json` can enrol a key; the fingerprint that the person
//! noted at `init` tells. Without the passphrase there is still no Hub token.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Block, Params};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::BASE64;
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, Zeroizing};

use super::GateError;
use super::sealed::make_dir;
use crate::trace::Timestamp;

const VERSION: u32 = 1;
const SECRET_FILE: &str = "approver.json";
const PUBLIC_FILE: &str = "approvers.json";
const MIN_CHARS: usize = 12;
const MIN_DIFFERENT: usize = 4;

/// Cost of turning the passphrase into a key (Argon2id).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KdfParams {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for KdfParams {
    /// 64 MiB, 3 passes, 1 lane.
    fn default() -> Self {
        KdfParams { memory_kib: 64 * 1024, passes: 3, lanes: 1 }
    }
}

impl KdfParams {
    /// The least that Argon2 takes; for tests and the demo's throw-away home only.
    pub fn cheap() -> Self {
        KdfParams { memory_kib: 8, passes: 1, lanes: 1 }
    }

    /// A file that was tampered with must not make us take all memory or run for hours.
    fn sane(self) -> bool {
        self.memory_kib <= 1024 * 1024 && self.passes <= 64 && (1..=16).contains(&self.lanes)
    }
}

/// An enrolled approver key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    bytes: [u8; 32],
    fingerprint: String,
    enrolled: Timestamp,
}

impl PublicKey {
    fn new(bytes: [u8; 32], enrolled: Timestamp) -> Self {
        PublicKey { bytes, fingerprint: fingerprint(&bytes), enrolled }
    }

    /// The key, 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// First half of the key's SHA-256, in groups of four hex digits: for people to compare.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// When it was enrolled.
    pub fn enrolled(&self) -> Timestamp {
        self.enrolled
    }
}

/// What may be shown of the keys without the passphrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKeys {
    /// Fingerprint of this machine's approver key.
    pub own: Option<String>,
    /// Whether a Hub token is sealed beside it.
    pub has_token: bool,
    /// The enrolled keys; receipts under these count.
    pub enrolled: Vec<PublicKey>,
}

/// The opened secrets, wiped from memory when dropped.
pub struct Unlocked {
    signing: SigningKey,
    fingerprint: String,
    token: Option<Zeroizing<String>>,
}

impl Unlocked {
    pub(super) fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// Fingerprint of the approver key.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The Hub token, where one is sealed.
    pub fn token(&self) -> Option<Zeroizing<String>> {
        self.token.clone()
    }
}

impl fmt::Debug for Unlocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unlocked").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// One sealed value.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Box64 {
    nonce: String,
    sealed: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretFile {
    v: u32,
    kdf: String,
    params: KdfParams,
    salt: String,
    public: String,
    created: Timestamp,
    key: Box64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<Box64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicFile {
    v: u32,
    approvers: Vec<PublicEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicEntry {
    public: String,
    fingerprint: String,
    enrolled: Timestamp,
}

/// The key folder's operations.
pub struct Keys;

impl Keys {
    /// Makes an approver key, seals it and the Hub token with the passphrase, and enrols its public half.
    ///
    /// Fails where keys exist already, and on a passphrase under 12 characters or under 4 different ones.
    pub fn init(
        dir: &Path,
        passphrase: &str,
        hub_token: Option<&str>,
        now: Timestamp,
        params: KdfParams,
    ) -> Result<PublicKey, GateError> {
        check_strength(passphrase)?;
        let path = dir.join(SECRET_FILE);
        if fs::symlink_metadata(&path).is_ok() {
            return Err(GateError::KeysExist(dir.to_path_buf()));
        }
        prepare_dir(dir)?;

        let mut seed = Zeroizing::new([0u8; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(|_| GateError::Random)?;
        let signing = SigningKey::from_bytes(&seed);
        let public = PublicKey::new(signing.verifying_key().to_bytes(), now);
        let mut salt = [0u8; 16];
        getrandom::fill(&mut salt).map_err(|_| GateError::Random)?;
        let cipher = cipher(passphrase, &salt, params, &path)?;
        let file = SecretFile {
            v: VERSION,
            kdf: "argon2id".to_owned(),
            params,
            salt: BASE64.encode(&salt),
            public: BASE64.encode(public.bytes()),
            created: now,
            key: seal(&cipher, "key", public.bytes(), seed.as_slice())?,
            token: hub_token.map(|t| seal(&cipher, "token", public.bytes(), t.as_bytes())).transpose()?,
        };

        // Enrolled first: a crash in between leaves a public key that nobody can use, not a key that never counts.
        let mut list = read_public(dir)?.unwrap_or(PublicFile { v: VERSION, approvers: Vec::new() });
        list.approvers.push(PublicEntry {
            public: BASE64.encode(public.bytes()),
            fingerprint: public.fingerprint().to_owned(),
            enrolled: now,
        });
        save(dir, PUBLIC_FILE, &list, true)?;
        save(dir, SECRET_FILE, &file, false)?;
        Ok(public)
    }

    /// Opens the sealed secrets. A wrong passphrase costs as much as the right one.
    pub fn unlock(dir: &Path, passphrase: &str) -> Result<Unlocked, GateError> {
        open(dir, passphrase).map(|(unlocked, _, _)| unlocked)
    }

    /// Seals another Hub token in place of the former one; `None` takes it away.
    pub fn set_token(dir: &Path, passphrase: &str, hub_token: Option<&str>) -> Result<(), GateError> {
        let (unlocked, mut file, cipher) = open(dir, passphrase)?;
        let public = unlocked.signing.verifying_key().to_bytes();
        file.token = hub_token.map(|t| seal(&cipher, "token", &public, t.as_bytes())).transpose()?;
        save(dir, SECRET_FILE, &file, true)
    }

    /// What may be shown without the passphrase; empty where there are no keys.
    pub fn public(dir: &Path) -> Result<PublicKeys, GateError> {
        let own = read_secret(dir)?;
        let path = dir.join(PUBLIC_FILE);
        let mut enrolled = Vec::new();
        for entry in read_public(dir)?.map(|f| f.approvers).unwrap_or_default() {
            let key = PublicKey::new(decode_key(&entry.public, &path)?, entry.enrolled);
            if key.fingerprint() != entry.fingerprint {
                return Err(key_file(&path, "a fingerprint does not fit its key"));
            }
            enrolled.push(key);
        }
        let own_print = match &own {
            Some(file) => Some(fingerprint(&decode_key(&file.public, &dir.join(SECRET_FILE))?)),
            None => None,
        };
        Ok(PublicKeys { own: own_print, has_token: own.is_some_and(|f| f.token.is_some()), enrolled })
    }
}

fn open(dir: &Path, passphrase: &str) -> Result<(Unlocked, SecretFile, XChaCha20Poly1305), GateError> {
    let path = dir.join(SECRET_FILE);
    let file = read_secret(dir)?.ok_or(GateError::NoKeys)?;
    let salt = decode(&file.salt, &path)?;
    let public = decode_key(&file.public, &path)?;
    let cipher = cipher(passphrase, &salt, file.params, &path)?;
    let seed = unseal(&cipher, "key", &public, &file.key, &path)?;
    let mut bytes = Zeroizing::new([0u8; 32]);
    if seed.len() != bytes.len() {
        return Err(key_file(&path, "the sealed key has the wrong length"));
    }
    bytes.copy_from_slice(&seed);
    let signing = SigningKey::from_bytes(&bytes);
    if signing.verifying_key().to_bytes() != public {
        return Err(key_file(&path, "the sealed key is not the one it names"));
    }
    let token = match &file.token {
        None => None,
        Some(sealed) => {
            let plain = unseal(&cipher, "token", &public, sealed, &path)?;
            let text =
                std::str::from_utf8(&plain).map_err(|_| key_file(&path, "the sealed token is no text"))?;
            Some(Zeroizing::new(text.to_owned()))
        }
    };
    let unlocked = Unlocked { signing, fingerprint: fingerprint(&public), token };
    Ok((unlocked, file, cipher))
}

fn key_file(path: &Path, what: &str) -> GateError {
    GateError::KeyFile { path: path.to_path_buf(), what: what.to_owned() }
}

fn fingerprint(public: &[u8; 32]) -> String {
    let hex = data_encoding::HEXLOWER.encode(&Sha256::digest(public)[..16]);
    let groups: Vec<&str> = (0..hex.len()).step_by(4).filter_map(|i| hex.get(i..i + 4)).collect();
    groups.join("-")
}

/// Equal passphrases are equal however the keyboard composed them.
fn normal(passphrase: &str) -> Zeroizing<String> {
    Zeroizing::new(passphrase.nfkc().collect())
}

fn check_strength(passphrase: &str) -> Result<(), GateError> {
    let normal = normal(passphrase);
    if normal.chars().count() < MIN_CHARS {
        return Err(GateError::WeakPassphrase(
            "it needs at least 12 characters; a few random words serve well",
        ));
    }
    let mut different: Zeroizing<Vec<char>> = Zeroizing::new(normal.chars().collect());
    different.sort_unstable();
    different.dedup();
    if different.len() < MIN_DIFFERENT {
        return Err(GateError::WeakPassphrase(
            "it repeats too few characters; a few random words serve well",
        ));
    }
    Ok(())
}

fn cipher(
    passphrase: &str,
    salt: &[u8],
    params: KdfParams,
    path: &Path,
) -> Result<XChaCha20Poly1305, GateError> {
    let bad = || key_file(path, "its key derivation parameters are out of bounds");
    if !params.sane() {
        return Err(bad());
    }
    let cost = Params::new(params.memory_kib, params.passes, params.lanes, Some(32)).map_err(|_| bad())?;
    let mut key = Zeroizing::new([0u8; 32]);
    let mut memory = Zeroizing::new(vec![Block::new(); cost.block_count()]);
    Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, cost)
        .hash_password_into_with_memory(normal(passphrase).as_bytes(), salt, key.as_mut_slice(), &mut *memory)
        .map_err(|_| bad())?;
    XChaCha20Poly1305::new_from_slice(key.as_slice()).map_err(|_| bad())
}

/// What a sealed value is bound to: form, field and key, so that none can be put in another's place.
fn bound(field: &str, public: &[u8; 32]) -> Vec<u8> {
    let mut aad = format!("clawgate keys v{VERSION} {field} ").into_bytes();
    aad.extend_from_slice(public);
    aad
}

fn seal(
    cipher: &XChaCha20Poly1305,
    field: &str,
    public: &[u8; 32],
    plain: &[u8],
) -> Result<Box64, GateError> {
    let mut nonce = [0u8; 24];
    getrandom::fill(&mut nonce).map_err(|_| GateError::Random)?;
    let aad = bound(field, public);
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &aad })
        .map_err(|_| GateError::Random)?;
    Ok(Box64 { nonce: BASE64.encode(&nonce), sealed: BASE64.encode(&sealed) })
}

fn unseal(
    cipher: &XChaCha20Poly1305,
    field: &str,
    public: &[u8; 32],
    sealed: &Box64,
    path: &Path,
) -> Result<Zeroizing<Vec<u8>>, GateError> {
    let nonce: [u8; 24] = decode(&sealed.nonce, path)?
        .try_into()
        .map_err(|_| key_file(path, "a nonce has the wrong length"))?;
    let text = decode(&sealed.sealed, path)?;
    let aad = bound(field, public);
    cipher
        .decrypt(&XNonce::from(nonce), Payload { msg: &text, aad: &aad })
        .map(Zeroizing::new)
        .map_err(|_| GateError::WrongPassphrase)
}

fn decode(text: &str, path: &Path) -> Result<Vec<u8>, GateError> {
    BASE64.decode(text.as_bytes()).map_err(|_| key_file(path, "a value is no base64"))
}

fn decode_key(text: &str, path: &Path) -> Result<[u8; 32], GateError> {
    decode(text, path)?.try_into().map_err(|_| key_file(path, "a public key has the wrong length"))
}

fn prepare_dir(dir: &Path) -> Result<(), GateError> {
    make_dir(dir)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
            .map_err(|source| GateError::Io { path: dir.to_path_buf(), source })?;
    }
    Ok(())
}

fn read_file<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, GateError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|_| key_file(path, "it is no key file of this version")),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(GateError::Io { path: path.to_path_buf(), source }),
    }
}

fn read_secret(dir: &Path) -> Result<Option<SecretFile>, GateError> {
    let path = dir.join(SECRET_FILE);
    let file: Option<SecretFile> = read_file(&path)?;
    match file {
        Some(f) if f.v != VERSION || f.kdf != "argon2id" => Err(key_file(&path, "it has another version")),
        other => Ok(other),
    }
}

fn read_public(dir: &Path) -> Result<Option<PublicFile>, GateError> {
    let path = dir.join(PUBLIC_FILE);
    let file: Option<PublicFile> = read_file(&path)?;
    match file {
        Some(f) if f.v != VERSION => Err(key_file(&path, "it has another version")),
        other => Ok(other),
    }
}

/// Writes a file whole or not at all, 0600.
fn save<T: Serialize>(dir: &Path, name: &str, value: &T, replace: bool) -> Result<(), GateError> {
    let path: PathBuf = dir.join(name);
    let io = |source| GateError::Io { path: path.clone(), source };
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| io(e.into()))?;
    text.push(b'\n');
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(io)?;
    file.write_all(&text).map_err(io)?;
    text.zeroize();
    file.as_file().sync_all().map_err(io)?;
    if replace {
        file.persist(&path).map_err(|e| io(e.error))?;
    } else {
        file.persist_noclobber(&path).map_err(|e| {
            if e.error.kind() == std::io::ErrorKind::AlreadyExists {
                GateError::KeysExist(dir.to_path_buf())
            } else {
                io(e.error)
            }
        })?;
    }
    Ok(())
}
