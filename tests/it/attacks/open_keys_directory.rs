//! The keys are in a directory that others can change, or behind a symbolic link.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use clawgate::gate::KdfParams;

use super::{assert_published, keys, sign, sign_refused};
use crate::world::{PASSPHRASE, World, run};

#[test]
fn keys_in_a_directory_that_others_can_change_are_not_used() {
    let world = World::new(&["claude-2.1.329"]);
    let release = world.confirmed();
    keys(&world);
    let dir = world.state().join("keys");
    let mode = |mode| fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
    for open in [0o777, 0o770, 0o702] {
        mode(open);
        let refused = sign_refused(&world, &release);
        assert!(refused.flat().contains("chmod 700"), "the next step is named: {}", refused.out);
        assert_ne!(run(&world, &["keys", "list"]).code, 0);
    }
    mode(0o700);
    let moved = world.tmp.path().join("moved");
    fs::rename(&dir, &moved).unwrap();
    symlink(&moved, &dir).unwrap();
    let refused = sign_refused(&world, &release);
    assert!(refused.flat().contains("symbolic link"), "{}", refused.out);
    fs::remove_file(&dir).unwrap();
    fs::rename(&moved, &dir).unwrap();
    let signed = sign(&world, &release);
    assert_eq!(signed.code, 0, "{}", signed.out);
    assert_published(&world, &release);
}

#[test]
fn no_keys_are_made_behind_a_symbolic_link() {
    let world = World::new(&[]);
    let target = world.tmp.path().join("elsewhere");
    fs::create_dir(&target).unwrap();
    fs::create_dir_all(world.state()).unwrap();
    symlink(&target, world.state().join("keys")).unwrap();
    let refused = world.app().keys_init_with(PASSPHRASE, None, KdfParams::cheap()).unwrap_err();
    assert!(refused.message.contains("symbolic link"), "{refused}");
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
}
