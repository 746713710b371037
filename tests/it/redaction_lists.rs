//! Tests of what a person asks to be redacted, through the real binary: names in every spelling, strings that are refused,
//! entries that are taken out again, and values that only the header of their table identifies.

use std::fs;

use serde_json::{Value, json};

use crate::world::{World, ok, run, run_with};

/// Redacts texts and returns them.
fn redacted(world: &World, texts: &[&str]) -> Vec<String> {
    let lines: String = texts.iter().map(|t| json!({ "id": 0, "text": t }).to_string() + "\n").collect();
    let out = run_with(world, &["redact", "--json"], &lines).out;
    out.lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap()["text"].as_str().unwrap().to_owned())
        .collect()
}

/// Writes a session in which a name occurs in every field, prepares a release of it, and returns its sealed text.
fn sealed(world: &World, message: &Value) -> String {
    let dir = world.state().join("custom");
    fs::create_dir_all(&dir).unwrap();
    let row = json!({
        "session_id": "tarnmill-7", "project": "/srv/Tarn-Mill/app", "git_branch": "feature/tarn_mill",
        "model": "tarn-mill-large", "messages": [{ "role": "user", "content": "hello there" }, message],
    });
    fs::write(dir.join("mine.jsonl"), row.to_string() + "\n").unwrap();
    ok(world, &["scan", "--json"]);
    ok(world, &["scope", "--confirm", "--json"]);
    ok(world, &["approve", "--all", "--json"]);
    let out = world.out().display().to_string();
    let release =
        ok(world, &["prepare", "--folder", &out, "--licence", "cc-by-4.0", "--json"])["release"].clone();
    let dir = world.state().join("releases").join(release.as_str().unwrap());
    let files =
        walkdir::WalkDir::new(dir).into_iter().filter_map(Result::ok).filter(|e| e.file_type().is_file());
    files.map(|e| fs::read_to_string(e.path()).unwrap()).collect()
}

#[test]
fn a_configured_name_leaves_no_field_of_a_release_in_any_spelling() {
    let world = World::new(&[]);
    ok(&world, &["config", "--redact", "Tarn Mill", "--json"]);
    let text = sealed(
        &world,
        &json!({ "role": "assistant", "content": "ask TARN_MILL, tarn\nmill or tarn%20mill", "model": "tarn-mill-large",
            "tool_uses": [{ "tool": "mcp__tarnmill__find", "input": { "TarnMill": "x" }, "output": { "text": "tarn.mill" } }] }),
    );
    assert!(text.contains("[CUSTOM_"), "{text}");
    let squeezed: String = text.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    assert!(!squeezed.contains("tarnmill"), "{text}");
}

#[test]
fn a_table_that_a_tool_printed_is_sealed_without_its_personal_values() {
    let world = World::new(&[]);
    let table = "    1→name;Geburtsdatum;Reisepass-Nr.;GPS\n    2→Leena Ahola;09.03.1971;FP3381920;\"60.1699, 24.9384\"\n";
    let text = sealed(
        &world,
        &json!({ "role": "assistant", "content": "read",
            "tool_uses": [{ "tool": "Read", "input": {}, "output": { "text": table } }] }),
    );
    assert!(text.contains("Geburtsdatum"), "{text}");
    for gone in ["Ahola", "09.03.1971", "FP3381920", "60.1699"] {
        assert!(!text.contains(gone), "{gone} in {text}");
    }
}

#[test]
fn short_strings_are_refused_and_change_nothing() {
    let world = World::new(&[]);
    ok(&world, &["config", "--redact", " Tarn Mill , Ahti Works", "--json"]);
    let strings = || ok(&world, &["config", "--json"])["config"]["redact"]["strings"].clone();
    assert_eq!(strings(), json!(["Tarn Mill", "Ahti Works"]));
    for bad in ["", " ", "e", "ab"] {
        let ran = run(&world, &["config", "--redact", bad, "--json"]);
        assert_eq!(ran.code, 2, "{bad:?}: {}", ran.out);
        assert_eq!(strings(), json!(["Tarn Mill", "Ahti Works"]), "{bad:?}");
    }
    ok(&world, &["config", "--redact", "Mill\\, Tarn & Sons", "--json"]);
    assert_eq!(
        strings(),
        json!(["Tarn Mill", "Ahti Works", "Mill, Tarn & Sons"]),
        "a comma after a backslash is a part of the name"
    );
    ok(&world, &["config", "--remove-redact", "Mill, Tarn & Sons", "--json"]);
    // A spelling of the same name is not added again.
    ok(&world, &["config", "--redact", "tarn-mill", "--json"]);
    assert_eq!(strings(), json!(["Tarn Mill", "Ahti Works"]));
    world.configure("[redact]\nstrings = [\"x\"]\n");
    let ran = run(&world, &["config"]);
    assert!(ran.code == 0 && ran.err.contains("redact.strings"), "{}", ran.err);
}

