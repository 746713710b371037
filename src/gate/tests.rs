//! Each way to cheat the gate, and the error it meets.

use std::fs;
use std::path::PathBuf;

use ed25519_dalek::{Signer, SigningKey};

use super::*;
use crate::trace::Timestamp;
use crate::workflow::{
    ArchiveFacts, Assurance, Destination, Evidence, FileEntry, Phase, Release, Sealed, Target, Visibility,
    canonical, digest,
};

const NOW: Timestamp = Timestamp(1_795_191_161_000);
const PASS: &str = "seven grey herons wait";

struct Scene {
    _tmp: tempfile::TempDir,
    keys: PathBuf,
    dir: PathBuf,
    unlocked: Unlocked,
    enrolled: Vec<PublicKey>,
    release: Release,
    /// What the archive's evidence adds up to now.
    review: &'static str,
}

fn private() -> Destination {
    let target = Target::Hub { repo: "ann/traces".into(), revision: "main".into() };
    Destination { target, visibility: Visibility::Private, licence: Some("mit".into()) }
}

fn scene() -> Scene {
    let tmp = tempfile::tempdir().unwrap();
    let keys = tmp.path().join("keys");
    Keys::init(&keys, PASS, Some("a token"), NOW, KdfParams::cheap()).unwrap();
    let unlocked = Keys::unlock(&keys, PASS).unwrap();
    let enrolled = Keys::public(&keys).unwrap().enrolled;
    let dir = tmp.path().join("releases/r1");
    let content =
        [("README.md".to_owned(), b"card".to_vec()), ("data/rows-0.jsonl".to_owned(), b"{}\n".to_vec())];
    let files = write_sealed(&dir, &content).unwrap();
    let mut release = Release::new("r1", ArchiveFacts { scanned: true, scope_confirmed: true });
    release.phase = Phase::Approved;
    release.policy = Some("p1".into());
    release.evidence = Some(Evidence { root: "root".into(), leaves: 1, measured: None });
    release.destination = Some(private());
    release.sealed =
        Some(Sealed { digest: digest(&files), files, policy: "p1".into(), destination: Some(private()) });
    Scene { _tmp: tmp, keys, dir, unlocked, enrolled, release, review: "root" }
}

impl Scene {
    fn sign(&self) -> SignedReceipt {
        self.sign_as(Assurance::A3)
    }

    fn sign_as(&self, assurance: Assurance) -> SignedReceipt {
        let what = Issue {
            release: &self.release.id,
            digest: self.release.digest().unwrap(),
            destination: self.release.destination.as_ref().unwrap(),
            policy: "p1",
            review: "root",
            assurance,
        };
        issue(&self.unlocked, what, NOW, DEFAULT_TTL_MS).unwrap()
    }

    fn clear(&self, signed: &SignedReceipt) -> Result<Cleared, GateError> {
        self.clear_at(signed, NOW, &|_| false)
    }

    fn clear_at(
        &self,
        signed: &SignedReceipt,
        now: Timestamp,
        nonce_used: &dyn Fn(&str) -> bool,
    ) -> Result<Cleared, GateError> {
        clear(ClearRequest {
            signed,
            enrolled: &self.enrolled,
            now,
            release: &self.release,
            review: self.review,
            dir: &self.dir,
            nonce_used,
            token: self.unlocked.token(),
        })
    }

    /// Sets the destination and what the files were sealed for, as a fresh preparation would.
    fn move_to(&mut self, edit: impl Fn(&mut Destination)) {
        let destination = self.release.destination.as_mut().unwrap();
        edit(destination);
        self.release.sealed.as_mut().unwrap().destination = Some(destination.clone());
    }
}

macro_rules! refused {
    ($result:expr, $pattern:pat) => {
        let error = $result.expect_err("the gate opened");
        assert!(matches!(error, $pattern), "{error:?}");
    };
}

