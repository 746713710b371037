//! A release through the use cases, from scan to publish, on logs of the real agents and without a network.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clawgate::app::audit::AuditLog;
use clawgate::app::release::{
    ConfirmParams, DecisionIn, FindingIn, PrepareParams, PublishParams, ReviewParams,
};
use clawgate::app::scan::ScanParams;
use clawgate::app::sessions::ScopeParams;
use clawgate::app::sessions::{InboxParams, Mark, SearchParams, ShowParams, TriageParams};
use clawgate::app::{Actor, App, Context, Failure, Kind};
use clawgate::gate::KdfParams;
use clawgate::redact::Timestamps;
use clawgate::store::Archive;
use clawgate::trace::{Env, FixedClock};
use clawgate::workflow::{EntityDecision, Phase, Visibility};
use serde_json::json;

use crate::hub_double::{HubDouble, write_token};
use crate::world::{NOW, PASSPHRASE, World, approve_all, confirm, ok, planted, review_to_end, run};

fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut out = BTreeMap::new();
    for entry in walkdir::WalkDir::new(dir) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            out.insert(entry.path().strip_prefix(dir).unwrap().to_owned(), fs::read(entry.path()).unwrap());
        }
    }
    out
}

#[test]
fn a_release_publishes_exactly_the_sealed_bytes_and_no_planted_value() {
    let agents = ["claude-2.1.329", "codex-0.169.0"];
    let world = World::new(&agents);
    let before = tree(&world.home());
    let id = world.confirmed();
    assert_eq!(tree(&world.home()), before, "the agents' files were touched");
    let mut app = world.app();
    assert!(!world.out().exists(), "something was published before the receipt");
    let early = app.publish(&PublishParams::default()).unwrap_err();
    assert_eq!((early.kind, early.code.as_str()), (Kind::HumanNeeded, "human_needed"));
    assert!(early.message.contains(&format!("clawgate sign {id}")), "{early}");

    app.keys_init_with(PASSPHRASE, None, KdfParams::cheap()).unwrap();
    let shown = app.sign_preview(None).unwrap();
    let signed = app.sign(&shown, PASSPHRASE).unwrap().report;
    assert_eq!(signed.digest, shown.digest());
    let mut sealed = tree(&world.state().join("releases").join(&id));
    sealed.remove(Path::new("provenance.json"));
    let done = app.publish(&PublishParams { release: Some(id.clone()) }).unwrap();
    assert_eq!(done.digest, shown.digest());
    let mut published = tree(&world.out());
    assert!(
        published.remove(Path::new("provenance.json")).is_some(),
        "the signed statement goes with the files"
    );
    assert_eq!(published, sealed);
    for agent in agents {
        for (kind, class, value) in planted(agent) {
            let escaped = serde_json::to_string(&value).unwrap();
            for (path, bytes) in &published {
                let text = String::from_utf8_lossy(bytes);
                let there = text.contains(&value) || text.contains(escaped.trim_matches('"'));
                assert!(!there, "{agent}: a planted {class} of kind {kind} is in {}", path.display());
            }
        }
    }
    assert_eq!(
        app.workflow_status().unwrap().state.as_str(),
        "triage",
        "a published release is no longer the current one"
    );
    let again = app.publish(&PublishParams { release: Some(id) }).unwrap_err();
    assert_eq!(again.kind, Kind::Refused, "{again}");
    let AuditLog { entries, broken, .. } = app.audit_log().unwrap();
    assert!(broken.is_none() && entries.len() > 10);
}

