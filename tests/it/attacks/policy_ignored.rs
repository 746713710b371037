//! The agent chooses a destination that the policy does not allow, or damages the policy.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::HubWorld;

fn write(path: &Path, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_release_against_the_policy_or_with_a_damaged_policy_is_not_signed() {
    let w = HubWorld::confirmed();
    let path = w.world.state().join("policy.toml");
    for (text, mode) in [
        ("destinations = [\"folder:/srv/*\"]\n", 0o600),
        ("visibilities = [\"public\"]\n", 0o600),
        ("[[rule]]\nmax_rows = 0\n", 0o600),
        ("[[rule]]\nlicences = [\"cc0-1.0\"]\n", 0o600),
        ("[[rule]]\nmatch = \"hf:*\"\nlevel = \"A5\"\n", 0o600),
        ("unknown = true\n", 0o600),
        ("[[rule]]\nmax_rows = 100000\n", 0o666),
    ] {
        write(&path, text, mode);
        let ran = w.person(&["sign", &w.release], &[]);
        assert_ne!(ran.code, 0, "{text}: {}", ran.out);
        assert!(ran.flat().contains("policy"), "{text}: {}", ran.out);
        w.assert_nothing_left();
    }
    write(
        &path,
        "destinations = [\"hf:alice/*\"]\n[[rule]]\nmax_rows = 100000\nlicences = [\"cc-by-4.0\"]\n",
        0o600,
    );
    let sealed = w.sealed();
    let ran = w.sign();
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.flat().contains("at most 100,000 rows"), "{}", ran.out);
    w.assert_published(&sealed);
}

#[test]
fn the_policy_of_the_administrator_replaces_that_of_the_user() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let w = HubWorld::confirmed();
    write(&w.world.state().join("policy.toml"), "", 0o600);
    let system = w.world.tmp.path().join("etc");
    write(&system.join("policy.toml"), "visibilities = [\"public\"]\n", 0o644);
    let dir = system.display().to_string();
    let variables = [("CLAWGATE_TEST_SYSTEM_DIR", dir.as_str())];
    let ran = crate::world::run_steps_on_terminal(&w.world, &["sign", &w.release], &variables, vec![]);
    assert_eq!(ran.code, 3, "{}", ran.out);
    assert!(ran.flat().contains("private destinations are not allowed"), "{}", ran.out);
    w.assert_nothing_left();
}