#[test]
fn a_good_receipt_clears_exactly_the_sealed_bytes() {
    let s = scene();
    let signed = s.sign();
    let stored: SignedReceipt = serde_json::from_str(&serde_json::to_string(&signed).unwrap()).unwrap();
    let cleared = s.clear(&stored).unwrap();
    assert_eq!(cleared.digest(), s.release.digest().unwrap());
    assert_eq!(cleared.destination(), &private());
    assert_eq!(cleared.token(), Some("a token"));
    for f in cleared.files() {
        assert_eq!(f.bytes, fs::read(s.dir.join(&f.path)).unwrap());
    }
    assert_eq!(cleared.files().len(), 2);
    assert!(!format!("{cleared:?} {:?}", s.unlocked).contains("a token"));
}

#[test]
fn the_receipt_is_canonical_json_of_the_agreed_fields() {
    let s = scene();
    let signed = s.sign();
    let value: serde_json::Value = serde_json::from_str(&signed.receipt).unwrap();
    assert_eq!(canonical(&value), signed.receipt);
    let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "assurance",
            "destination",
            "digest",
            "expires",
            "issued",
            "licence",
            "nonce",
            "policy",
            "release",
            "review",
            "revision",
            "v",
            "visibility"
        ]
    );
    let facts = verify(&signed, &s.enrolled, NOW).unwrap().facts();
    assert_eq!(facts.destination, private());
    assert_eq!(facts.expires.millis() - facts.issued.millis(), DEFAULT_TTL_MS);
    assert_ne!(s.sign().receipt, signed.receipt, "each receipt has its own nonce");
}

#[test]
fn any_changed_byte_of_any_file_is_refused() {
    let s = scene();
    let signed = s.sign();
    for entry in &s.release.sealed.as_ref().unwrap().files {
        let path = s.dir.join(&entry.path);
        let good = fs::read(&path).unwrap();
        for i in 0..good.len() {
            let mut bad = good.clone();
            bad[i] ^= 1;
            fs::write(&path, &bad).unwrap();
            refused!(s.clear(&signed), GateError::FileChanged(_));
        }
        fs::write(&path, [good.clone(), vec![b'x']].concat()).unwrap();
        refused!(s.clear(&signed), GateError::FileChanged(_));
        fs::write(&path, &good[1..]).unwrap();
        refused!(s.clear(&signed), GateError::FileChanged(_));
        fs::remove_file(&path).unwrap();
        refused!(s.clear(&signed), GateError::FileMissing(_));
        fs::write(&path, &good).unwrap();
        s.clear(&signed).unwrap();
    }
}

#[test]
fn a_changed_byte_is_refused_also_when_the_database_agrees_with_it() {
    let mut s = scene();
    let signed = s.sign();
    fs::write(s.dir.join("README.md"), b"Card").unwrap();
    let sealed = s.release.sealed.as_mut().unwrap();
    sealed.files[0] = FileEntry::of("README.md", b"Card");
    refused!(s.clear(&signed), GateError::OtherDigest);
    // With the digest forged as well, the receipt is about other bytes.
    let sealed = s.release.sealed.as_mut().unwrap();
    sealed.digest = digest(&sealed.files);
    refused!(s.clear(&signed), GateError::OtherDigest);
}

