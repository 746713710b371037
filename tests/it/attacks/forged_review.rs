//! After the review and the confirmation, the agent puts an unreviewed text into a sealed shard and corrects every hash in
//! the database.

use std::fs;

use clawgate::workflow::{FileEntry, digest};

use super::{assert_published, keys, sign, sign_refused, store, stored};
use crate::world::{World, confirm, review_to_end};

const SECRET: &str = "ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8";

/// The place of the first piece of plain text in the shard that has this length.
fn plain_piece(shard: &str, length: usize) -> usize {
    let start = shard.find("\"content\":\"").unwrap() + 11;
    let (at, _) = shard[start..]
        .match_indices(' ')
        .find(|(i, _)| {
            let piece = &shard[start + i + 1..start + i + 1 + length];
            piece.bytes().all(|b| b.is_ascii() && !b"\"\\[".contains(&b))
        })
        .unwrap();
    start + at + 1
}

/// Replaces a piece of plain text in the shard by `text`, and all hashes that name the shard.
fn forge(world: &World, release: &str, text: &str) {
    forge_with(world, release, |old| {
        let at = plain_piece(old, text.len());
        format!("{}{text}{}", &old[..at], &old[at + text.len()..])
    });
}

/// Adds a field to the input of a tool in the row that loses a piece of plain text of the same length.
fn forge_input(world: &World, release: &str, field: &str) {
    forge_with(world, release, |old| {
        let mut new = old.to_owned();
        let at = plain_piece(old, field.len());
        new.replace_range(at..at + field.len(), "");
        let line = new[..at].rfind('\n').map_or(0, |i| i + 1);
        let input = line + new[line..].find("\"input\":{").unwrap() + 9;
        new.insert_str(input, field);
        new
    });
}

/// Changes the shard to a text of the same length, and all hashes that name it.
fn forge_with(world: &World, release: &str, change: impl Fn(&str) -> String) {
    let path = world.state().join("releases").join(release).join("data/train-00000.jsonl");
    let old = fs::read_to_string(&path).unwrap();
    let (state, extra) = stored(world, release);
    let new = change(&old);
    assert_eq!(old.len(), new.len());
    let sha = |text: &str| FileEntry::of("", text.as_bytes()).sha256;
    let (mut state, mut extra) = (state.to_string(), extra.to_string());
    let mut swap = |from: &str, to: &str| {
        state = state.replace(from, to);
        extra = extra.replace(from, to);
    };
    swap(&sha(&old), &sha(&new));
    for (a, b) in old.lines().zip(new.lines()) {
        swap(&sha(a), &sha(b));
    }
    let before: serde_json::Value = serde_json::from_str(&state).unwrap();
    let files: Vec<FileEntry> = serde_json::from_value(before["sealed"]["files"].clone()).unwrap();
    let forged = state.replace(before["sealed"]["digest"].as_str().unwrap(), &digest(&files));
    fs::write(&path, new).unwrap();
    store(world, release, &forged, &extra);
}

#[test]
fn bytes_that_were_changed_after_the_review_are_not_signed() {
    let world = World::new(&["claude-2.1.329"]);
    let release = world.confirmed();
    keys(&world);
    forge(&world, &release, SECRET);
    let refused = sign_refused(&world, &release);
    assert_eq!(refused.code, 3, "{}", refused.out);
    assert!(refused.out.contains("claude:"), "the message names the session: {}", refused.out);
    let (state, _) = stored(&world, &release);
    assert_eq!(state["phase"], "draft", "the release has to be prepared again");
    let log = world.app().audit_log().unwrap();
    assert!(log.entries.iter().any(|e| e.kind == "evidence_rejected"), "the rejection is recorded");
    assert!(!fs::read_dir(world.state().join("receipts")).is_ok_and(|mut d| d.next().is_some()));
}

#[test]
fn a_secret_in_the_input_of_a_tool_is_found_by_the_second_redaction() {
    for field in [
        format!("\"user_id\":\"{SECRET}\","),
        format!("\"{SECRET}\":1,"),
        "\"password\":\"Winterreise2024\",".into(),
    ] {
        let world = World::new(&["claude-2.1.329"]);
        let release = world.confirmed();
        keys(&world);
        forge_input(&world, &release, &field);
        let refused = sign_refused(&world, &release);
        assert_eq!(refused.code, 3, "{}", refused.out);
        assert!(refused.flat().contains("have to be redacted"), "{field}: {}", refused.out);
    }
}

#[test]
fn a_change_that_no_rule_recognizes_is_not_signed_either() {
    let world = World::new(&["claude-2.1.329"]);
    let release = world.confirmed();
    keys(&world);
    forge(&world, &release, "zzzz");
    let refused = sign_refused(&world, &release);
    assert_eq!(refused.code, 3, "{}", refused.out);
    // The way out: prepare again, read the changed parts, confirm and sign.
    let mut app = world.app();
    app.prepare(&clawgate::app::release::PrepareParams::default()).unwrap();
    review_to_end(&mut app);
    confirm(&mut app).unwrap();
    drop(app);
    let signed = sign(&world, &release);
    assert_eq!(signed.code, 0, "{}", signed.out);
    assert_published(&world, &release);
}
