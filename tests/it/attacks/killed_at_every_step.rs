//! The agent kills the program with `kill -9` at some moment of each step from `prepare` to the publication. After each kill the
//! state is one that the next command can continue, and in the end the release is published once, as it was sealed.

use std::process::Stdio;
use std::time::Duration;

use clawgate::app::scan::ScanParams;
use clawgate::app::sessions::ScopeParams;

use super::killed_while_publishing::kill_after;
use super::{assert_published, keys, stored};
use crate::world::{
    PASSPHRASE, Step, World, approve_all, confirm, ok, review_to_end, run, run_on_terminal,
    run_steps_on_terminal,
};

const WORDS: &str = "The person was asked, and this is their answer.";

/// Starts a command and kills it after a delay, if it still runs.
fn killed(world: &World, args: &[&str], delay: u64) {
    let mut child = world.command().args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(delay));
    let _ = child.kill();
    child.wait().unwrap();
    // A true state: it can be read, the log is whole, and nothing was published.
    ok(world, &["status", "--json"]);
    let verified = run(world, &["audit", "verify"]);
    assert_eq!(verified.code, 0, "{args:?} after {delay} ms: {}", verified.out);
}

/// The id and the phase of the only release.
fn release(world: &World) -> Option<(String, String)> {
    let status = ok(world, &["status", "--json"]);
    let releases = status["releases"].as_array().unwrap();
    assert!(releases.len() <= 1, "{releases:?}");
    let r = releases.first()?;
    Some((r["release"].as_str().unwrap().to_owned(), r["state"].as_str().unwrap().to_owned()))
}

/// Signs the release without publishing it, as the person would.
fn sign(world: &World, id: &str) {
    let answers = [("to approve: ", "out"), ("Passphrase: ", PASSPHRASE)];
    let signed = run_on_terminal(world, &["sign", id, "--no-publish"], &answers);
    assert_eq!(signed.code, 0, "{}", signed.out);
}

/// Takes the step that the state names, as the person or their agent would. Returns the phase before it.
fn step(world: &World, folder: &str) -> String {
    let Some((id, phase)) = release(world) else {
        ok(world, &["prepare", "--folder", folder, "--json"]);
        return "none".to_owned();
    };
    match phase.as_str() {
        "draft" => drop(ok(world, &["prepare", &id, "--folder", folder, "--json"])),
        "prepared" => drop(review_to_end(&mut world.app())),
        "reviewed" => confirm(&mut world.app()).unwrap(),
        // The answer can be that the archive lost a step in the kill, which takes the release back.
        "confirmed" => {
            let before = run_on_terminal(world, &["preview", "--no-pager"], &[]);
            assert_eq!(before.code, 0, "{}", before.out);
            if world.app().sign_preview(None).is_ok() {
                sign(world, &id);
            }
        }
        "approved" => {
            let published = run(world, &["publish", &id]);
            // The kill can have come after the state was saved and before the receipt was.
            if published.code == 4 {
                assert!(published.err.contains(&format!("next: clawgate sign {id}")), "{}", published.err);
                sign(world, &id);
            } else {
                assert_eq!(published.code, 0, "{}", published.err);
            }
        }
        _ => {}
    }
    phase
}

#[cfg(target_os = "linux")]
#[test]
fn every_kill_leaves_a_state_from_which_the_release_is_published_once() {
    for delay in [2, 12, 35, 90, 250] {
        let world = World::new(&["claude-2.1.329"]);
        let mut app = world.app();
        app.scan(&ScanParams::default()).unwrap();
        app.set_scope(&ScopeParams { confirm: true, ..ScopeParams::default() }).unwrap();
        approve_all(&mut app);
        drop(app);
        keys(&world);
        let folder = world.out().display().to_string();
        let confirm_args = [
            "confirm",
            "--skip-full-name-scan",
            "--attest-full-name",
            WORDS,
            "--attest-sensitive",
            WORDS,
            "--attest-manual-scan",
            WORDS,
        ];
        let kills: [(&[&str], &str); 4] = [
            (&["prepare", "--folder", &folder], "prepared"),
            (&["review", "--redact-all"], "prepared"),
            (&["pii-review"], "reviewed"),
            (&confirm_args, "confirmed"),
        ];
        for (args, phase) in kills {
            killed(&world, args, delay);
            steps_until(&world, &folder, phase);
        }
        let (id, _) = release(&world).unwrap();
        // Between the passphrase and the receipt.
        let steps = vec![
            Step::new("to approve: ", || "out".to_owned()),
            Step::new("Passphrase: ", || {
                // The passphrase is typed 50 ms after its prompt.
                kill_after(60 + delay * 4, id.clone());
                PASSPHRASE.to_owned()
            }),
        ];
        run_steps_on_terminal(&world, &["sign", &id, "--no-publish"], &[], steps);
        assert!(!world.out().exists(), "nothing is published by a signature alone");
        assert_eq!(run(&world, &["audit", "verify"]).code, 0, "after {delay} ms");
        steps_until(&world, &folder, "approved");
        killed_publish(&world, &id, delay);
        steps_until(&world, &folder, "published");
        assert_eq!(stored(&world, &id).0["phase"], "published", "after {delay} ms");
        assert_published(&world, &id);
        let log = world.app().audit_log().unwrap();
        assert_eq!(log.entries.iter().filter(|e| e.kind == "published").count(), 1);
    }
}

/// Takes the steps that lead to a phase.
fn steps_until(world: &World, folder: &str, phase: &str) {
    let mut taken = Vec::new();
    while release(world).is_none_or(|r| r.1 != phase) {
        taken.push(step(world, folder));
        assert!(taken.len() < 12, "no way to {phase}: {taken:?}: {:?}", world.app().sign_preview(None).err());
    }
}

/// Kills the upload to the folder. The folder is complete or absent.
fn killed_publish(world: &World, id: &str, delay: u64) {
    killed(world, &["publish", id], delay);
    if world.out().exists() {
        assert_published(world, id);
    }
}
