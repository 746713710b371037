//! Tests of redaction through a whole release: decoys in the logs of every agent, values that another session names, the
//! identities of this machine, and detectors outside the program.

use std::fs;
use std::path::Path;

use clawgate::app::App;
use clawgate::app::release::PrepareParams;
use clawgate::app::scan::ScanParams;
use clawgate::app::sessions::ScopeParams;
use clawgate::app::sessions::{InboxParams, Mark, TriageParams};

use crate::world::{World, approve_all, planted};

/// Returns the text of all sealed files of the release.
fn sealed(world: &World, release: &str) -> String {
    let dir = world.state().join("releases").join(release);
    let mut out = String::new();
    for entry in walkdir::WalkDir::new(dir) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            out.push_str(&String::from_utf8_lossy(&fs::read(entry.path()).unwrap()));
        }
    }
    out
}

/// Scans, confirms the scope, approves the wanted sessions, prepares a release, and returns its sealed text.
fn prepared(world: &World, wanted: &dyn Fn(&str) -> bool, p: PrepareParams) -> String {
    let mut app = world.app();
    app.scan(&ScanParams::default()).unwrap();
    app.set_scope(&ScopeParams { confirm: true, ..ScopeParams::default() }).unwrap();
    approve(&mut app, wanted);
    let folder = Some(world.out().display().to_string());
    let done = app.prepare(&PrepareParams { folder, ..p }).unwrap();
    assert!(done.rows > 0, "nothing was prepared");
    sealed(world, &done.release)
}

fn approve(app: &mut App, wanted: &dyn Fn(&str) -> bool) {
    let page = app.inbox(&InboxParams { limit: Some(1000), ..InboxParams::default() }).unwrap();
    let sessions = page.sessions.iter().map(|s| s.key.0.clone()).filter(|k| wanted(k)).collect();
    app.triage(&TriageParams::named(sessions, Mark::Approved)).unwrap();
}

/// Writes a custom log with one prompt for each session.
fn log(world: &World, sessions: &[(&str, &str)]) {
    let dir = world.state().join("custom");
    fs::create_dir_all(&dir).unwrap();
    let rows: Vec<String> = sessions
        .iter()
        .map(|(id, text)| {
            let messages = serde_json::json!([{ "role": "user", "content": text }, { "role": "assistant", "content": "done" }]);
            serde_json::json!({ "session_id": id, "project": "/srv/work", "messages": messages }).to_string()
        })
        .collect();
    fs::write(dir.join("mine.jsonl"), rows.join("\n") + "\n").unwrap();
}

#[test]
fn no_decoy_in_the_logs_of_any_agent_is_sealed() {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/agents");
    let mut seen = 0;
    for entry in fs::read_dir(folders).unwrap() {
        let folder = entry.unwrap().file_name().to_string_lossy().into_owned();
        let world = World::new(&[&folder]);
        let mut app = world.app();
        app.scan(&ScanParams::default()).unwrap();
        app.set_scope(&ScopeParams { confirm: true, ..ScopeParams::default() }).unwrap();
        approve_all(&mut app);
        let to = Some(world.out().display().to_string());
        let done = app.prepare(&PrepareParams { folder: to, ..PrepareParams::default() }).unwrap();
        let text = sealed(&world, &done.release);
        for (kind, class, value) in planted(&folder) {
            let escaped = serde_json::to_string(&value).unwrap();
            let there = text.contains(&value) || text.contains(escaped.trim_matches('"'));
            assert!(!there, "{folder}: a decoy of class {class} and kind {kind} is sealed");
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn a_value_that_another_session_names_is_removed_here_too() {
    let world = World::new(&[]);
    let value = ["kq7Zp2Xw9", "Rt4Lm6Nv8Bc3"].concat();
    log(
        &world,
        &[("a", &format!("BILLING_API_TOKEN={value}")), ("b", &format!("why does argv hold {value}?"))],
    );
    let text = prepared(&world, &|key| key == "custom:b", PrepareParams::default());
    assert!(text.contains("why does argv hold") && !text.contains(&value[..8]), "{text}");
}

#[test]
fn the_owner_of_the_machine_is_removed_from_a_session_that_does_not_introduce_them() {
    let world = World::new(&[]);
    fs::create_dir_all(world.home()).unwrap();
    fs::write(
        world.home().join(".gitconfig"),
        "[user]\n\tname = Sunniva Brekke\n\temail = sb@fjordteam.no\n",
    )
    .unwrap();
    log(&world, &[("a", "sunniva brekke wrote it, sbrekke tested it")]);
    let text = prepared(&world, &|_| true, PrepareParams::default());
    assert!(text.contains("wrote it") && !text.to_lowercase().contains("brekke"), "{text}");
}

#[test]
fn placeholders_can_be_realistic_but_not_those_of_secrets() {
    let world = World::new(&[]);
    let token = ["gh", "p_", "R4lm6Nv8Bc3kq7Zp2Xw9Rt4Lm6Nv8Bc3a7Zp"].concat();
    log(
        &world,
        &[("a", &format!("mail ada.lovelace@analytical.dev from 81.2.69.142 with GITHUB_TOKEN={token}"))],
    );
    let p = PrepareParams {
        pseudonyms: Some(clawgate::redact::PlaceholderStyle::Realistic),
        ..PrepareParams::default()
    };
    let text = prepared(&world, &|_| true, p);
    assert!(text.contains("@example.com from ") && text.contains("[GITHUB_TOKEN_"), "{text}");
    assert!(!text.contains("analytical") && !text.contains("81.2.69"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_configured_detector_adds_findings_and_its_failure_stops_the_release() {
    let world = World::new(&[]);
    log(&world, &[("a", "Nightjar ships on Monday")]);
    let config = world.state().join("config.toml");
    let detector = |script: &str| {
        let text = format!(
            "[[detectors]]\nname = \"names\"\ncommand = [\"sh\", \"-c\", {script:?}]\ntimeout_seconds = 5\n"
        );
        fs::write(&config, text).unwrap();
    };
    // Exactly one text begins with the word.
    detector(
        r#"while read -r l; do case "$l" in *'"text":"Nightjar'*) echo '{"spans":[{"start":0,"end":8,"type":"PROJECT"}]}';; *) echo '{"spans":[]}';; esac; done"#,
    );
    let text = prepared(&world, &|_| true, PrepareParams::default());
    assert!(text.contains(" ships on Monday") && !text.contains("Nightjar"), "{text}");
    detector("exit 1");
    let mut app = world.app();
    let folder = Some(world.out().display().to_string());
    let failure = app.prepare(&PrepareParams { folder, new: true, ..PrepareParams::default() }).unwrap_err();
    assert!(failure.message.contains("names"), "{failure}");
}
