//! The approver's key and the Hub token, sealed with a passphrase, and the list of enrolled public keys.
//!
//! `approver.json` contains the sealed secrets and the key derivation parameters, `approvers.json` the public keys whose
//! receipts are accepted. Anyone who can write `approvers.json` can enrol a key; the person detects this by comparing
//! the fingerprint that `init` printed. Without the passphrase the Hub token stays sealed even then.

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
use super::sealed::make_private_dir;
use crate::trace::Timestamp;

const VERSION: u32 = 1;
const SECRET_FILE: &str = "approver.json";
const PUBLIC_FILE: &str = "approvers.json";
/// Minimum length of a passphrase, in characters.
const MIN_PASSPHRASE_CHARS: usize = 12;
/// Minimum number of different characters of a passphrase.
const MIN_DIFFERENT_CHARS: usize = 4;

/// Cost of deriving the sealing key from the passphrase (Argon2id).
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
    /// The minimum that Argon2 accepts; only for tests and for the temporary home of the demo.
    pub fn cheap() -> Self {
        KdfParams { memory_kib: 8, passes: 1, lanes: 1 }
    }

    /// Whether the parameters are bounded. An edited file must not make us use all memory or run for hours.
    fn is_bounded(self) -> bool {
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

    /// First half of the key's SHA-256 in groups of four hex digits, for people to compare.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// When it was enrolled.
    pub fn enrolled(&self) -> Timestamp {
        self.enrolled
    }
}

/// The part of the keys that can be read without the passphrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKeys {
    /// Fingerprint of this machine's approver key.
    pub own: Option<String>,
    /// Whether a Hub token is sealed.
    pub has_token: bool,
    /// The enrolled keys. Receipts signed with them are accepted.
    pub enrolled: Vec<PublicKey>,
}

/// The unlocked secrets. They are wiped from memory when dropped.
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

    /// The Hub token, if one is sealed.
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
struct SealedValue {
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
    key: SealedValue,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<SealedValue>,
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

/// Operations on the folder of the keys.
pub struct Keys;

impl Keys {
    /// Checks that a passphrase is strong enough for [`Keys::init`].
    ///
    /// # Errors
    /// [`GateError::WeakPassphrase`] if it has fewer than 12 characters or fewer than 4 different ones.
    pub fn check_passphrase(passphrase: &str) -> Result<(), GateError> {
        check_strength(passphrase)
    }

    /// Creates an approver key, seals it and the Hub token with the passphrase, and enrols its public key.
    ///
    /// # Errors
    /// [`GateError`] if keys exist already, or if the passphrase has fewer than 12 characters or fewer than 4 different
    /// ones.
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
        make_private_dir(dir)?;

