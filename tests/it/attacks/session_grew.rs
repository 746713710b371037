//! The agent adds to a session, or edits the configuration, after the person has confirmed the release.

use std::fs;

use super::{keys, sign_refused, stored};
use crate::world::{World, ok, run};

#[test]
fn a_session_that_grew_after_the_confirmation_is_not_signed() {
    let world = World::new(&["claude-2.1.329"]);
    let release = world.confirmed();
    keys(&world);
    let dir = world.home().join(".claude/projects/-home-mquintanilla-work-calc-app");
    let path = dir.join("9fbbf3da-02fc-44aa-b631-03585391e9fa.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let line = text.lines().find(|l| l.contains("\"type\":\"user\"")).unwrap();
    fs::write(&path, format!("{text}{}\n", line.replace("\"uuid\":\"", "\"uuid\":\"x"))).unwrap();
    ok(&world, &["scan", "--json"]);
    assert_eq!(sign_refused(&world, &release).code, 3);
    assert_eq!(stored(&world, &release).0["phase"], "draft");
}

#[test]
fn a_configuration_that_was_edited_after_the_confirmation_is_not_signed() {
    let edits = [
        "[redact]\nstrings = [\"calculator\"]\n",
        "[export]\nthinking = false\n",
        "[export]\ntimestamps = \"exact\"\n",
        "not a configuration",
    ];
    for edit in edits {
        let world = World::new(&["claude-2.1.329"]);
        let release = world.confirmed();
        keys(&world);
        let path = world.state().join("config.toml");
        let old = fs::read_to_string(&path).unwrap_or_default();
        let new = if edit.starts_with("not") { edit.to_owned() } else { format!("{edit}\n{old}") };
        fs::write(&path, new).unwrap();
        sign_refused(&world, &release);
        assert_ne!(run(&world, &["publish", &release]).code, 0, "{edit}");
        assert!(!world.out().exists(), "{edit}");
    }
}