#[test]
fn the_hub_receives_nothing_before_the_receipt_and_the_sealed_bytes_once_after_it() {
    let agents = ["claude-2.1.329", "codex-0.169.0"];
    let world = World::new(&agents);
    let hub = HubDouble::start();
    let open = || {
        let mut env = Env::bare(world.home(), world.state());
        env.vars.insert("HF_ENDPOINT".into(), hub.endpoint.clone());
        let clock = Arc::new(FixedClock(NOW));
        App::open(Context::new(env, clock, Actor::Person)).unwrap()
    };
    let mut app = open();
    app.scan(&ScanParams::default()).unwrap();
    app.set_scope(&ScopeParams { confirm: true, ..ScopeParams::default() }).unwrap();
    approve_all(&mut app);
    let repo = Some("alice/traces".to_owned());
    let prepared = app.prepare(&PrepareParams { repo, ..PrepareParams::default() }).unwrap();
    review_to_end(&mut app);
    confirm(&mut app).unwrap();
    let access = app.hub_access(&write_token(), None).unwrap();
    app.keys_init_with(PASSPHRASE, Some(&access), KdfParams::cheap()).unwrap();
    let early = app.publish(&PublishParams::default()).unwrap_err();
    assert_eq!(early.kind, Kind::HumanNeeded);
    let shown = app.sign_preview(None).unwrap();
    app.sign(&shown, PASSPHRASE).unwrap();
    let sealed_token = app.publish(&PublishParams::default()).unwrap_err();
    assert_eq!(sealed_token.kind, Kind::HumanNeeded, "without the passphrase there is no token");
    assert!(hub.seen().is_empty(), "the Hub heard of it before the upload: {:?}", hub.seen());

    let shown = app.publish_preview(None).unwrap();
    let done = app.publish_shown(&shown, PASSPHRASE).unwrap();
    let sealed = tree(&world.state().join("releases").join(&prepared.release));
    let received = hub.files("alice/traces");
    for (path, bytes) in &sealed {
        assert_eq!(received.get(path.to_str().unwrap()), Some(bytes), "{}", path.display());
    }
    assert_eq!(hub.count("POST", "/commit/"), 1);
    assert!(done.url.contains("alice/traces"));
    for agent in agents {
        for (kind, class, value) in planted(agent) {
            let escaped = serde_json::to_string(&value).unwrap();
            for bytes in received.values() {
                let text = String::from_utf8_lossy(bytes);
                let there = text.contains(&value) || text.contains(escaped.trim_matches('"'));
                assert!(!there, "{agent}: the Hub received the planted {class} of kind {kind}");
            }
        }
    }
}

#[test]
fn a_step_out_of_order_names_the_due_step() {
    let world = World::new(&["claude-2.1.329"]);
    let mut app = world.app_as(Actor::Agent, 0);
    let due = |f: Failure| f.refusal.map(|r| r.next_tool).unwrap_or(f.code);
    let scope = ScopeParams { confirm: true, ..ScopeParams::default() };
    let sessions = vec!["claude:edd9c3e6-8594-4c51-a29b-6cee4701ca6d".to_owned()];
    let approve = TriageParams::named(sessions, Mark::Approved);
    assert_eq!(due(app.set_scope(&scope).unwrap_err()), "scan");
    assert_eq!(due(app.triage(&approve).unwrap_err()), "scan");
    assert_eq!(due(app.prepare(&PrepareParams::default()).unwrap_err()), "scan");
    app.scan(&ScanParams::default()).unwrap();
    assert_eq!(due(app.prepare(&PrepareParams::default()).unwrap_err()), "set_scope");
    app.set_scope(&scope).unwrap();
    for early in [
        app.prepare(&PrepareParams::default()).unwrap_err(),
        app.review(&ReviewParams::default()).unwrap_err(),
        confirm(&mut app).unwrap_err(),
        app.publish(&PublishParams::default()).unwrap_err(),
    ] {
        assert_eq!(due(early), "triage");
    }
    app.triage(&approve).unwrap();
    for early in [app.review(&ReviewParams::default()).unwrap_err(), confirm(&mut app).unwrap_err()] {
        assert_eq!(due(early), "prepare_release");
    }
    let folder = Some(world.out().display().to_string());
    app.prepare(&PrepareParams { folder, ..PrepareParams::default() }).unwrap();
    assert_eq!(due(confirm(&mut app).unwrap_err()), "review_pii");
    assert_eq!(due(app.publish(&PublishParams::default()).unwrap_err()), "review_pii");
    review_to_end(&mut app);
    assert_eq!(due(app.publish(&PublishParams::default()).unwrap_err()), "confirm");
    confirm(&mut app).unwrap();
    let sign = app.publish(&PublishParams::default()).unwrap_err();
    assert_eq!((sign.kind, sign.exit_code()), (Kind::HumanNeeded, 4));
    assert!(!world.out().exists());
}

