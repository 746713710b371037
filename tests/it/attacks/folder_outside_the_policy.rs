//! The policy allows one folder. The agent prepares a release for a path that leaves it through `..` or a link, or puts a
//! link into the path after the signature.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use clawgate::app::release::PrepareParams;

use super::keys;
use crate::world::{PASSPHRASE, World, run, run_on_terminal};

/// A world in which only folders below `allowed` may receive a release.
fn world() -> (World, PathBuf) {
    let world = World::new(&["claude-2.1.329"]);
    let root = fs::canonicalize(world.tmp.path()).unwrap();
    fs::create_dir_all(root.join("allowed")).unwrap();
    fs::create_dir_all(world.state()).unwrap();
    let policy = world.state().join("policy.toml");
    fs::write(&policy, format!("destinations = [\"folder:{}/allowed/*\"]\n", root.display())).unwrap();
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o600)).unwrap();
    (world, root)
}

fn confirmed(world: &World, folder: &Path) -> String {
    let folder = Some(folder.display().to_string());
    let release = world.confirmed_with(&PrepareParams { folder, ..PrepareParams::default() });
    keys(world);
    release
}

#[test]
fn a_path_with_dots_or_a_link_is_judged_by_where_it_leads() {
    for through in ["../secret", "link/out"] {
        let (world, root) = world();
        fs::create_dir_all(root.join("elsewhere")).unwrap();
        symlink(root.join("elsewhere"), root.join("allowed/link")).unwrap();
        let release = confirmed(&world, &root.join("allowed").join(through));
        let refused = run_on_terminal(&world, &["sign", &release], &[]);
        assert_eq!(refused.code, 3, "{}", refused.out);
        assert!(refused.flat().contains("not in the list of allowed ones"), "{}", refused.out);
        assert!(
            !root.join("secret").exists() && fs::read_dir(root.join("elsewhere")).unwrap().next().is_none()
        );
    }
}

#[test]
fn a_link_that_was_put_into_the_path_after_the_signature_is_not_followed() {
    let (world, root) = world();
    let release = confirmed(&world, &root.join("allowed/new/out"));
    let sign = ["sign", &release, "--no-publish"];
    let answers = [("to approve: ", "out"), ("Passphrase: ", PASSPHRASE)];
    let signed = run_on_terminal(&world, &sign, &answers);
    assert_eq!(signed.code, 0, "{}", signed.out);
    fs::create_dir_all(root.join("elsewhere")).unwrap();
    symlink(root.join("elsewhere"), root.join("allowed/new")).unwrap();
    let refused = run(&world, &["publish", &release]);
    assert_ne!(refused.code, 0, "{}", refused.out);
    assert!(fs::read_dir(root.join("elsewhere")).unwrap().next().is_none());
}