#[test]
fn entries_are_listed_with_their_hits_and_taken_out_again() {
    let world = World::new(&[]);
    sealed(&world, &json!({ "role": "assistant", "content": "Tarn Mill and tarn-mill say hello" }));
    let added = ok(
        &world,
        &["config", "--redact", "Tarn Mill", "--redact", "hello", "--redact-usernames", "nobody9", "--json"],
    );
    let hits = |value: &str| {
        added["hits"].as_array().unwrap().iter().find(|h| h["value"] == value).cloned().unwrap()
    };
    assert!(hits("Tarn Mill")["hits"].as_u64().unwrap() >= 2, "{added}");
    assert_eq!(hits("nobody9")["hits"], 0);
    ok(&world, &["config", "--redact", "server", "--json"]);
    let shown = run(&world, &["config"]).out;
    assert!(shown.contains("Tarn Mill (") && shown.contains("\"server\" is a common word"), "{shown}");
    let left = ok(
        &world,
        &[
            "config",
            "--remove-redact",
            "tarn mill",
            "--remove-redact",
            "server",
            "--remove-redact-usernames",
            "nobody9",
            "--json",
        ],
    );
    assert_eq!(left["config"]["redact"], json!({ "strings": ["hello"], "usernames": [] }));
    assert_eq!(run(&world, &["config", "--remove-redact", "Tarn Mill"]).code, 2);
}

#[test]
fn a_name_inside_a_longer_value_leaves_its_kind() {
    let world = World::new(&[]);
    ok(&world, &["config", "--redact", "Tarnmill", "--json"]);
    let part = |v: &Value| data_encoding::BASE64URL_NOPAD.encode(v.to_string().as_bytes());
    let head = part(&json!({ "alg": "HS256", "typ": "JWT" }));
    let token = [
        head.as_str(),
        &part(&json!({ "org": "tarnmill", "n": 7 })),
        "Xc7jelBHRKbJK2jMpdVyavLclSEaMJZ2KxQuxwDhh0a",
    ]
    .join(".");
    let texts = redacted(
        &world,
        &["mail leena@tarnmill.fi now", "mail otso@tarnmill.fi now", &format!("use {token} now"), "Tarnmill"],
    );
    for (text, start) in texts.iter().zip(["mail [EMAIL_", "mail [EMAIL_", "use [JWT_", "[CUSTOM_"]) {
        assert!(text.starts_with(start) && !text.contains("tarn"), "{text}");
    }
    assert_ne!(texts[0], texts[1]);
}

#[test]
fn a_short_string_of_an_earlier_version_stops_no_command() {
    let world = World::new(&["claude-2.1.329"]);
    world.configure("[redact]\nstrings = [\"Qx\"]\n");
    for command in [&["scan"][..], &["status"], &["cost"], &["scope", "--confirm"], &["config"]] {
        let ran = run(&world, command);
        assert_eq!(ran.code, 0, "{command:?}: {}", ran.err);
        assert!(ran.err.contains("redact.strings: an entry of 2 characters"), "{command:?}: {}", ran.err);
    }
    let done = redacted(&world, &["ask Qx, not qx or Qxy"]);
    assert!(done[0].starts_with("ask [CUSTOM_") && done[0].ends_with("], not qx or Qxy"), "{done:?}");
    assert_ne!(run(&world, &["config", "--redact", "Zy"]).code, 0, "new ones are refused");
    ok(&world, &["config", "--remove-redact", "Qx", "--json"]);
    assert_eq!(run(&world, &["status"]).err, "");
}

#[test]
fn the_values_of_one_column_are_redacted_in_every_layout() {
    let world = World::new(&[]);
    let texts = [
        "full_name,2024,password\nLeena Ahola,3,lantern\n\n# more\nOssi Vainio,4,meadow\n",
        r#"{"columns":["full_name","password"],"index":[0,1],"data":[["Leena Ahola","lantern"],["Ossi Vainio","meadow"]]}"#,
        "<table><tr><th>Full name</th><th>Password</th></tr><tr><td>Leena Ahola</td><td>lantern</td></tr><tr><td>Ossi Vainio</td><td>meadow</td></tr></table>",
        r#"{"content":"full_name,password\nLeena Ahola,lantern\nOssi Vainio,meadow\n"}"#,
    ];
    for (text, done) in texts.iter().zip(redacted(&world, &texts)) {
        for value in ["Ahola", "Vainio", "lantern", "meadow"] {
            assert!(!done.contains(value), "{value} of {text}: {done}");
        }
    }
}
