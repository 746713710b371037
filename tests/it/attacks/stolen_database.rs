//! The agent copies the archive, with a confirmed or signed release, to another machine.

use super::keys;
use crate::world::{PASSPHRASE, World, copy_tree, run, run_on_terminal};

#[test]
fn a_copy_of_the_archive_without_the_keys_signs_and_publishes_nothing() {
    let world = World::new(&["claude-2.1.329"]);
    let release = world.confirmed();
    keys(&world);
    let answers = [("to approve: ", "out"), ("Passphrase: ", PASSPHRASE)];
    let signed = run_on_terminal(&world, &["sign", &release, "--no-publish"], &answers);
    assert_eq!(signed.code, 0, "{}", signed.out);
    let thief = World::new(&[]);
    copy_tree(&world.state(), &thief.state());
    std::fs::remove_dir_all(thief.state().join("keys")).unwrap();
    for args in [["publish", release.as_str()], ["sign", &release]] {
        let ran = run(&thief, &args);
        assert_ne!(ran.code, 0, "{args:?}: {}", ran.out);
    }
    let ran = run_on_terminal(&thief, &["sign", &release], &[]);
    assert_ne!(ran.code, 0, "{}", ran.out);
    assert!(!world.out().exists());
}