#[test]
fn another_destination_visibility_licence_policy_or_release_is_refused() {
    type Edit = fn(&mut Scene);
    type Expected = fn(&GateError) -> bool;
    let cases: [(Edit, Expected); 10] = [
        (
            |s| s.move_to(|d| d.target = Target::Folder { path: "/out".into() }),
            |e| matches!(e, GateError::OtherDestination),
        ),
        (
            |s| s.move_to(|d| d.target = Target::Hub { repo: "eve/traces".into(), revision: "main".into() }),
            |e| matches!(e, GateError::OtherDestination),
        ),
        (
            |s| s.move_to(|d| d.target = Target::Hub { repo: "ann/traces".into(), revision: "dev".into() }),
            |e| matches!(e, GateError::OtherRevision),
        ),
        (|s| s.move_to(|d| d.visibility = Visibility::Public), |e| matches!(e, GateError::OtherVisibility)),
        (|s| s.move_to(|d| d.licence = Some("gpl".into())), |e| matches!(e, GateError::OtherLicence)),
        (|s| s.move_to(|d| d.licence = None), |e| matches!(e, GateError::OtherLicence)),
        (|s| s.release.policy = Some("p2".into()), |e| matches!(e, GateError::OtherPolicy)),
        (|s| s.release.evidence = None, |e| matches!(e, GateError::OtherReview)),
        (|s| s.review = "other", |e| matches!(e, GateError::OtherReview)),
        (|s| s.release.id = "r2".into(), |e| matches!(e, GateError::OtherRelease)),
    ];
    for (i, (edit, expected)) in cases.into_iter().enumerate() {
        let mut s = scene();
        let signed = s.sign();
        s.clear(&signed).unwrap();
        edit(&mut s);
        let error = s.clear(&signed).expect_err("the gate opened");
        assert!(expected(&error), "case {i}: {error:?}");
    }
}

#[test]
fn files_sealed_for_another_destination_or_none_are_refused() {
    let mut s = scene();
    let signed = s.sign();
    s.release.sealed.as_mut().unwrap().destination = None;
    refused!(s.clear(&signed), GateError::NotPrepared);
    s.release.sealed = None;
    refused!(s.clear(&signed), GateError::NotPrepared);
}

#[test]
fn time_and_single_use_are_kept() {
    let s = scene();
    let signed = s.sign();
    let at = |ms: i64| Timestamp(NOW.millis() + ms);
    s.clear_at(&signed, at(DEFAULT_TTL_MS - 1), &|_| false).unwrap();
    refused!(s.clear_at(&signed, at(DEFAULT_TTL_MS), &|_| false), GateError::Expired(_));
    refused!(s.clear_at(&signed, at(-1), &|_| false), GateError::NotYetValid(_));
    let nonce = verify(&signed, &s.enrolled, NOW).unwrap().receipt().nonce.clone();
    refused!(s.clear_at(&signed, NOW, &|n| n == nonce), GateError::Replayed);
    let mut spent = scene();
    let signed = spent.sign();
    let nonce = verify(&signed, &spent.enrolled, NOW).unwrap().receipt().nonce.clone();
    spent.release.spent.insert(nonce);
    refused!(spent.clear(&signed), GateError::Replayed);
}

#[test]
fn assurance_must_reach_what_the_destination_needs() {
    let mut s = scene();
    refused!(s.clear(&s.sign_as(Assurance::A1)), GateError::AssuranceTooLow { needed: Assurance::A2, .. });
    s.clear(&s.sign_as(Assurance::A2)).unwrap();
    s.move_to(|d| d.visibility = Visibility::Public);
    refused!(s.clear(&s.sign_as(Assurance::A2)), GateError::AssuranceTooLow { needed: Assurance::A3, .. });
    s.clear(&s.sign_as(Assurance::A3)).unwrap();
}

#[test]
fn the_hub_needs_the_token_and_a_folder_does_not() {
    let mut s = scene();
    Keys::set_token(&s.keys, PASS, None).unwrap();
    s.unlocked = Keys::unlock(&s.keys, PASS).unwrap();
    refused!(s.clear(&s.sign()), GateError::NoToken);
    s.move_to(|d| d.target = Target::Folder { path: "/out: here".into() });
    assert_eq!(s.clear(&s.sign()).unwrap().token(), None);
}

#[test]
fn an_edited_receipt_is_refused() {
    let s = scene();
    let good = s.sign();
    for (from, to) in [("private", "public"), ("ann/traces", "eve/traces"), ("\"A3\"", "\"A5\"")] {
        let mut edited = good.clone();
        edited.receipt = edited.receipt.replace(from, to);
        assert_ne!(edited, good);
        refused!(s.clear(&edited), GateError::BadSignature);
    }
    let mut spaced = good.clone();
    spaced.receipt.push(' ');
    refused!(s.clear(&spaced), GateError::BadSignature);
    let mut other = good.clone();
    other.signature = s.sign().signature;
    refused!(s.clear(&other), GateError::BadSignature);
    let mut none = good;
    none.signature = String::new();
    refused!(s.clear(&none), GateError::BadSignature);
}

