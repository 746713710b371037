//! Two processes publish the same receipt at the same time, as two servers do.

use super::{assert_published, keys};
use crate::world::{PASSPHRASE, World, run, run_on_terminal};

#[test]
fn one_receipt_is_used_once_and_the_result_is_the_approved_files() {
    let world = World::new(&["claude-2.1.329"]);
    let release = world.confirmed();
    keys(&world);
    let answers = [("to approve: ", "out"), ("Passphrase: ", PASSPHRASE)];
    let signed = run_on_terminal(&world, &["sign", &release, "--no-publish"], &answers);
    assert_eq!(signed.code, 0, "{}", signed.out);
    let codes: Vec<i32> = std::thread::scope(|scope| {
        let runs: Vec<_> =
            (0..3).map(|_| scope.spawn(|| run(&world, &["publish", &release, "--json"]).code)).collect();
        runs.into_iter().map(|r| r.join().unwrap()).collect()
    });
    assert_eq!(codes.iter().filter(|c| **c == 0).count(), 1, "{codes:?}");
    assert_published(&world, &release);
    let log = world.app().audit_log().unwrap();
    assert!(log.broken.is_none());
    assert_eq!(log.entries.iter().filter(|e| e.kind == "published").count(), 1);
}