#[test]
fn arguments_that_are_never_valid_are_refused_before_the_steps_that_are_due() {
    let world = World::new(&["claude-2.1.329"]);
    for step in ["", "scan", "scope --confirm"] {
        if !step.is_empty() {
            ok(&world, &[&step.split(' ').collect::<Vec<_>>()[..], &["--json"]].concat());
        }
        for (args, code) in [
            (["--folder", ""], "bad_folder"),
            (["--licence", "nope"], "bad_licence"),
            (["--repo", "no owner"], "bad_repo"),
        ] {
            let ran = run(&world, &[&["prepare", "--json"], &args[..]].concat());
            let error = ran.json()["error"].clone();
            assert_eq!(error["code"], json!(code), "{step:?}: {args:?}: {error}");
        }
    }
}

#[test]
fn a_change_after_the_signature_is_refused() {
    let agents = ["claude-2.1.329"];
    type Change = fn(&World, &mut App, &str);
    let changes: [(&str, Change); 6] = [
        ("a byte of a sealed file", |w, _, id| {
            let path = w.state().join("releases").join(id).join("README.md");
            let mut bytes = fs::read(&path).unwrap();
            bytes[0] ^= 1;
            fs::write(path, bytes).unwrap();
        }),
        ("a session", |w, app, _| {
            let dir = w.home().join(".claude/projects/-home-mquintanilla-work-calc-app");
            let path = dir.join("9fbbf3da-02fc-44aa-b631-03585391e9fa.jsonl");
            let text = fs::read_to_string(&path).unwrap();
            let line = text.lines().find(|l| l.contains("\"type\":\"user\"")).unwrap();
            let more = line.replace("\"uuid\":\"", "\"uuid\":\"x");
            fs::write(&path, format!("{text}{more}\n")).unwrap();
            assert_eq!(app.scan(&ScanParams::default()).unwrap().sessions.updated, 1);
        }),
        ("an entry of the always-redact list", |_, app, _| {
            let redact = vec!["calc".to_owned()];
            app.set_scope(&ScopeParams { redact, ..ScopeParams::default() }).unwrap();
        }),
        ("the destination", |w, app, _| {
            let folder = Some(w.tmp.path().join("elsewhere").display().to_string());
            app.prepare(&PrepareParams { folder, ..PrepareParams::default() }).unwrap();
        }),
        ("the visibility", |_, app, _| {
            let p = PrepareParams {
                visibility: Some(Visibility::Public),
                licence: Some("cc-by-4.0".into()),
                ..PrepareParams::default()
            };
            app.prepare(&p).unwrap();
        }),
        ("the scope", |_, app, _| {
            let exclude = vec!["ledger-api".to_owned()];
            app.set_scope(&ScopeParams { exclude, ..ScopeParams::default() }).unwrap();
        }),
    ];
    for (what, change) in changes {
        let world = World::new(&agents);
        let id = world.confirmed();
        let mut app = world.app();
        app.keys_init_with(PASSPHRASE, None, KdfParams::cheap()).unwrap();
        let shown = app.sign_preview(None).unwrap();
        app.sign(&shown, PASSPHRASE).unwrap();
        change(&world, &mut app, &id);
        let refused = app.publish(&PublishParams { release: Some(id) });
        let refused = refused.expect_err(what);
        assert!(matches!(refused.kind, Kind::Refused | Kind::HumanNeeded), "{what}: {refused}");
        assert!(!refused.hints.is_empty(), "{what}");
        assert!(!world.out().exists(), "{what}: something was published");
    }
}