#[test]
fn another_key_is_refused() {
    let s = scene();
    let other = scene();
    refused!(s.clear(&other.sign()), GateError::NotEnrolled(_));
    // Claiming the enrolled fingerprint does not help.
    let mut forged = other.sign();
    forged.key = s.enrolled[0].fingerprint().to_owned();
    refused!(s.clear(&forged), GateError::BadSignature);
    refused!(verify(&s.sign(), &[], NOW), GateError::NotEnrolled(_));
}

#[test]
fn a_signature_made_for_anything_else_is_no_receipt() {
    let s = scene();
    let good = s.sign();
    let bare = s.unlocked.signing().sign(good.receipt.as_bytes());
    let mut forged = good.clone();
    forged.signature = data_encoding::BASE64.encode(&bare.to_bytes());
    refused!(s.clear(&forged), GateError::BadSignature);

    // Even properly signed, only the canonical form of this version counts.
    let sign = |text: String| {
        let message = [b"clawgate receipt v1\0".as_slice(), text.as_bytes()].concat();
        let signature = s.unlocked.signing().sign(&message).to_bytes();
        SignedReceipt { receipt: text, signature: data_encoding::BASE64.encode(&signature), ..good.clone() }
    };
    s.clear(&sign(good.receipt.clone())).unwrap();
    for bad in [
        good.receipt.replacen('{', "{ ", 1),
        good.receipt.replace("\"v\":1", "\"v\":2"),
        good.receipt.replace("\"v\":1", "\"extra\":0,\"v\":1"),
        good.receipt.replace("hf:", "ftp:"),
        good.receipt.replace("\"issued\":\"2026-", "\"issued\":\"2025-"),
        "null".to_owned(),
    ] {
        refused!(s.clear(&sign(bad)), GateError::Malformed(_));
    }
}

#[test]
fn the_release_folder_holds_the_sealed_files_and_nothing_else() {
    let s = scene();
    let signed = s.sign();
    fs::write(s.dir.join("data/stray"), b"x").unwrap();
    refused!(s.clear(&signed), GateError::FileUnexpected(_));
    fs::remove_file(s.dir.join("data/stray")).unwrap();
    for bad in ["../r1/README.md", "/etc/hostname", "data//x", "data/./x", "", "a\\b", "C:x", "a\nb"] {
        let entry = FileEntry::of(bad, b"");
        refused!(read_sealed(&s.dir, std::slice::from_ref(&entry)), GateError::BadPath(_));
        refused!(read_sealed_file(&s.dir, &entry), GateError::BadPath(_));
        refused!(write_sealed(&s.dir, &[(bad.to_owned(), Vec::new())]), GateError::BadPath(_));
    }
    s.clear(&signed).unwrap();
}

#[cfg(unix)]
#[test]
fn links_are_never_followed() {
    let s = scene();
    let signed = s.sign();
    let file = s.dir.join("README.md");
    let outside = s.dir.parent().unwrap().join("outside.md");
    fs::rename(&file, &outside).unwrap();
    std::os::unix::fs::symlink(&outside, &file).unwrap();
    refused!(s.clear(&signed), GateError::NotAFile(_));
    fs::remove_file(&file).unwrap();
    fs::rename(&outside, &file).unwrap();
    s.clear(&signed).unwrap();

    let data = s.dir.join("data");
    let moved = s.dir.parent().unwrap().join("data");
    fs::rename(&data, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &data).unwrap();
    refused!(s.clear(&signed), GateError::NotAFile(_));
    let entry = &s.release.sealed.as_ref().unwrap().files[1];
    refused!(read_sealed_file(&s.dir, entry), GateError::NotAFile(_));
}

