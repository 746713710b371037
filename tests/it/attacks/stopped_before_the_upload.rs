//! The agent waits with inotify for the receipt, stops the program there with SIGSTOP, between the digest and the upload, and
//! swaps everything on the disk.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::memory_readable::processes;
use super::{HubWorld, database};
use crate::world::Ran;

/// The person signs. As soon as the receipt is in its place, the program is stopped, and `swap` runs before it goes on.
fn stopped_at_the_receipt(w: &HubWorld, swap: impl FnOnce() + Send) -> Ran {
    let receipts = w.world.state().join("receipts");
    fs::create_dir_all(&receipts).unwrap();
    let watch = Inotify::init(InitFlags::IN_CLOEXEC).unwrap();
    watch.add_watch(&receipts, AddWatchFlags::IN_MOVED_TO).unwrap();
    let name = format!("{}.json", w.release);
    std::thread::scope(|scope| {
        let agent = scope.spawn(|| {
            loop {
                let events = watch.read_events().unwrap();
                if events.iter().any(|e| e.name.as_deref() == Some(name.as_ref())) {
                    break;
                }
            }
            let pids: Vec<Pid> =
                processes(&w.release).into_iter().map(|pid| Pid::from_raw(pid.cast_signed())).collect();
            assert!(!pids.is_empty(), "the program was not found");
            pids.iter().for_each(|pid| kill(*pid, Signal::SIGSTOP).unwrap());
            let early = w.hub.count("POST", "/commit/") == 0;
            let swapped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(swap));
            pids.iter().for_each(|pid| kill(*pid, Signal::SIGCONT).unwrap());
            swapped.unwrap();
            assert!(early, "the program was stopped too late");
        });
        // The Hub makes the upload wait, so that the stop is always before the commit.
        w.hub.fault("GET", "whoami", crate::hub_double::Fault::RateLimit(1));
        let signed = w.sign();
        agent.join().unwrap();
        signed
    })
}

fn swap_files(w: &HubWorld) {
    let dir = w.world.state().join("releases").join(&w.release);
    let shard = dir.join("data/train-00000.jsonl");
    let text = fs::read_to_string(&shard).unwrap();
    replace(&shard, &text.replacen("content", "CONTENT", 3));
    replace(&dir.join("README.md"), "nobody read this");
    fs::write(dir.join("raw.jsonl"), "{}").unwrap();
    replace(&w.receipt(), "{}");
    replace(&w.world.state().join(format!("receipts/{}.provenance.json", w.release)), "{}");
    replace(&w.key_file("approvers.json"), r#"{"v":1,"approvers":[]}"#);
}

/// Replaces a file by another one, as a rename does.
fn replace(path: &Path, text: &str) {
    let other = path.with_extension("swapped");
    fs::write(&other, text).unwrap();
    fs::set_permissions(&other, fs::metadata(path).unwrap().permissions()).unwrap();
    fs::rename(&other, path).unwrap();
}

#[test]
fn files_receipt_and_keys_that_are_swapped_do_not_change_what_leaves() {
    for _ in 0..2 {
        let w = HubWorld::confirmed();
        let sealed = w.sealed();
        let signed = stopped_at_the_receipt(&w, || swap_files(&w));
        assert_eq!(signed.code, 0, "{}", signed.out);
        w.assert_published(&sealed);
    }
}

#[test]
fn a_release_that_is_swapped_in_the_archive_too_is_not_sent_as_another_one() {
    let w = HubWorld::confirmed();
    let sealed = w.sealed();
    let signed = stopped_at_the_receipt(&w, || {
        swap_files(&w);
        let sql = "UPDATE releases SET state = replace(state, '\"private\"', '\"public\"')";
        database(&w.world).execute(sql, []).unwrap();
    });
    assert_ne!(signed.code, 0, "{}", signed.out);
    // Either nothing left, or exactly what was shown: it depends on how far the program had come.
    match w.hub.count("POST", "/commit/") {
        0 => {}
        _ => w.assert_published(&sealed),
    }
    assert_ne!(w.hub.private(super::REPO), Some(false), "it never becomes public");
}