#[test]
fn an_expired_receipt_or_a_wrong_passphrase_publishes_nothing() {
    let world = World::new(&["claude-2.1.329"]);
    let id = world.confirmed();
    let mut app = world.app();
    app.keys_init_with(PASSPHRASE, None, KdfParams::cheap()).unwrap();
    let shown = app.sign_preview(None).unwrap();
    let wrong = app.sign(&shown, "not the right words").unwrap_err();
    assert_eq!(wrong.code, "wrong_passphrase");
    app.sign(&shown, PASSPHRASE).unwrap();
    let mut later = world.app_as(Actor::Person, 16);
    let refused = later.publish(&PublishParams { release: Some(id) }).unwrap_err();
    assert!(matches!(refused.kind, Kind::Refused | Kind::HumanNeeded), "{refused}");
    assert!(!world.out().exists());
}

#[test]
fn a_finding_is_redacted_in_every_row_and_unchanged_rows_stay_reviewed() {
    let world = World::new(&["claude-2.1.329"]);
    let mut app = world.app_as(Actor::Agent, 0);
    app.scan(&ScanParams::default()).unwrap();
    app.set_scope(&ScopeParams { confirm: true, ..ScopeParams::default() }).unwrap();
    approve_all(&mut app);
    let folder = Some(world.out().display().to_string());
    let prepared = app.prepare(&PrepareParams { folder, ..PrepareParams::default() }).unwrap();
    let all = DecisionIn { id: "all".into(), ..DecisionIn::default() };
    let first = app.review(&ReviewParams { decisions: vec![all], ..ReviewParams::default() }).unwrap();
    let page = first.page.unwrap();
    let word = ["deploy", "calc", "multiply"].into_iter().find(|w| page.text.contains(w)).unwrap();
    let bogus =
        FindingIn { quote: "words that stand nowhere".into(), kind: "PERSON".into(), ..FindingIn::default() };
    let good = FindingIn { quote: word.into(), kind: "PROJECT".into(), ..FindingIn::default() };
    let answer = ReviewParams {
        nonce: Some(page.nonce.clone()),
        findings: vec![bogus, good],
        ..ReviewParams::default()
    };
    let report = app.review(&answer).unwrap();
    assert_eq!((report.accepted, report.refused.len()), (1, 1));
    assert!(report.resealed.is_some_and(|n| n > 0 && n < prepared.rows), "{:?}", report.resealed);
    let sealed = tree(&world.state().join("releases").join(&prepared.release));
    let whole_word = |t: &str| t.split(|c: char| !c.is_alphanumeric()).any(|w| w == word);
    for (path, bytes) in &sealed {
        if path.starts_with("data") {
            assert!(!whole_word(&String::from_utf8_lossy(bytes)), "{}", path.display());
        }
    }
    let unknown = ReviewParams { nonce: Some("nope".into()), ..ReviewParams::default() };
    assert_eq!(app.review(&unknown).unwrap_err().code, "unknown_nonce");
    let keep = DecisionIn {
        id: "all".into(),
        decision: EntityDecision::Keep,
        reason: Some("mine".into()),
        ..DecisionIn::default()
    };
    let keep = app.review(&ReviewParams { decisions: vec![keep], ..ReviewParams::default() }).unwrap_err();
    assert_eq!(keep.kind, Kind::HumanNeeded, "an agent may not keep anything in clear");
}

