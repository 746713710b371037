//! The agent tries passphrases in a pseudo-terminal.

use std::time::{Duration, Instant};

use super::{HubWorld, REPO};

#[test]
fn guesses_become_slow_and_are_recorded() {
    let w = HubWorld::confirmed();
    let wrong = ("Passphrase: ", "the wrong words entirely");
    let ran = w.person(&["sign", &w.release], &[("to approve: ", REPO), wrong, wrong, wrong]);
    assert_eq!(ran.code, 4, "{}", ran.out);
    let start = Instant::now();
    let ran = w.person(&["sign", &w.release], &[("to approve: ", REPO), wrong, wrong, wrong]);
    assert_eq!(ran.code, 4, "{}", ran.out);
    assert!(start.elapsed() >= Duration::from_secs(1 + 2 + 4), "the guesses were not slowed");
    w.assert_nothing_left();
    let log = w.app(0).audit_log().unwrap();
    assert_eq!(log.entries.iter().filter(|e| e.kind == "wrong_passphrase").count(), 6);
    // The person is not locked out.
    let sealed = w.sealed();
    let ran = w.sign();
    assert_eq!(ran.code, 0, "{}", ran.out);
    w.assert_published(&sealed);
}
