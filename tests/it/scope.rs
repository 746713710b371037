//! Which projects are meant: names, paths, globs, worktrees and exclusions, through the binary.

use std::fs;

use serde_json::{Value, json};

use crate::world::{World, ok, run};

/// Writes a session of Claude Code in a directory.
fn log(world: &World, id: u32, cwd: &str) {
    let folder = world.home().join(".claude/projects").join(format!("p{id}"));
    fs::create_dir_all(&folder).unwrap();
    let session = format!("7b1e{id:04}-2c4d-4e6f-8a1b-000000000001");
    let base = |kind: &str, uuid: &str| {
        json!({ "type": kind, "uuid": format!("{id:04}0000-0000-4000-8000-00000000000{uuid}"), "sessionId": session,
            "cwd": cwd, "parentUuid": null, "isSidechain": false, "version": "2.1.329",
            "timestamp": format!("2026-11-20T17:00:{:02}.000Z", id % 60) })
    };
    let mut prompt = base("user", "a");
    prompt["message"] = json!({ "role": "user", "content": "round the totals once" });
    let mut answer = base("assistant", "b");
    answer["requestId"] = json!(format!("req_{id}"));
    answer["message"] = json!({ "id": format!("msg_{id}"), "role": "assistant", "model": "claude-opus-4-8",
        "stop_reason": "end_turn", "content": [{ "type": "text", "text": "Done." }],
        "usage": { "input_tokens": 1200, "output_tokens": 300 } });
    fs::write(folder.join(format!("{session}.jsonl")), format!("{prompt}\n{answer}\n")).unwrap();
}

fn world_with(directories: &[&str]) -> World {
    let world = World::new(&[]);
    for (id, directory) in (1..).zip(directories) {
        log(&world, id, directory);
    }
    ok(&world, &["scan", "--json"]);
    world
}

