//! The agent spells the destination in another case than the policy, or the policy has a pattern that can match nothing, or a
//! broken link is in the place of its directory.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::HubWorld;

fn write_policy(w: &HubWorld, text: &str) {
    let path = w.world.state().join("policy.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_rule_for_a_repository_applies_in_any_case() {
    let w = HubWorld::confirmed();
    write_policy(&w, "destinations = [\"hf:Alice/*\"]\n[[rule]]\nmatch = \"hf:ALICE/*\"\nmax_rows = 0\n");
    let refused = w.person(&["sign", &w.release], &[]);
    assert_eq!(refused.code, 3, "{}", refused.out);
    assert!(refused.flat().contains("at most 0 are allowed"), "{}", refused.out);
    assert!(!refused.flat().contains("list of allowed ones"), "{}", refused.out);
    w.assert_nothing_left();
}

#[test]
fn a_pattern_that_can_match_nothing_forbids_everything() {
    let w = HubWorld::confirmed();
    let patterns = [
        "HF:alice/*",
        "alice/*",
        "hf:alice/",
        "folder:~/out",
        "folder:/srv/out/",
        "FOLDER:*",
        "hf: alice/*",
        "hf:https://huggingface.co/alice/*",
        "hf:datasets/alice/*",
        "hf:alice/attac?",
        "hf:alice/{attack,x}",
        "hf:alice/attack ",
        "folder:/tmp/o?t",
        "folder:/srv//out",
        "folder:/srv/.",
    ];
    for pattern in patterns {
        write_policy(&w, &format!("[[rule]]\nmatch = \"{pattern}\"\nmax_rows = 0\n"));
        let refused = w.person(&["sign", &w.release], &[]);
        assert_ne!(refused.code, 0, "{pattern}: {}", refused.out);
        assert!(refused.flat().contains("no destination can match"), "{pattern}: {}", refused.out);
        w.assert_nothing_left();
    }
}

#[test]
fn a_broken_link_in_the_place_of_the_administrators_directory_forbids_everything() {
    let w = HubWorld::confirmed();
    let system = w.world.tmp.path().join("etc");
    symlink("/nonexistent/clawgate", &system).unwrap();
    let dir = system.display().to_string();
    let variables = [("CLAWGATE_TEST_SYSTEM_DIR", dir.as_str())];
    let ran = crate::world::run_steps_on_terminal(&w.world, &["sign", &w.release], &variables, vec![]);
    assert_ne!(ran.code, 0, "{}", ran.out);
    assert!(ran.flat().contains("policy"), "{}", ran.out);
    w.assert_nothing_left();
}