#[test]
fn a_name_in_the_sealed_bytes_blocks_the_confirmation() {
    let world = World::new(&["claude-2.1.329"]);
    world.confirmed();
    let mut app = world.app();
    app.prepare(&PrepareParams { timestamps: Some(Timestamps::Exact), ..PrepareParams::default() }).unwrap();
    review_to_end(&mut app);
    let words = "I asked the person and this is what they said.".to_owned();
    let mut p = ConfirmParams {
        full_name: Some("Calc App".into()),
        attest_full_name: words.clone(),
        attest_sensitive: words.clone(),
        attest_manual_scan: words,
        ..ConfirmParams::default()
    };
    let found = app.confirm(&p).unwrap_err();
    assert_eq!((found.kind, found.code.as_str()), (Kind::Refused, "name_found"));
    assert!(found.message.contains("claude:"), "the session: {found}");
    let status = app.workflow_status().unwrap();
    assert!(status.next.command.starts_with("clawgate prepare "), "{:?}", status.next);
    assert!(status.human_action.unwrap().contains("full name"));
    // Neither another name nor a declined search replaces the hit.
    p.full_name = Some("Marisol Quintanilla".into());
    assert_eq!(app.confirm(&p).unwrap_err().code, "name_found");
    p.full_name = None;
    p.skip_full_name_scan = true;
    assert_eq!(app.confirm(&p).unwrap_err().code, "name_found");
    p.skip_full_name_scan = false;
    p.waive_name_hits = true;
    let mut agent = world.app_as(Actor::Agent, 0);
    assert_eq!(agent.confirm(&p).unwrap_err().kind, Kind::HumanNeeded, "an agent cannot waive a hit");
    app.confirm(&p).unwrap();
    p.waive_name_hits = false;
    p.full_name = Some("Marisol Quintanilla".into());
    app.confirm(&p).unwrap();
    p.attest_manual_scan = "ok".into();
    assert_eq!(app.confirm(&p).unwrap_err().code, "attestation_too_short");
}

#[test]
fn the_archive_keeps_deleted_logs_and_does_not_read_unchanged_ones() {
    let world = World::new(&["claude-2.1.329", "codex-0.169.0"]);
    let mut app = world.app();
    let first = app.scan(&ScanParams::default()).unwrap();
    assert_eq!((first.sessions.new, first.sessions.total), (24, 24));
    assert!(first.skipped.is_empty(), "{:?}", first.skipped);
    let second = app.scan(&ScanParams::default()).unwrap();
    assert_eq!((second.bytes, second.files.read, second.sessions.unchanged), (0, 0, 24));
    fs::remove_dir_all(world.home().join(".claude")).unwrap();
    let third = app.scan(&ScanParams::default()).unwrap();
    assert_eq!((third.sessions.total, third.files.gone), (24, 13));
    let p = ShowParams { session: "claude:edd9c3e6".into(), ..ShowParams::default() };
    assert!(app.show(&p).unwrap().message_count > 5);
    let gone = app.inbox(&InboxParams { limit: Some(100), ..InboxParams::default() }).unwrap();
    assert_eq!(gone.sessions.iter().filter(|s| s.source_gone).count(), 13);
}

#[test]
fn search_finds_words_and_shows_no_secret() {
    let world = World::new(&["claude-2.1.329"]);
    let mut app = world.app();
    app.scan(&ScanParams::default()).unwrap();
    let find = |query: &str| {
        let p = SearchParams { query: query.into(), limit: Some(50), ..SearchParams::default() };
        app.search(&p).unwrap().hits
    };
    assert!(find("failing test").iter().any(|h| h.snippet.contains("failing test")));
    assert!(!find("multi*").is_empty());
    assert!(find("zzzznowhere").is_empty());
    let hits = find("AWS_ACCESS_KEY_ID");
    assert!(!hits.is_empty());
    for (kind, _, value) in planted("claude-2.1.329") {
        for hit in &hits {
            assert!(!hit.snippet.contains(&value), "a snippet shows the planted {kind}");
        }
    }
    let raw =
        app.show(&ShowParams { session: hits[0].key.0.clone(), raw: true, ..ShowParams::default() }).unwrap();
    let shown = app.show(&ShowParams { session: hits[0].key.0.clone(), ..ShowParams::default() }).unwrap();
    let text = |p| serde_json::to_string(p).unwrap();
    let (raw, shown) = (text(&raw), text(&shown));
    for (kind, class, value) in planted("claude-2.1.329") {
        let escaped = serde_json::to_string(&value).unwrap();
        let value = escaped.trim_matches('"');
        if raw.contains(value) {
            assert!(!shown.contains(value), "`show` shows the planted {kind} ({class})");
        }
    }
}

