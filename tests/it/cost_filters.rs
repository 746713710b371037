//! Filters and order of the cost report.

use serde_json::Value;

use crate::cost::{Ask, log};
use crate::world::{World, ok, run};

fn world() -> World {
    let world = World::new(&[]);
    let ask = |id, model, input| Ask { id, model, tokens: [input, 1, 0, 0], ..Ask::default() };
    let shop = [ask("a", "claude-opus-4-8", 10), ask("b", "claude-haiku-4-5-20251001", 500)];
    log(&world, "/home/ada/work/shop", "00000000-0000-4000-8000-000000000001", &shop);
    log(
        &world,
        "/home/ada/work/api",
        "00000000-0000-4000-8000-000000000002",
        &[ask("c", "claude-opus-4-8", 20)],
    );
    world
}

fn keys(report: &Value) -> Vec<&str> {
    report["rows"].as_array().unwrap().iter().map(|r| r["key"].as_str().unwrap()).collect()
}

#[test]
fn a_report_is_filtered_by_agent_project_and_model() {
    let world = world();
    let input = |args: &[&str]| {
        let report = ok(&world, &[&["cost", "--json"], args].concat());
        report["total"]["input"].as_u64().unwrap()
    };
    assert_eq!(input(&[]), 530);
    assert_eq!((input(&["--agent", "claude"]), input(&["--agent", "codex"])), (530, 0));
    assert_eq!(input(&["--project", "shop"]), 510);
    assert_eq!(input(&["--project", "/home/ada/work"]), 530, "everything below a directory");
    assert_eq!(input(&["--project", "shop,api", "--model", "claude-opus"]), 30);
    assert_eq!(input(&["--model", "claude-haiku-4-5-20251001", "--model", "claude-opus-4-8"]), 530);
    for (option, name, known) in
        [("--agent", "foo", "claude"), ("--project", "ship", "shop"), ("--model", "gpt", "claude-opus-4-8")]
    {
        let ran = run(&world, &["cost", option, name]);
        assert_eq!(ran.code, 2, "{option} {name}: {}", ran.out);
        assert!(ran.err.contains(known), "{option} {name}: {}", ran.err);
    }
}

#[test]
fn requests_without_a_project_have_the_name_that_lists_show() {
    let world = world();
    let ask = Ask { id: "d", model: "claude-opus-4-8", tokens: [7, 1, 0, 0], ..Ask::default() };
    log(&world, "", "00000000-0000-4000-8000-000000000003", &[ask]);
    let all = ok(&world, &["cost", "--by", "project", "--sort", "key", "--json"]);
    assert_eq!(keys(&all), ["(no project)", "api", "shop"]);
    let none = ok(&world, &["cost", "--project", "(no project)", "--by", "project", "--json"]);
    assert_eq!((keys(&none), none["total"]["input"].as_u64()), (vec!["(no project)"], Some(7)));
    let explained = ok(&world, &["cost", "explain", "(no project)", "--by", "project", "--json"]);
    assert!(explained.to_string().contains("claude-opus-4-8"), "{explained}");
}

#[test]
fn the_project_filter_means_the_same_as_in_lists() {
    let world = world();
    ok(&world, &["scan", "--json"]);
    for (typed, projects) in [
        ("sh*", &["shop"][..]),
        ("SHOP", &["shop"]),
        ("a", &["api"]),
        ("/HOME/ada/work/", &["api", "shop"]),
        ("/home/*/work/s?op", &["shop"]),
        ("shop,ap", &["api", "shop"]),
    ] {
        let report = ok(&world, &["cost", "--by", "project", "--sort", "key", "--project", typed, "--json"]);
        assert_eq!(keys(&report), projects, "{typed}");
    }
    // The usage of forgotten sessions stays, so that its project can still be named.
    ok(&world, &["forget", "--project", "shop", "--yes", "--json"]);
    let report = ok(&world, &["cost", "--by", "project", "--project", "sho*", "--json"]);
    assert_eq!(keys(&report), ["shop"]);
    for (args, typed) in
        [(["cost"], "sh…"), (["inbox"], "sh…"), (["cost"], "/home/ada/wor"), (["cost"], "x*")]
    {
        let ran = run(&world, &[&args[..], &["--project", typed, "--json"]].concat());
        assert_eq!(
            (ran.code, &ran.json()["unmatched"]),
            (2, &serde_json::json!([typed])),
            "{args:?} {typed}"
        );
    }
}

#[test]
fn a_report_shows_days_and_is_sorted_as_asked() {
    let world = world();
    let report = ok(&world, &["cost", "--json"]);
    assert_eq!((report["by"].as_str(), keys(&report)), (Some("day"), vec!["2026-11-20"]));
    let by_model = |sort| ok(&world, &["cost", "--json", "--by", "model", "--sort", sort]);
    assert_eq!(keys(&by_model("tokens"))[0], "claude-haiku-4-5-20251001");
    assert_eq!(keys(&by_model("requests"))[0], "claude-opus-4-8");
    assert_eq!(keys(&by_model("key"))[0], "claude-haiku-4-5-20251001");
    let unknown = run(&world, &["cost", "--sort", "size"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("cost, tokens, requests, key"), "{}", unknown.err);
    let text = run(&world, &["cost", "--by", "project"]).out;
    assert!(text.contains("shop") && !text.contains("/home/ada"), "{text}");
}

#[test]
fn all_spellings_of_a_windows_directory_are_one_project_before_a_scan() {
    let world = World::new(&[]);
    let spellings = [r"C:\work\shop", "c:/work/shop", "/c:/work/shop/", r"\\?\C:\work\.\shop"];
    for (n, spelling) in spellings.iter().enumerate() {
        let ids = ["a", "b", "c", "d"];
        let ask = Ask { id: ids[n], model: "claude-opus-4-8", tokens: [10, 1, 0, 0], ..Ask::default() };
        log(&world, spelling, &format!("00000000-0000-4000-8000-00000000000{n}"), &[ask]);
    }
    let report = ok(&world, &["cost", "--by", "project", "--json"]);
    assert_eq!((keys(&report).len(), report["total"]["input"].as_u64()), (1, Some(40)), "{report}");
}