        let mut seed = Zeroizing::new([0u8; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(|_| GateError::Random)?;
        let signing = SigningKey::from_bytes(&seed);
        let public = PublicKey::new(signing.verifying_key().to_bytes(), now);
        let salt = random_bytes::<16>()?;
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

        // The public key is enrolled first. A crash between the two writes then leaves a public key without a secret,
        // and not a secret whose receipts nobody accepts.
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

    /// Unlocks the sealed secrets. A wrong passphrase takes as long as the right one.
    ///
    /// # Errors
    /// [`GateError::WrongPassphrase`], or [`GateError`] if there are no keys or their file was edited.
    pub fn unlock(dir: &Path, passphrase: &str) -> Result<Unlocked, GateError> {
        open(dir, passphrase).map(|(unlocked, _, _)| unlocked)
    }

    /// Replaces the sealed Hub token; `None` removes it.
    ///
    /// # Errors
    /// As [`Keys::unlock`].
    pub fn set_token(dir: &Path, passphrase: &str, hub_token: Option<&str>) -> Result<(), GateError> {
        let (unlocked, mut file, cipher) = open(dir, passphrase)?;
        let public = unlocked.signing.verifying_key().to_bytes();
        file.token = hub_token.map(|t| seal(&cipher, "token", &public, t.as_bytes())).transpose()?;
        save(dir, SECRET_FILE, &file, true)
    }

    /// Reads the public part of the keys. Empty if there are no keys.
    ///
    /// # Errors
    /// [`GateError::KeyFile`] if a file cannot be parsed or a fingerprint does not match its key.
    pub fn public(dir: &Path) -> Result<PublicKeys, GateError> {
        let own = read_secret(dir)?;
        let path = dir.join(PUBLIC_FILE);
        let mut enrolled = Vec::new();
        for entry in read_public(dir)?.map(|f| f.approvers).unwrap_or_default() {
            let key = PublicKey::new(decode_key(&entry.public, &path)?, entry.enrolled);
            if key.fingerprint() != entry.fingerprint {
                return Err(key_file(&path, "a fingerprint does not match its key"));
            }
            enrolled.push(key);
        }
        let own_fingerprint = match &own {
            Some(file) => Some(fingerprint(&decode_key(&file.public, &dir.join(SECRET_FILE))?)),
            None => None,
        };
        Ok(PublicKeys { own: own_fingerprint, has_token: own.is_some_and(|f| f.token.is_some()), enrolled })
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
                std::str::from_utf8(&plain).map_err(|_| key_file(&path, "the sealed token is not text"))?;
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

/// The passphrase in Unicode form NFKC, because keyboards compose the same letter in different ways.
fn normalize(passphrase: &str) -> Zeroizing<String> {
    Zeroizing::new(passphrase.nfkc().collect())
}

fn check_strength(passphrase: &str) -> Result<(), GateError> {
    let normal = normalize(passphrase);
    if normal.chars().count() < MIN_PASSPHRASE_CHARS {
        return Err(GateError::WeakPassphrase(
            "it needs at least 12 characters; a few random words are a good choice",
        ));
    }
    let mut different: Zeroizing<Vec<char>> = Zeroizing::new(normal.chars().collect());
    different.sort_unstable();
    different.dedup();
    if different.len() < MIN_DIFFERENT_CHARS {
        return Err(GateError::WeakPassphrase(
            "it has too few different characters; a few random words are a good choice",
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
    if !params.is_bounded() {
        return Err(bad());
    }
    let cost = Params::new(params.memory_kib, params.passes, params.lanes, Some(32)).map_err(|_| bad())?;
    let mut key = Zeroizing::new([0u8; 32]);
    let mut memory = Zeroizing::new(vec![Block::new(); cost.block_count()]);
    Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, cost)
        .hash_password_into_with_memory(
            normalize(passphrase).as_bytes(),
            salt,
            key.as_mut_slice(),
            &mut *memory,
        )
        .map_err(|_| bad())?;
    XChaCha20Poly1305::new_from_slice(key.as_slice()).map_err(|_| bad())
}

/// The associated data of a sealed value: format, field and public key. It prevents that a sealed value is accepted in
/// the place of another.
fn associated_data(field: &str, public: &[u8; 32]) -> Vec<u8> {
    let mut aad = format!("clawgate keys v{VERSION} {field} ").into_bytes();
    aad.extend_from_slice(public);
    aad
}

fn seal(
    cipher: &XChaCha20Poly1305,
    field: &str,
    public: &[u8; 32],
    plain: &[u8],
) -> Result<SealedValue, GateError> {
    let nonce = random_bytes::<24>()?;
    let aad = associated_data(field, public);
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &aad })
        .map_err(|_| GateError::Random)?;
    Ok(SealedValue { nonce: BASE64.encode(&nonce), sealed: BASE64.encode(&sealed) })
}

fn unseal(
    cipher: &XChaCha20Poly1305,
    field: &str,
    public: &[u8; 32],
    sealed: &SealedValue,
    path: &Path,
) -> Result<Zeroizing<Vec<u8>>, GateError> {
    let nonce: [u8; 24] = decode(&sealed.nonce, path)?
        .try_into()
        .map_err(|_| key_file(path, "a nonce has the wrong length"))?;
    let text = decode(&sealed.sealed, path)?;
    let aad = associated_data(field, public);
    cipher
        .decrypt(&XNonce::from(nonce), Payload { msg: &text, aad: &aad })
        .map(Zeroizing::new)
        .map_err(|_| GateError::WrongPassphrase)
}

/// Random bytes from the system.
pub(super) fn random_bytes<const N: usize>() -> Result<[u8; N], GateError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| GateError::Random)?;
    Ok(bytes)
}

fn decode(text: &str, path: &Path) -> Result<Vec<u8>, GateError> {
    BASE64.decode(text.as_bytes()).map_err(|_| key_file(path, "a value is not base64"))
}

fn decode_key(text: &str, path: &Path) -> Result<[u8; 32], GateError> {
    decode(text, path)?.try_into().map_err(|_| key_file(path, "a public key has the wrong length"))
}

fn read_file<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, GateError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|_| key_file(path, "it is not a key file of this version")),
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

/// Writes a file atomically, 0600.
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_191_161_000);
    const PASS: &str = "seven grey herons wait";

    macro_rules! refused {
        ($result:expr, $pattern:pat) => {
            let error = $result.expect_err("it was accepted");
            assert!(matches!(error, $pattern), "{error:?}");
        };
    }

    /// A folder with keys that are sealed with [`PASS`].
    fn folder() -> (tempfile::TempDir, PathBuf) {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("keys");
        Keys::init(&dir, PASS, Some("a token"), NOW, KdfParams::cheap()).unwrap();
        (tmp, dir)
    }