#[test]
fn sealing_again_replaces_the_folder_whole() {
    let s = scene();
    let files = write_sealed(&s.dir, &[("b".into(), b"2".to_vec()), ("a".into(), b"1".to_vec())]).unwrap();
    assert_eq!(files, [FileEntry::of("a", b"1"), FileEntry::of("b", b"2")]);
    assert_eq!(read_sealed(&s.dir, &files).unwrap().len(), 2);
    let twice = [("a".into(), b"1".to_vec()), ("a".into(), b"2".to_vec())];
    refused!(write_sealed(&s.dir, &twice), GateError::BadPath(_));
    let left: Vec<_> = fs::read_dir(s.dir.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing temporary is left behind");
}

#[test]
fn keys_open_with_the_passphrase_only_and_are_never_overwritten() {
    let s = scene();
    refused!(Keys::unlock(&s.keys, "seven grey herons wail"), GateError::WrongPassphrase);
    refused!(Keys::unlock(&s.keys, ""), GateError::WrongPassphrase);
    refused!(Keys::set_token(&s.keys, "seven grey herons wail", Some("x")), GateError::WrongPassphrase);
    refused!(Keys::init(&s.keys, PASS, None, NOW, KdfParams::cheap()), GateError::KeysExist(_));
    assert_eq!(Keys::unlock(&s.keys, PASS).unwrap().token().unwrap().as_str(), "a token");
    Keys::set_token(&s.keys, PASS, Some("another")).unwrap();
    let again = Keys::unlock(&s.keys, PASS).unwrap();
    assert_eq!(again.token().unwrap().as_str(), "another");
    assert_eq!(again.fingerprint(), s.unlocked.fingerprint());
    let public = Keys::public(&s.keys).unwrap();
    assert_eq!(public.own.as_deref(), Some(s.unlocked.fingerprint()));
    assert_eq!((public.has_token, public.enrolled.len()), (true, 1));
    refused!(Keys::unlock(&s.dir, PASS), GateError::NoKeys);
    assert_eq!(Keys::public(&s.dir).unwrap().own, None);
}

#[test]
fn no_secret_stands_in_the_key_files() {
    let s = scene();
    let seed = s.unlocked.signing().to_bytes();
    for name in ["approver.json", "approvers.json"] {
        let path = s.keys.join(name);
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
            assert_eq!(fs::metadata(&s.keys).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }
}

#[test]
fn sealed_values_cannot_be_moved_or_edited() {
    let s = scene();
    let path = s.keys.join("approver.json");
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
        refused!(Keys::unlock(&s.keys, PASS), GateError::WrongPassphrase);
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
        refused!(Keys::unlock(&s.keys, PASS), GateError::KeyFile { .. });
    }
    fs::write(&path, b"\xff\x00 not json").unwrap();
    refused!(Keys::unlock(&s.keys, PASS), GateError::KeyFile { .. });
}

#[test]
fn weak_passphrases_are_named_as_such_and_composition_does_not_matter() {
    let tmp = tempfile::tempdir().unwrap();
    for weak in ["", "short", "elevenchars", "aaaaaaaaaaaaaaaa", "ababababababab"] {
        let made = Keys::init(tmp.path(), weak, None, NOW, KdfParams::cheap());
        refused!(made, GateError::WeakPassphrase(_));
    }
    Keys::init(tmp.path(), "caf\u{e9} du canal gris", None, NOW, KdfParams::cheap()).unwrap();
    assert!(Keys::unlock(tmp.path(), "cafe\u{301} du canal gris").unwrap().token().is_none());
}

#[test]
fn the_default_cost_is_the_houses() {
    let tmp = tempfile::tempdir().unwrap();
    let params = KdfParams::default();
    assert_eq!((params.memory_kib, params.passes, params.lanes), (65_536, 3, 1));
    Keys::init(tmp.path(), PASS, None, NOW, params).unwrap();
    Keys::unlock(tmp.path(), PASS).unwrap();
}
