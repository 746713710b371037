//! Which projects are meant: names, paths, globs, worktrees and exclusions, through the binary.

use std::fs;

use clawgate::app::Actor;
use clawgate::app::release::{PrepareParams, PublishParams};
use clawgate::app::sessions::ScopeParams;
use clawgate::gate::KdfParams;
use serde_json::{Value, json};

use crate::world::{PASSPHRASE, World, confirm, ok, review_to_end, run};

/// Writes a session of Claude Code in a directory.
pub fn log(world: &World, id: u32, cwd: &str) {
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

pub fn world_with(directories: &[&str]) -> World {
    let world = World::new(&[]);
    for (id, directory) in (1..).zip(directories) {
        log(&world, id, directory);
    }
    ok(&world, &["scan", "--json"]);
    world
}

pub fn excluded(world: &World) -> Vec<String> {
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
    let status = ok(&world, &["status", "--json"]);
    assert_eq!((&status["scope_confirmed"], &status["unmatched"]), (&json!(false), &json!(["shop"])));
    for shown in ["status", "scope", "config"] {
        assert!(run(&world, &[shown]).out.contains("\"shop\" does not match"), "{shown}");
    }
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

#[test]
fn an_approved_subagent_in_an_excluded_project_is_named_as_left_out() {
    let world = World::new(&["claude-2.1.329"]);
    let mut moved = 0;
    let mut folders = vec![world.home()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.components().any(|c| c.as_os_str() == "subagents")
                && entry.extension().is_some_and(|e| e == "jsonl")
            {
                let lines = fs::read_to_string(&entry).unwrap();
                let lines = lines.lines().map(|line| {
                    let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
                    record["cwd"] = json!("/srv/clients/acme");
                    record.to_string() + "\n"
                });
                fs::write(&entry, lines.collect::<String>()).unwrap();
                moved += 1;
            }
        }
    }
    assert!(moved > 0);
    ok(&world, &["scan", "--json"]);
    ok(&world, &["scope", "--exclude", "/SRV/Clients", "--confirm", "--json"]);
    ok(&world, &["approve", "--all", "--json"]);
    let prepared = ok(&world, &["prepare", "--folder", &world.out().display().to_string(), "--json"]);
    let left_out = prepared["privacy_report"]["left_out"].as_array().unwrap();
    assert_eq!(left_out.len(), moved, "{left_out:?}");
    assert!(left_out[0]["reason"].as_str().unwrap().contains("excluded project"), "{left_out:?}");
}

pub fn confirmed(world: &World) -> bool {
    ok(world, &["status", "--json"])["scope_confirmed"] == json!(true)
}

pub fn config_text(world: &World) -> String {
    fs::read_to_string(world.state().join("config.toml")).unwrap()
}

#[test]
fn an_exclusion_keeps_to_the_project_that_was_meant() {
    let world = world_with(&["/x/quarterly-client", "/x/other"]);
    ok(&world, &["scope", "--exclude", "quarterly", "--confirm", "--json"]);
    let stored = config_text(&world);
    assert!(stored.contains("name = \"quarterly-client\", path = \"/x/quarterly-client\""), "{stored}");
    log(&world, 7, "/y/quarterly");
    ok(&world, &["scan", "--json"]);
    assert_eq!(excluded(&world), ["quarterly-client"], "a new exact name is not meant");
    assert!(!confirmed(&world), "the person has not seen the new project");
    ok(&world, &["scope", "--confirm", "--json"]);
    ok(&world, &["forget", "--project", "quarterly-client", "--yes", "--json"]);
    log(&world, 8, "/z/quarterly-client");
    ok(&world, &["scan", "--json"]);
    assert!(excluded(&world).is_empty(), "another project with the name is not meant");
    let report = ok(&world, &["scope", "--json"]);
    assert_eq!((&report["unmatched"], &report["confirmed"]), (&json!(["quarterly-client"]), &json!(false)));
    let ran = run(&world, &["scope", "--confirm"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("clawgate scope --include /x/quarterly-client"), "{}", ran.err);
    ok(
        &world,
        &[
            "scope",
            "--include",
            "/x/quarterly-client",
            "--exclude",
            "quarterly-client",
            "--confirm",
            "--json",
        ],
    );
    assert_eq!(excluded(&world), ["quarterly-client"]);
}

#[test]
fn names_in_the_configuration_mean_repositories_of_worktrees_and_are_resolved_when_confirmed() {
    let world = world_with(&[
        "/src/shop/.claude/worktrees/api",
        "/src/shop",
        "/src/api-server",
        "/a/feat",
        "/src/tea/.worktrees/feat",
    ]);
    world.configure("[scope]\nexclude = [\"api\", \"feat\"] # ours\n");
    assert_eq!(excluded(&world), ["feat", "shop", "tea"]);
    assert_eq!(ok(&world, &["scope", "--json"])["unmatched"], json!(["feat"]));
    let ran = run(&world, &["scope", "--confirm"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("feat (/a/feat)") && ran.err.contains("tea (/src/tea)"), "{}", ran.err);
    ok(&world, &["scope", "--include", "feat", "--exclude", "/a/feat", "--confirm", "--json"]);
    let stored = config_text(&world);
    assert!(
        stored.contains("{ name = \"shop\", path = \"/src/shop\" }") && stored.contains("# ours"),
        "{stored}"
    );
    log(&world, 9, "/b/api");
    ok(&world, &["scan", "--json"]);
    assert_eq!(excluded(&world), ["feat", "shop"]);
}

#[test]
fn a_name_of_several_projects_is_ambiguous_and_its_paths_can_be_pasted() {
    let world = world_with(&["/u/app", "/u/work/app", "/u/other/App", "/u/notes", "/u/notes/packages/core"]);
    for typed in ["app", "APP"] {
        let ran = run(&world, &["scope", "--exclude", typed, "--confirm", "--json"]);
        let answer = ran.json();
        assert_eq!((ran.code, &answer["error"]["code"]), (2, &json!("ambiguous_project")), "{typed}");
        let message = answer["error"]["message"].as_str().unwrap();
        for path in ["/u/app", "/u/work/app", "/u/other/App"] {
            assert!(message.contains(&format!("({path})")), "{message}");
        }
        assert!(excluded(&world).is_empty());
    }
    ok(&world, &["scope", "--exclude", "/u/work/app", "--json"]);
    let list = ok(&world, &["list", "--json"]);
    let of =
        |path: &str| list["projects"].as_array().unwrap().iter().find(|p| p["path"] == path).unwrap().clone();
    assert_eq!(excluded(&world), [of("/u/work/app")["name"].as_str().unwrap()]);
    for command in [&["inbox"][..], &["approve"], &["search", "totals"], &["cost"], &["forget", "--yes"]] {
        let ran = run(&world, &[command, &["--project", "app", "--json"]].concat());
        let answer = ran.json();
        assert_eq!((ran.code, &answer["error"]["code"]), (2, &json!("ambiguous_project")), "{command:?}");
    }
    let one = ok(&world, &["inbox", "--project", "/u/app", "--json"]);
    assert_eq!(one["sessions"].as_array().unwrap().len(), 1);
    ok(&world, &["scope", "--include", "/u/work/app/", "--exclude", "notes", "--json"]);
    assert_eq!(excluded(&world), ["core", "notes"], "a repository with its subdirectories");
    ok(&world, &["scope", "--include", "notes", "--exclude", "core", "--json"]);
    assert_eq!(excluded(&world), ["core"]);
}

#[cfg(unix)]
#[test]
fn every_spelling_of_a_path_is_one_project_and_is_excluded() {
    let tmp = tempfile::tempdir().unwrap();
    let base = tmp.path().canonicalize().unwrap();
    let base = base.to_str().unwrap();
    fs::create_dir_all(format!("{base}/clients/s1")).unwrap();
    fs::create_dir_all(format!("{base}/work")).unwrap();
    std::os::unix::fs::symlink(format!("{base}/clients/s1"), format!("{base}/work/link")).unwrap();
    std::os::unix::fs::symlink(format!("{base}/clients"), format!("{base}/customers")).unwrap();
    let world = world_with(&[
        &format!("{base}/clients/s1"),
        &format!("{base}/work/link"),
        &format!("{base}/work/../clients/s2"),
        &format!("/{base}//clients//s3/"),
        &format!("{base}/./clients/cafe\u{301}"),
        &format!("{base}/clients/caf\u{e9}"),
        &format!("{base}/customers/gone"),
        &format!("{base}/work/own"),
    ]);
    let want = ["caf\u{e9}", "gone", "s1", "s2", "s3"];
    let found = projects(&world);
    let names: Vec<_> = found.iter().map(|(name, _, _)| name.as_str()).collect();
    assert_eq!(names, [&want[..2], &["own"], &want[2..]].concat(), "{found:?}");
    assert!(found.iter().all(|(_, path, n)| path.starts_with(base) && !path.contains("..") && *n <= 2));
    for typed in ["clients", "clients/", "customers", "work/../clients", "./clients", "/clients//."] {
        let typed = format!("{base}/{typed}");
        ok(&world, &["scope", "--exclude", &typed, "--json"]);
        assert_eq!(excluded(&world), want, "{typed}");
        ok(&world, &["scope", "--include", &typed, "--json"]);
        assert!(excluded(&world).is_empty(), "{typed}");
    }
    ok(&world, &["scope", "--exclude", &format!("{base}/work/link"), "--json"]);
    assert_eq!(excluded(&world), ["s1"]);
    world.configure(&format!("[scope]\nexclude = [\"{base}/customers/*\"]\n"));
    assert_eq!(excluded(&world), want, "a glob behind a link");
}

#[test]
fn a_directory_that_becomes_a_worktree_moves_once_and_a_deleted_worktree_is_found() {
    let tmp = tempfile::tempdir().unwrap();
    let at = |path: &str| tmp.path().canonicalize().unwrap().join(path);
    let text = |path: &str| at(path).to_str().unwrap().to_owned();
    for directory in ["wild", "tea/.git/worktrees/wild", "tea/.git/worktrees/lost", "pub/.git/worktrees/x"] {
        fs::create_dir_all(at(directory)).unwrap();
    }
    fs::write(at("tea/.git/worktrees/lost/gitdir"), format!("{}/.git\n", text("lost"))).unwrap();
    let world = world_with(&[&text("tea"), &text("pub"), &text("wild"), &text("lost/src"), &text("unknown")]);
    let names = || projects(&world).into_iter().map(|(name, _, n)| (name, n)).collect::<Vec<_>>();
    let all = |list: &[(&str, u64)]| list.iter().map(|(n, s)| ((*n).to_owned(), *s)).collect::<Vec<_>>();
    assert_eq!(names(), all(&[("pub", 1), ("tea", 2), ("unknown", 1), ("wild", 1)]));
    fs::write(at("wild/.git"), format!("gitdir: {}\n", text("tea/.git/worktrees/wild"))).unwrap();
    ok(&world, &["scan", "--json"]);
    let joined = all(&[("pub", 1), ("tea", 3), ("unknown", 1)]);
    assert_eq!(names(), joined, "without a new log too");
    ok(&world, &["scope", "--exclude", "tea", "--json"]);
    fs::write(at("wild/.git"), format!("gitdir: {}\n", text("pub/.git/worktrees/x"))).unwrap();
    ok(&world, &["scan", "--json"]);
    assert_eq!(names(), joined, "a changed file moves no session out of an excluded project");
    fs::remove_dir_all(at("wild")).unwrap();
    ok(&world, &["scan", "--json"]);
    assert_eq!((names(), excluded(&world)), (joined, vec!["tea".to_owned()]));
}

#[test]
fn simultaneous_edits_of_the_configuration_are_all_kept() {
    let world = world_with(&["/srv/shop"]);
    std::thread::scope(|threads| {
        for who in ["ash", "birch"] {
            let world = &world;
            threads.spawn(move || {
                for n in 0..30 {
                    let name = format!("{who} name {n}");
                    ok(world, &["config", "--redact-usernames", &name, "--licence", "cc-by-4.0", "--json"]);
                }
            });
        }
    });
    let config = ok(&world, &["scope", "--json"])["config"].clone();
    assert_eq!(config["redact"]["usernames"].as_array().unwrap().len(), 60);
}

#[test]
fn only_a_person_undoes_what_a_person_excluded() {
    let world = world_with(&CLIENTS);
    ok(&world, &["scope", "--exclude", "shop", "--agent", "claude", "--json"]);
    let exclude = |text: &str| ScopeParams { exclude: vec![text.into()], ..ScopeParams::default() };
    let include =
        |text: &str| ScopeParams { include: vec![text.into()], confirm: true, ..ScopeParams::default() };
    let mut agent = world.app_as(Actor::Agent, 0);
    agent.set_scope(&exclude("notes")).unwrap();
    agent.set_scope(&exclude("shop")).unwrap();
    agent.set_scope(&exclude("menu-*")).unwrap();
    assert!(config_text(&world).contains("by = \"agent\""));
    let before = config_text(&world);
    for text in ["shop", "SHOP", "/srv/shop", "/srv", "s*"] {
        let f = agent.set_scope(&include(text)).unwrap_err();
        assert_eq!((f.code.as_str(), f.exit_code()), ("made_by_person", 4), "{text}");
        assert!(f.message.contains("`clawgate scope --include /srv/shop`"), "{f}");
    }
    for agents in ["all", "codex"] {
        let wider = ScopeParams { agents: vec![agents.into()], ..ScopeParams::default() };
        let f = agent.set_scope(&wider).unwrap_err();
        assert!(f.message.contains(&format!("`clawgate scope --agent {agents}`")), "{f}");
    }
    assert_eq!(config_text(&world), before);
    assert!(!confirmed(&world));
    agent.set_scope(&include("notes")).unwrap();
    agent.set_scope(&include("menu-*")).unwrap();
    assert_eq!(excluded(&world), ["shop"]);
    let mut shell = world.command();
    let ran = shell.env("CLAUDECODE", "1").args(["scope", "--include", "shop"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(4), "an agent's shell is an agent");
    agent.set_scope(&exclude("notes")).unwrap();
    ok(&world, &["scope", "--exclude", "notes", "--json"]);
    assert_eq!(agent.set_scope(&include("notes")).unwrap_err().code, "made_by_person", "now a person's");
    world.configure("[scope]\nexclude = [\"shop\"]\n");
    assert_eq!(
        agent.set_scope(&include("shop")).unwrap_err().code,
        "made_by_person",
        "written into the file"
    );
    ok(&world, &["scope", "--include", "shop", "--json"]);
    assert!(excluded(&world).is_empty());
    agent.set_scope(&ScopeParams { agents: vec!["claude".into()], ..ScopeParams::default() }).unwrap();
    agent.set_scope(&ScopeParams { agents: vec!["all".into()], ..ScopeParams::default() }).unwrap();
}

#[test]
fn a_new_project_reopens_the_scope_unless_it_is_excluded() {
    let world = world_with(&CLIENTS);
    ok(&world, &["scope", "--exclude", "/home/ada/clients", "--confirm", "--json"]);
    ok(&world, &["approve", "--all", "--json"]);
    let folder = world.out().display().to_string();
    ok(&world, &["prepare", "--folder", &folder, "--json"]);
    log(&world, 11, "/home/ada/notes");
    log(&world, 12, "/home/ada/clients/later");
    ok(&world, &["scan", "--json"]);
    assert!(confirmed(&world), "a session of a known project, and a project that is excluded");
    log(&world, 13, "/home/ada/new");
    ok(&world, &["scan", "--json"]);
    assert!(!confirmed(&world));
    let ran = run(&world, &["prepare", "--json"]);
    assert_eq!(ran.code, 3, "{}", ran.out);
    assert!(ran.out.contains("clawgate scope --confirm"), "{}", ran.out);
    ok(&world, &["scope", "--confirm", "--json"]);
    ok(&world, &["prepare", "--json"]);
}

#[test]
fn sessions_without_a_project_are_listed_confirmed_and_excluded_like_a_project() {
    let world = world_with(&["/home/ada/shop"]);
    ok(&world, &["scope", "--confirm", "--json"]);
    log(&world, 2, "/x/y");
    let folder = world.home().join(".claude/projects/p2");
    let file = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"cwd\":\"/x/y\",", "")).unwrap();
    ok(&world, &["scan", "--json"]);
    let status = ok(&world, &["status", "--json"]);
    assert_eq!(status["scope_confirmed"], json!(false), "such sessions appeared after the confirmation");
    let name = "(no project)";
    for command in ["scope", "list"] {
        let report = ok(&world, &[command, "--json"]);
        let row = report["projects"].as_array().unwrap().iter().find(|p| p["name"] == name).unwrap();
        assert_eq!((&row["sessions"], &row["excluded"]), (&json!(1), &json!(false)), "{command}");
        assert!(run(&world, &[command]).out.contains(name), "{command}");
    }
    let of = |world: &World| ok(world, &["inbox", "--project", name, "--json"])["sessions"].clone();
    assert_eq!(of(&world).as_array().unwrap().len(), 1);
    ok(&world, &["scope", "--exclude", name, "--confirm", "--json"]);
    assert_eq!(excluded(&world), [name]);
    ok(&world, &["approve", "--all", "--json"]);
    let folder = world.out().display().to_string();
    assert_eq!(ok(&world, &["prepare", "--folder", &folder, "--json"])["rows"], json!(1));
    ok(&world, &["scope", "--include", name, "--confirm", "--json"]);
    assert!(excluded(&world).is_empty());
    let mut client = crate::mcp_client::Client::ready(&world);
    let answer = client.call("set_scope", &json!({ "exclude": [name], "confirm": true }));
    let row = answer["projects"].as_array().unwrap().iter().find(|p| p["name"] == name).unwrap();
    assert_eq!(row["excluded"], json!(true), "{answer}");
    world.configure("[scope]\nexclude = [\"(no project)\"]\n");
    assert_eq!(excluded(&world), [name]);
}

#[test]
fn a_project_with_a_comma_in_its_name_is_excluded_and_included() {
    let world = world_with(&["/home/ada/mill, tarn", "/home/ada/shop"]);
    for (command, remove) in [("scope", "--include"), ("config", "--remove-exclude")] {
        ok(&world, &[command, "--exclude", "mill\\, tarn,shop", "--json"]);
        assert_eq!(excluded(&world), ["mill, tarn", "shop"], "{command}");
        ok(&world, &[command, remove, "shop", remove, "mill\\, tarn", "--json"]);
        assert!(excluded(&world).is_empty(), "{command}");
    }
    let mut client = crate::mcp_client::Client::ready(&world);
    client.call("set_scope", &json!({ "exclude": ["mill, tarn"] }));
    assert_eq!(excluded(&world), ["mill, tarn"]);
}

#[test]
fn the_agents_of_the_scope_replace_those_chosen_before() {
    let world = world_with(&CLIENTS);
    let agents = |args: &[&str]| {
        ok(&world, &[&["scope", "--json"], args].concat())["config"]["scope"]["agents"].clone()
    };
    assert_eq!(agents(&["--agent", "claude,codex"]), json!(["claude", "codex"]));
    assert_eq!(agents(&["--agent", "codex"]), json!(["codex"]), "the same option means the same each time");
    assert_eq!(agents(&["--agent", "gemini"]), json!(["gemini"]));
    assert_eq!(agents(&["--exclude", "shop"]), json!(["gemini"]), "without the option nothing changes");
    assert_eq!(agents(&["--agent", "all"]), json!([]));
}

#[test]
fn an_agent_that_narrows_the_choice_of_a_person_cannot_widen_it_again() {
    let world = world_with(&CLIENTS);
    let limit = |agents: &[&str]| ScopeParams {
        agents: agents.iter().map(|a| (*a).to_owned()).collect(),
        ..ScopeParams::default()
    };
    ok(&world, &["scope", "--agent", "claude,codex", "--json"]);
    let mut agent = world.app_as(Actor::Agent, 0);
    for narrower in [&["claude", "codex"][..], &["codex"]] {
        agent.set_scope(&limit(narrower)).unwrap();
        let f = agent.set_scope(&limit(&["codex", "gemini"])).unwrap_err();
        assert_eq!(f.code, "made_by_person", "{narrower:?}");
        assert_eq!(agent.set_scope(&limit(&["all"])).unwrap_err().code, "made_by_person", "{narrower:?}");
    }
    assert!(config_text(&world).contains("[\"codex\"]"), "{}", config_text(&world));
}

#[test]
fn a_part_of_an_exclusion_is_included_by_the_command_of_the_hint() {
    let world = world_with(&["/srv/a b/mill, tarn", "/srv/a b/shop", "/srv/notes"]);
    ok(&world, &["scope", "--exclude", "/srv/a b", "--json"]);
    for typed in ["/srv/a b/shop", "shop"] {
        let ran = run(&world, &["scope", "--include", typed]);
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("also excludes other projects: mill, tarn."), "{}", ran.err);
        let command = r"clawgate scope --include '/srv/a b' --exclude 'mill\, tarn'  ";
        assert!(ran.err.contains(command), "{}", ran.err);
    }
    ok(&world, &["scope", "--include", "/srv/a b", "--exclude", r"mill\, tarn", "--json"]);
    assert_eq!(excluded(&world), ["mill, tarn"]);
}

#[test]
fn the_next_step_is_never_to_approve_what_is_excluded() {
    let world = world_with(&["/w/open", "/w/client"]);
    ok(&world, &["scope", "--exclude", "open,client", "--confirm", "--json"]);
    let status = ok(&world, &["status", "--json"]);
    assert_eq!(status["next"]["command"], json!("clawgate scope"), "{status}");
    assert!(status["note"].as_str().unwrap().contains("Excluded: 2 sessions"), "{status}");
    let marked = ok(&world, &["approve", "--all", "--json"]);
    assert_eq!(marked["next"]["command"], json!("clawgate scope"), "{marked}");

    // The excluded session is approved by its name, but it is in no release.
    let list = ok(&world, &["inbox", "--json"]);
    let key = list["sessions"][0]["key"].as_str().unwrap();
    ok(&world, &["approve", key, "--json"]);
    let refused = run(&world, &["prepare", "--folder", world.out().to_str().unwrap(), "--json"]);
    assert_eq!(
        (refused.code, &refused.json()["next"]["command"]),
        (3, &json!("clawgate scope")),
        "{}",
        refused.out
    );
    ok(&world, &["unmark", key, "--json"]);

    ok(&world, &["scope", "--include", "open", "--confirm", "--json"]);
    ok(&world, &["approve", "--all", "--json"]);
    let mut app = world.app();
    let folder = Some(world.out().display().to_string());
    let release = app.prepare(&PrepareParams { folder, ..PrepareParams::default() }).unwrap().release;
    review_to_end(&mut app);
    confirm(&mut app).unwrap();
    app.keys_init_with(PASSPHRASE, None, KdfParams::cheap()).unwrap();
    let shown = app.sign_preview(None).unwrap();
    app.sign(&shown, PASSPHRASE).unwrap();
    app.publish(&PublishParams::default()).unwrap();
    drop(app);
    let status = ok(&world, &["status", "--json"]);
    assert_eq!(status["next"]["command"], json!("clawgate scan"), "{status}");
    let note = status["note"].as_str().unwrap();
    assert!(note.contains(&release) && note.contains("Excluded: 1 session;"), "{note}");
    let again = run(&world, &["prepare", "--json"]);
    assert!(!again.out.contains("inbox --status new"), "{}", again.out);
}

#[test]
fn every_spelling_of_a_windows_path_is_one_project() {
    let spellings =
        [r"C:\src\norrvik", "C:/src/norrvik", r"\\?\C:\src\norrvik", "/c:/src/norrvik", "c:/src/norrvik/"];
    for typed in ["norrvik", r"C:\src\norrvik", "c:/SRC", r"\\?\C:\src"] {
        let mut directories = spellings.to_vec();
        directories.push(r"C:\Users\ivo\.codex\worktrees\ab12\norrvik");
        directories.push("/home/ivo/teahouse");
        let world = world_with(&directories);
        let norrvik = ("norrvik".to_owned(), r"C:\src\norrvik".to_owned(), 6);
        assert!(projects(&world).contains(&norrvik), "{:?}", projects(&world));
        ok(&world, &["scope", "--exclude", typed, "--confirm", "--json"]);
        assert_eq!(excluded(&world), ["norrvik"], "{typed}");
    }
}