#[test]
fn reading_a_release_changes_nothing_and_adds_no_audit_entry() {
    let world = World::new(&["claude-2.1.329"]);
    let id = world.confirmed();
    let mut app = world.app();
    app.keys_init_with(PASSPHRASE, None, KdfParams::cheap()).unwrap();
    let shown = app.sign_preview(None).unwrap();
    app.sign(&shown, PASSPHRASE).unwrap();
    let config = world.tmp.path().join("state/config.toml");
    let before = app.audit_log().unwrap().entries.len();
    // After the receipt expired and the configuration changed, the next command that acts has something to record.
    fs::write(&config, "[redact]\nstrings = [\"calc\"]\n").unwrap();
    for actor in [Actor::Person, Actor::Agent] {
        let app = world.app_as(actor, 60);
        for _ in 0..2 {
            assert_eq!(app.workflow_status().unwrap().state.as_str(), "draft");
            assert_eq!(app.status().unwrap().releases[0].state, Phase::Draft);
            // The sealed files no longer follow the policy, so there is nothing valid to preview.
            assert_eq!(app.preview(None).unwrap_err().code, "not_prepared");
            app.privacy_sheet(Some(&id), None).unwrap();
            app.inventory(None, true).unwrap();
            assert_eq!(app.preview(Some("no-such-release")).unwrap_err().code, "no_such_release");
        }
        assert_eq!(app.audit_log().unwrap().entries.len(), before, "a read was recorded");
    }
    let mut later = world.app_as(Actor::Person, 60);
    assert!(later.publish(&PublishParams::default()).is_err());
    assert_eq!(later.workflow_status().unwrap().state.as_str(), "draft");
    assert!(later.audit_log().unwrap().entries.len() > before);
}

#[test]
fn a_read_shows_the_state_that_the_next_command_finds() {
    type Change = fn(&World);
    let day = 24 * 60;
    let changes: [(&str, i64, Change); 5] = [
        ("the receipt expired", 30 * day, |_| {}),
        ("a string to redact was added to config.toml", 1, |w| {
            fs::write(w.state().join("config.toml"), "[redact]\nstrings = [\"calc\"]\n").unwrap();
        }),
        ("the scope was changed in config.toml", 1, |w| {
            fs::write(w.state().join("config.toml"), "[scope]\nagents = [\"codex\"]\n").unwrap();
        }),
        ("every session was blocked", 1, |w| {
            let archive = Archive::open(&w.state().join("clawgate.db")).unwrap();
            for (key, _) in archive.approved().unwrap() {
                archive.mark(key.as_str(), Mark::Blocked, None).unwrap();
            }
        }),
        ("nothing changed", 1, |_| {}),
    ];
    for (what, minutes, change) in changes {
        let world = World::new(&["claude-2.1.329"]);
        let id = world.confirmed();
        let mut app = world.app();
        app.keys_init_with(PASSPHRASE, None, KdfParams::cheap()).unwrap();
        let shown = app.sign_preview(None).unwrap();
        app.sign(&shown, PASSPHRASE).unwrap();
        drop(app);
        change(&world);
        let read = world.app_as(Actor::Agent, minutes);
        let entries = read.audit_log().unwrap().entries.len();
        let (status, preview) = (read.workflow_status().unwrap(), read.preview(Some(&id)));
        let listed = read.status().unwrap().releases[0].state;
        assert_eq!(read.audit_log().unwrap().entries.len(), entries, "{what}: a read was recorded");
        drop(read);
        // `confirm` with unusable statements acts on the release and is refused, so it leaves the true state behind.
        let mut act = world.app_as(Actor::Agent, minutes);
        assert!(act.confirm(&ConfirmParams::default()).is_err(), "{what}");
        let stored =
            Archive::open(&world.state().join("clawgate.db")).unwrap().release(&id).unwrap().unwrap();
        assert_eq!(status.state.as_str(), stored.state.phase.as_str(), "{what}: status");
        match preview {
            Ok(preview) => assert_eq!(preview.state, stored.state.phase, "{what}: preview"),
            Err(refused) => {
                assert_eq!(
                    (refused.code.as_str(), stored.state.phase),
                    ("not_prepared", Phase::Draft),
                    "{what}"
                );
            }
        }
        assert_eq!(listed, stored.state.phase, "{what}: list of releases");
    }
}