    #[test]
    fn only_the_passphrase_unlocks_the_keys_and_they_are_never_overwritten() {
        let (tmp, dir) = folder();
        let first = Keys::unlock(&dir, PASS).unwrap();
        let empty = tmp.path().join("empty");
        refused!(Keys::unlock(&dir, "seven grey herons wail"), GateError::WrongPassphrase);
        refused!(Keys::unlock(&dir, ""), GateError::WrongPassphrase);
        refused!(Keys::set_token(&dir, "seven grey herons wail", Some("x")), GateError::WrongPassphrase);
        refused!(Keys::init(&dir, PASS, None, NOW, KdfParams::cheap()), GateError::KeysExist(_));
        assert_eq!(Keys::unlock(&dir, PASS).unwrap().token().unwrap().as_str(), "a token");
        Keys::set_token(&dir, PASS, Some("another")).unwrap();
        let again = Keys::unlock(&dir, PASS).unwrap();
        assert_eq!(again.token().unwrap().as_str(), "another");
        assert_eq!(again.fingerprint(), first.fingerprint());
        let public = Keys::public(&dir).unwrap();
        assert_eq!(public.own.as_deref(), Some(first.fingerprint()));
        assert_eq!((public.has_token, public.enrolled.len()), (true, 1));
        refused!(Keys::unlock(&empty, PASS), GateError::NoKeys);
        assert_eq!(Keys::public(&empty).unwrap().own, None);
    }

    #[test]
    fn the_key_files_contain_no_secret_in_clear() {
        let (_tmp, dir) = folder();
        let seed = Keys::unlock(&dir, PASS).unwrap().signing().to_bytes();
        for name in ["approver.json", "approvers.json"] {
            let path = dir.join(name);
            let text = fs::read_to_string(&path).unwrap();
            for secret in [
                "a token".to_owned(),
                PASS.to_owned(),
                data_encoding::BASE64.encode(&seed),
                "YSB0b2tlbg".to_owned(),
            ] {
                assert!(!text.contains(&secret));
            }
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
                assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
            }
        }
    }

    #[test]
    fn sealed_values_cannot_be_exchanged_or_edited() {
        let (_tmp, dir) = folder();
        let path = dir.join("approver.json");
        let good: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        type Edit = fn(&mut serde_json::Value);
        let wrong: [Edit; 3] = [
            |v| v["token"] = v["key"].clone(),
            |v| v["key"]["sealed"] = v["token"]["sealed"].clone(),
            |v| {
                let other = SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes();
                v["public"] = data_encoding::BASE64.encode(&other).into();
            },
        ];
        for edit in wrong {
            let mut bad = good.clone();
            edit(&mut bad);
            fs::write(&path, bad.to_string()).unwrap();
            refused!(Keys::unlock(&dir, PASS), GateError::WrongPassphrase);
        }
        let broken: [Edit; 5] = [
            |v| v["v"] = 2.into(),
            |v| v["params"]["memory_kib"] = u32::MAX.into(),
            |v| v["params"]["passes"] = 0.into(),
            |v| v["salt"] = "?".into(),
            |v| v["extra"] = 1.into(),
        ];
        for edit in broken {
            let mut bad = good.clone();
            edit(&mut bad);
            fs::write(&path, bad.to_string()).unwrap();
            refused!(Keys::unlock(&dir, PASS), GateError::KeyFile { .. });
        }
        fs::write(&path, b"\xff\x00 not json").unwrap();
        refused!(Keys::unlock(&dir, PASS), GateError::KeyFile { .. });
    }

    #[test]
    fn weak_passphrases_are_refused_and_unicode_composition_makes_no_difference() {
        let tmp = tempfile::tempdir().unwrap();
        for weak in ["", "short", "elevenchars", "aaaaaaaaaaaaaaaa", "ababababababab"] {
            let made = Keys::init(tmp.path(), weak, None, NOW, KdfParams::cheap());
            refused!(made, GateError::WeakPassphrase(_));
        }
        Keys::init(tmp.path(), "caf\u{e9} du canal gris", None, NOW, KdfParams::cheap()).unwrap();
        assert!(Keys::unlock(tmp.path(), "cafe\u{301} du canal gris").unwrap().token().is_none());
    }

    #[test]
    fn the_default_cost_is_64_mib_and_3_passes() {
        let tmp = tempfile::tempdir().unwrap();
        let params = KdfParams::default();
        assert_eq!((params.memory_kib, params.passes, params.lanes), (65_536, 3, 1));
        Keys::init(tmp.path(), PASS, None, NOW, params).unwrap();
        Keys::unlock(tmp.path(), PASS).unwrap();
    }

    #[test]
    fn an_enrolled_key_must_match_its_fingerprint() {
        let (_tmp, dir) = folder();
        let path = dir.join(PUBLIC_FILE);
        let good: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let mut bad = good.clone();
        let other = SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes();
        bad["approvers"][0]["public"] = BASE64.encode(&other).into();
        fs::write(&path, bad.to_string()).unwrap();
        refused!(Keys::public(&dir), GateError::KeyFile { .. });
        fs::write(&path, good.to_string()).unwrap();
        let public = Keys::public(&dir).unwrap();
        assert_eq!(public.own.as_deref(), Some(public.enrolled[0].fingerprint()));
        assert_eq!(public.enrolled[0].enrolled(), NOW);
    }
}
