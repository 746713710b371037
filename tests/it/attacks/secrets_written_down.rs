//! The agent looks for the passphrase and the Hub token in everything that the program writes: its files, the terminal, errors
//! and the audit log, also after a wrong passphrase, a refused token and a broken upload.

use std::fs;

use super::{HubWorld, REPO};
use crate::hub_double::{Fault, write_token};
use crate::world::{PASSPHRASE, Ran, run};

/// A passphrase that a person mistypes.
const WRONG: &str = "correct horse battery stable";

fn assert_hidden(what: &str, bytes: &[u8]) {
    for secret in [PASSPHRASE, WRONG, &write_token()] {
        let hex = data_encoding::HEXLOWER.encode(secret.as_bytes());
        let base64 = data_encoding::BASE64.encode(secret.as_bytes());
        for form in [secret, &hex, &base64] {
            assert!(!bytes.windows(form.len()).any(|w| w == form.as_bytes()), "{what} contains a secret");
        }
    }
}

#[test]
fn passphrase_and_token_are_in_no_file_output_or_error() {
    let w = HubWorld::confirmed();
    let mut ran: Vec<Ran> = Vec::new();
    let wrong =
        [("to approve: ", REPO), ("Passphrase: ", WRONG), ("Passphrase: ", WRONG), ("Passphrase: ", WRONG)];
    ran.push(w.person(&["sign", &w.release], &wrong));
    // The Hub refuses and breaks off, so that errors of the connection are shown and recorded.
    w.hub.fault("POST", "/commit/", Fault::RateLimit(1));
    let signed = w.sign();
    assert_eq!(signed.code, 0, "{}", signed.out);
    ran.push(signed);
    for args in [
        ["audit", "log", "--json"].as_slice(),
        &["doctor", "--json"],
        &["keys", "list", "--json"],
        &["status", "--json"],
        &["sign", &w.release, "--json"],
        &["publish", &w.release, "--json"],
    ] {
        ran.push(run(&w.world, args));
    }
    for ran in &ran {
        assert_hidden(&ran.out, ran.out.as_bytes());
        assert_hidden(&ran.err, ran.err.as_bytes());
    }
    let mut files = 0;
    for entry in walkdir::WalkDir::new(w.world.tmp.path()).into_iter().map(Result::unwrap) {
        if entry.file_type().is_file() {
            assert_hidden(&entry.path().display().to_string(), &fs::read(entry.path()).unwrap());
            files += 1;
        }
    }
    assert!(files > 10, "{files}");
}