#[test]
fn a_scan_and_a_scope_change_are_reflected_in_the_next_status() {
    let world = World::new(&["claude-2.1.329"]);
    world.confirmed();
    let mut app = world.app();
    assert_eq!(app.workflow_status().unwrap().state.as_str(), "confirmed");
    let redact = vec!["calc".to_owned()];
    app.set_scope(&ScopeParams { redact, ..ScopeParams::default() }).unwrap();
    assert_eq!(app.workflow_status().unwrap().state.as_str(), "draft");
}

#[cfg(unix)]
#[test]
fn every_directory_and_file_of_ours_is_private_even_if_the_home_existed_before() {
    use std::os::unix::fs::PermissionsExt;
    // OpenCode's database has a write-ahead log, so the scan makes `tmp/` for a copy of it.
    let world = World::new(&["claude-2.1.329", "codex-0.169.0", "opencode-1.18.33"]);
    let state = world.state();
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    world.confirmed();
    let mut app = world.app();
    app.keys_init_with(PASSPHRASE, None, KdfParams::cheap()).unwrap();
    let shown = app.sign_preview(None).unwrap();
    app.sign(&shown, PASSPHRASE).unwrap();
    let mut directories = 0;
    for entry in walkdir::WalkDir::new(&state) {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        let expected = if entry.file_type().is_dir() { 0o700 } else { 0o600 };
        directories += u32::from(entry.file_type().is_dir());
        assert_eq!(mode, expected, "{}", entry.path().display());
    }
    assert!(directories >= 7, "{directories}");
    assert!(state.join("tmp").is_dir());
}

#[test]
fn a_person_creates_the_key_before_the_statements_and_an_agent_needs_none() {
    let world = World::new(&["claude-2.1.329"]);
    let id = world.prepared();
    review_to_end(&mut world.app());
    let next = |actor| world.app_as(actor, 0).workflow_status().unwrap().next.command;
    assert_eq!(next(Actor::Person), "clawgate keys init");
    assert_eq!(next(Actor::Agent), format!("clawgate confirm {id}"));
    world.app().keys_init_with(PASSPHRASE, None, KdfParams::cheap()).unwrap();
    assert_eq!(next(Actor::Person), format!("clawgate confirm {id}"));
}

#[test]
fn another_destination_does_not_inherit_the_visibility() {
    let world = World::new(&["claude-2.1.329"]);
    let public = PrepareParams {
        repo: Some("ana/traces".into()),
        visibility: Some(Visibility::Public),
        licence: Some("cc-by-4.0".into()),
        ..PrepareParams::default()
    };
    world.prepared_with(&public);
    let mut app = world.app();
    let mut visibility = |repo: &str| {
        let params = PrepareParams { repo: Some(repo.into()), ..PrepareParams::default() };
        app.prepare(&params).unwrap().destination.unwrap().visibility
    };
    assert_eq!(visibility("ana/traces"), Visibility::Public);
    assert_eq!(visibility("ana/other"), Visibility::Private);
}