fn excluded(world: &World) -> Vec<String> {
    let list = ok(world, &["list", "--json"]);
    let projects = list["projects"].as_array().unwrap().iter();
    let mut names: Vec<String> = projects
        .filter(|p| p["excluded"] == json!(true))
        .map(|p| p["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Name, path and number of sessions of each project.
fn projects(world: &World) -> Vec<(String, String, u64)> {
    let list = ok(world, &["list", "--json"]);
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let projects = list["projects"].as_array().unwrap().iter();
    let mut all: Vec<_> =
        projects.map(|p| (text(&p["name"]), text(&p["path"]), p["sessions"].as_u64().unwrap())).collect();
    all.sort();
    all
}

const CLIENTS: [&str; 4] =
    ["/home/ada/clients/menu-api", "/home/ada/clients/menu-ui", "/srv/shop", "/home/ada/notes"];

#[test]
fn an_exclusion_that_matches_nothing_is_refused_and_changes_nothing() {
    let world = world_with(&CLIENTS);
    for bad in ["no-such", "menu", "menu-…", "shop,shopp", "/home/ada/client", "x*", " "] {
        let ran = run(&world, &["scope", "--exclude", bad, "--confirm", "--json"]);
        assert_eq!(ran.code, 2, "{bad}: {}", ran.out);
        let unmatched = bad.split(',').next_back().unwrap();
        assert_eq!(ran.json()["unmatched"], json!([unmatched]), "{bad}");
        assert!(excluded(&world).is_empty(), "{bad}");
        assert_eq!(ok(&world, &["status", "--json"])["scope_confirmed"], json!(false), "{bad}");
        assert!(!world.state().join("config.toml").exists(), "{bad}");
    }
    let ran = run(&world, &["config", "--exclude", "shopp"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("\"shopp\"") && ran.err.contains("did you mean shop?"), "{}", ran.err);
}

#[test]
fn names_in_any_case_prefixes_paths_and_globs_exclude_and_include() {
    let world = world_with(&CLIENTS);
    let both = ["menu-api", "menu-ui"];
    for (typed, want) in [
        ("SHOP", &["shop"][..]),
        ("menu-a", &["menu-api"]),
        ("/home/ada/clients/", &both),
        ("menu-*", &both),
        ("/home/ada/clients/*", &both),
        ("/srv", &["shop"]),
    ] {
        let report = ok(&world, &["scope", "--exclude", typed, "--json"]);
        assert_eq!(report["unmatched"], json!([]), "{typed}");
        assert_eq!(excluded(&world), want, "{typed}");
        ok(&world, &["scope", "--include", typed, "--json"]);
        assert!(excluded(&world).is_empty(), "{typed}");
    }
    ok(&world, &["scope", "--exclude", "/home/ada/clients", "--json"]);
    let ran = run(&world, &["scope", "--include", "menu-ui"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("/home/ada/clients") && ran.err.contains("menu-api"), "{}", ran.err);
    log(&world, 9, "/home/ada/clients/later");
    ok(&world, &["scan", "--json"]);
    assert_eq!(excluded(&world).len(), 3, "a directory stays excluded with what is added later");
}

#[test]
fn an_exclusion_with_a_typo_in_the_configuration_stops_the_release() {
    let world = world_with(&CLIENTS);
    world.configure("[scope]\nexclude = [\"shopp\", \"menu\"]\n");
    assert_eq!(excluded(&world), ["menu-api", "menu-ui"], "all that could be meant stay out");
    assert_eq!(ok(&world, &["scope", "--json"])["unmatched"], json!(["shopp", "menu"]));
    let ran = run(&world, &["scope", "--confirm", "--json"]);
    assert_eq!((ran.code, &ran.json()["error"]["code"]), (2, &json!("unmatched_exclusion")));
    let before = fs::read_to_string(world.state().join("config.toml")).unwrap();
    let ran = run(&world, &["config", "--redact", "Foo Bar", "--timezone", "UTC", "--confirm", "--json"]);
    assert_eq!((ran.code, &ran.json()["error"]["code"]), (2, &json!("unmatched_exclusion")));
    let ran = run(&world, &["config", "--redact", "Foo Bar", "--timezone", "Nowhere"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    let after = fs::read_to_string(world.state().join("config.toml")).unwrap();
    assert_eq!(after, before, "a command that fails changes nothing");
    ok(&world, &["scope", "--include", "shopp", "--include", "menu", "--confirm", "--json"]);
}

#[test]
fn prepare_and_confirm_refuse_an_exclusion_that_matches_nothing() {
    let world = world_with(&CLIENTS);
    ok(&world, &["scope", "--exclude", "shop", "--confirm", "--json"]);
    ok(&world, &["approve", "--all", "--json"]);
    let folder = world.out().display().to_string();
    ok(&world, &["prepare", "--folder", &folder, "--json"]);
    ok(&world, &["forget", "--project", "shop", "--yes", "--json"]);
    assert_eq!(ok(&world, &["status", "--json"])["scope_confirmed"], json!(true));
    let words = "I asked the person and this is what they said.";
    let confirm =
        ["confirm", "--skip-full-name-scan", "--attest-full-name", words, "--attest-sensitive", words];
    for args in [&["prepare"][..], &[&confirm[..], &["--attest-manual-scan", words]].concat()] {
        let ran = run(&world, &[args, &["--json"]].concat());
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.out);
        let failure = ran.json();
        assert_eq!(failure["error"]["code"], json!("unmatched_exclusion"), "{args:?}");
        assert_eq!(failure["unmatched"], json!(["shop"]), "{args:?}");
    }
}

#[test]
fn the_configuration_is_shown_with_what_each_entry_hits() {
    let world = world_with(&CLIENTS);
    let set = ok(&world, &["config", "--exclude", "/home/ada/clients,shop", "--redact", "totals", "--json"]);
    let hits = set["hits"].as_array().unwrap();
    let excluded: Vec<_> = hits
        .iter()
        .filter(|h| h["setting"] == "scope.exclude")
        .map(|h| (h["value"].as_str().unwrap(), h["hits"].as_u64().unwrap()))
        .collect();
    assert_eq!(excluded, [("/home/ada/clients", 2), ("shop", 1)]);
    assert!(hits[0]["value"] == "totals" && hits[0]["hits"].as_u64().unwrap() >= 4, "{set}");
    assert_eq!((&set["sessions_counted"], &set["complete"]), (&json!(4), &json!(true)));
    let shown = run(&world, &["config"]).out;
    assert!(shown.contains("/home/ada/clients (2 sessions), shop (1 session)"), "{shown}");
    for args in
        [["--licence", "cc-by-4.0"], ["--visibility", "private"], ["--repo", "ada/x"], ["--timezone", "UTC"]]
    {
        let set = ok(&world, &[&["config"][..], &args, &["--json"]].concat());
        assert_eq!(set["hits"], json!(null), "{args:?}: the sessions need not be read");
    }
    let shown = run(&world, &["config", "--licence", "cc-by-4.0"]).out;
    assert!(shown.contains("/home/ada/clients, shop\n"), "{shown}");
}

#[test]
fn worktrees_belong_to_their_repository_everywhere() {
    let tmp = tempfile::tempdir().unwrap();
    let wild = tmp.path().join("wild");
    fs::create_dir_all(&wild).unwrap();
    fs::write(wild.join(".git"), "gitdir: /src/tea/.git/worktrees/wild\n").unwrap();
    let world = world_with(&[
        "/home/ada/.codex/worktrees/44be/tea",
        "/src/tea/.claude/worktrees/calm-heron",
        "/src/tea.worktrees/feat/menu",
        "/src/tea/",
        wild.to_str().unwrap(),
        "/home/ada/.codex/worktrees/9c1d/kettle",
        "/home/ada/.codex/worktrees/0a0b/kettle",
    ]);
    let found = projects(&world);
    assert_eq!(found[1], ("tea".to_owned(), "/src/tea".to_owned(), 5), "{found:?}");
    assert_eq!((found[0].0.as_str(), found[0].2, found.len()), ("kettle", 2, 2), "{found:?}");
    let cost = ok(&world, &["cost", "--by", "project", "--json"]);
    let rows: Vec<_> = cost["rows"].as_array().unwrap().iter().map(|r| (&r["key"], &r["requests"])).collect();
    assert!(rows.contains(&(&json!("tea"), &json!(5))), "{rows:?}");
    let tea = cost["rows"].as_array().unwrap().iter().find(|r| r["key"] == "tea").unwrap();
    assert_eq!(tea["path"], json!("/src/tea"));
    assert_eq!(ok(&world, &["cost", "explain", "tea", "--json"])["figure"]["requests"], json!(5));
    assert_eq!(ok(&world, &["cost", "verify", "--json"])["different"], json!(0));
    for filter in ["tea", "/src/tea", "/src/tea.worktrees/feat/menu"] {
        let inbox = ok(&world, &["inbox", "--project", filter, "--json"]);
        assert_eq!(inbox["sessions"].as_array().unwrap().len(), 5, "{filter}");
        let hits = ok(&world, &["search", "totals", "--project", filter, "--json"]);
        assert_eq!(hits["hits"].as_array().unwrap().len(), 5, "{filter}");
    }
    ok(&world, &["scope", "--exclude", "/src/tea", "--confirm", "--json"]);
    ok(&world, &["approve", "--all", "--json"]);
    let approved = ok(&world, &["inbox", "--status", "approved", "--json"]);
    assert_eq!(approved["sessions"].as_array().unwrap().len(), 2);
}

#[test]
fn all_agents_stays_all_and_unknown_values_are_refused() {
    let world = world_with(&CLIENTS);
    ok(&world, &["scope", "--confirm", "--json"]);
    ok(&world, &["approve", "--all", "--json"]);
    ok(&world, &["prepare", "--folder", &world.out().display().to_string(), "--json"]);
    ok(&world, &["config", "--source", "claude", "--json"]);
    assert_eq!(ok(&world, &["config", "--source", "all", "--json"])["config"]["scope"]["agents"], json!([]));
    for (args, named) in [
        (&["inbox", "--agent", "foo"][..], "claude"),
        (&["inbox", "--project", "nope"], "menu-ui"),
        (&["inbox", "--model", "gpt"], "claude-opus-4-8"),
        (&["forget", "--project", "nope", "--yes"], "menu-ui"),
        (&["config", "--visibility", "secret"], "--visibility"),
        (&["config", "--licence", "foo"], "--licence"),
        (&["prepare", "--licence", "foo"], "--licence"),
        (&["scan", "--path", "/nonexistent"], "/nonexistent"),
    ] {
        let ran = run(&world, args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(named) && !ran.err.contains("config.toml line"), "{args:?}: {}", ran.err);
    }
}

#[test]
fn short_ids_are_accepted_and_an_ambiguous_one_is_counted() {
    let world = world_with(&["/a", "/b", "/c", "/d", "/e", "/f", "/g"]);
    let shown = ok(&world, &["show", "claude:7b1e0003", "--json"]);
    assert_eq!(shown["key"], json!("claude:7b1e0003-2c4d-4e6f-8a1b-000000000001"));
    ok(&world, &["cost", "explain", "claude:7b1e0003", "--json"]);
    let ran = run(&world, &["show", "claude"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("matches 7 sessions: claude:7b1e0001, "), "{}", ran.err);
    assert_eq!(run(&world, &["cost", "explain", "claude:7b1e000"]).code, 2);
}

#[test]
fn subagents_have_the_mark_of_their_parent() {
    let world = World::new(&["claude-2.1.329"]);
    ok(&world, &["scan", "--json"]);
    ok(&world, &["scope", "--confirm", "--json"]);
    let sessions = |args: &[&str]| {
        let all = ok(&world, &[&["inbox", "--limit", "1000", "--json"][..], args].concat());
        all["sessions"].as_array().unwrap().clone()
    };
    let all = sessions(&[]);
    let parent = all.iter().find(|s| !s["children"].as_array().unwrap().is_empty()).unwrap();
    let (key, child) = (parent["key"].as_str().unwrap(), parent["children"][0].as_str().unwrap());
    ok(&world, &["approve", key, "--json"]);
    let approved = sessions(&["--status", "approved"]);
    assert!(approved.iter().any(|s| s["key"] == child && s["status"] == "approved"), "{approved:?}");
    assert!(!sessions(&["--status", "new"]).iter().any(|s| s["key"] == child));
    let status = ok(&world, &["status", "--json"]);
    assert_eq!(status["by_status"]["approved"], json!(approved.len()));
    let table = run(&world, &["inbox", "--status", "approved"]).out;
    assert!(table.contains("approved (parent)"), "{table}");
    ok(&world, &["block", child, "--json"]);
    assert_eq!(sessions(&["--status", "approved"]).len(), approved.len() - 1, "its own mark counts first");
}

#[test]
fn a_release_contains_subagents_that_are_not_blocked_and_can_be_withdrawn() {
    let world = World::new(&["claude-2.1.329"]);
    ok(&world, &["scan", "--json"]);
    ok(&world, &["scope", "--confirm", "--json"]);
    let all = ok(&world, &["inbox", "--limit", "1000", "--json"]);
    let parent = all["sessions"].as_array().unwrap().iter().find(|s| s["children"] != json!([])).unwrap();
    let (key, child) = (parent["key"].as_str().unwrap(), parent["children"][0].as_str().unwrap());
    ok(&world, &["approve", key, "--json"]);
    let approved = ok(&world, &["inbox", "--status", "approved", "--json"]);
    let approved = approved["sessions"].as_array().unwrap();
    let folder = world.out().display().to_string();
    let prepared = ok(&world, &["prepare", "--folder", &folder, "--json"]);
    assert_eq!(prepared["rows"], json!(approved.len()));
    ok(&world, &["block", child, "--json"]);
    assert_eq!(ok(&world, &["prepare", "--json"])["rows"], json!(approved.len() - 1));
    let releases = ok(&world, &["releases", "--json"]);
    assert_eq!(releases["releases"][0]["release"], prepared["release"]);
    assert_eq!(releases["releases"][0]["state"], json!("prepared"));
    let ran = run(&world, &["withdraw"]);
    assert_eq!(ran.code, 4, "nobody can be asked: {}", ran.err);
    assert_eq!(ok(&world, &["status", "--json"])["state"], json!("prepared"));
    ok(&world, &["withdraw", "--yes", "--json"]);
}
