//! The agent takes a string and an exclusion out of `config.toml`, and deletes what the archive remembers of them.

use std::fs;

use clawgate::app::release::PrepareParams;

use super::{database, keys, sign_refused};
use crate::world::{Ran, World, ok, run_on_terminal};

/// A confirmed release after the edit. `before_keys` runs before the person makes their key.
fn edited(forget: &[&str]) -> (World, String) {
    let world = World::new(&["claude-2.1.329"]);
    ok(&world, &["scan", "--json"]);
    let args = ["config", "--exclude", "calc-app", "--redact", "Tarn Mill", "--source", "claude,codex"];
    let ran = run_on_terminal(&world, &args, &[]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    fs::write(world.state().join("config.toml"), "").unwrap();
    for sql in forget {
        database(&world).execute(sql, []).unwrap();
    }
    let folder = Some(world.out().display().to_string());
    let release = world.confirmed_with(&PrepareParams { folder, ..PrepareParams::default() });
    (world, release)
}

fn screen(world: &World, release: &str) -> Ran {
    let ran = run_on_terminal(world, &["sign", release], &[("to approve: ", "no")]);
    assert!(!world.out().exists());
    ran
}

#[test]
fn the_screen_of_sign_still_says_that_something_was_protected() {
    let (world, release) =
        edited(&["DELETE FROM meta WHERE key IN ('redacted_strings', 'excluded_projects')"]);
    keys(&world);
    let ran = screen(&world, &release);
    assert!(ran.flat().contains("NO LONGER redacted: a string that was deleted"), "{}", ran.out);
    assert!(ran.flat().contains("NO LONGER excluded: calc-app"), "{}", ran.out);
}

#[test]
fn without_the_key_of_the_archive_everything_counts_as_no_longer_protected() {
    let (world, release) =
        edited(&["UPDATE meta SET value = lower(hex(randomblob(32))) WHERE key = 'local_key'"]);
    keys(&world);
    let ran = screen(&world, &release);
    let shown = ran.flat();
    assert!(shown.contains("NO LONGER redacted: ") && shown.contains("key was replaced"), "{}", ran.out);
    assert!(shown.contains("NO LONGER excluded: everything before"), "{}", ran.out);
}

#[test]
fn the_entry_of_the_audit_log_is_not_deleted_unnoticed_after_a_signature() {
    let (world, release) = edited(&[]);
    keys(&world);
    let sql = "DELETE FROM audit WHERE json_extract(entry, '$.kind') = 'protected'";
    assert!(database(&world).execute(sql, []).unwrap() >= 2);
    let refused = sign_refused(&world, &release);
    assert!(refused.flat().contains("audit log is broken"), "{}", refused.out);
}
