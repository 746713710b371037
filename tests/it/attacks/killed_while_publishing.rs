//! The agent kills `sign` at some moment between the passphrase and the end of the upload.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::{HubWorld, REPO, stored};
use crate::world::{PASSPHRASE, Step, run, run_steps_on_terminal};

/// Kills every process with these words in its command line, after a delay.
pub fn kill_after(delay: u64, release: String) {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(delay));
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let words: Vec<&str> =
                line.split(|b| *b == 0).filter_map(|w| std::str::from_utf8(w).ok()).collect();
            let is_sign =
                words.first().is_some_and(|w| w.ends_with("/clawgate")) && words.get(1) == Some(&"sign");
            if is_sign && words.get(2) == Some(&release.as_str()) {
                let pid = entry.file_name().into_string().unwrap();
                Command::new("kill").args(["-9", &pid]).status().unwrap();
            }
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn after_a_kill_the_state_is_true_and_the_commit_is_made_once() {
    for delay in [60, 400, 900, 1500, 2200] {
        let w = HubWorld::confirmed();
        let sealed = w.sealed();
        let steps = vec![
            Step::new("to approve: ", || REPO.to_owned()),
            Step::new("Passphrase: ", || {
                kill_after(delay, w.release.clone());
                PASSPHRASE.to_owned()
            }),
        ];
        run_steps_on_terminal(&w.world, &["sign", &w.release], &[], steps);
        assert!(w.hub.count("POST", "/commit/") <= 1);
        assert_eq!(run(&w.world, &["audit", "verify"]).code, 0, "after {delay} ms");
        let phase = stored(&w.world, &w.release).0["phase"].as_str().unwrap().to_owned();
        assert!(["confirmed", "approved", "published"].contains(&phase.as_str()), "{phase}");
        if phase != "published" {
            let again = w.sign();
            assert_eq!(again.code, 0, "after {delay} ms in {phase}: {}", again.out);
        }
        assert_eq!(stored(&w.world, &w.release).0["phase"], "published");
        w.assert_published(&sealed);
    }
}
