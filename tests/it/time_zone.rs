//! Times and days are in the zone of the person: `--timezone`, else the configuration, else `TZ`.

use serde_json::{Value, json};

use crate::cost::{Ask, log};
use crate::world::{World, run};

/// The output of a command in a time zone.
fn run_in(world: &World, zone: &str, args: &[&str]) -> String {
    let output = world.command().env("TZ", zone).args(args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{args:?}: {text} {}", String::from_utf8_lossy(&output.stderr));
    text
}

fn json_in(world: &World, zone: &str, args: &[&str]) -> Value {
    serde_json::from_str(&run_in(world, zone, args)).unwrap()
}

fn days(report: &Value) -> Vec<&str> {
    report["rows"].as_array().unwrap().iter().map(|r| r["key"].as_str().unwrap()).collect()
}

/// A session that is at 20:08 on the day before in Los Angeles.
fn world() -> World {
    let world = World::new(&[]);
    let at = "2026-01-25T04:08:00.000Z";
    log(&world, "/work/shop", "5f1d0004-3c1e-4b7a-9a10-000000000001", &[Ask { at, ..Ask::default() }]);
    world
}

#[test]
fn days_and_bounds_are_local_unless_a_zone_is_given_or_configured() {
    let world = world();
    let zone = "America/Los_Angeles";
    let report = json_in(&world, zone, &["cost", "--json"]);
    assert_eq!((&report["timezone"], days(&report)), (&json!(zone), vec!["2026-01-24"]));
    let report = json_in(&world, zone, &["cost", "--json", "--timezone", "utc"]);
    assert_eq!((&report["timezone"], days(&report)), (&json!("UTC"), vec!["2026-01-25"]));
    let bounded =
        |since, until| json_in(&world, zone, &["cost", "--json", "--since", since, "--until", until]);
    assert_eq!(bounded("2026-01-24", "2026-01-25")["total"]["requests"], 1);
    assert_eq!(bounded("2026-01-25", "2026-01-26")["total"]["requests"], 0);
    world.configure("[cost]\ntimezone = \"Asia/Tokyo\"\n");
    assert_eq!(json_in(&world, zone, &["cost", "--json"])["timezone"], "Asia/Tokyo");
    assert_eq!(json_in(&world, zone, &["cost", "--json", "--timezone", "local"])["timezone"], zone);
}

#[test]
fn the_zone_can_be_set_and_taken_back_by_a_command() {
    let world = world();
    let zone = "America/Los_Angeles";
    // Earlier versions stored the zone in the section `cost`.
    world.configure("# mine\n[cost]\ntimezone = \"Europe/Berlin\"\ndevice = \"desk\"\n");
    run_in(&world, zone, &["config", "--timezone", "asia/tokyo"]);
    assert_eq!(json_in(&world, zone, &["cost", "--json"])["timezone"], "Asia/Tokyo");
    let text = std::fs::read_to_string(world.state().join("config.toml")).unwrap();
    assert_eq!(text, "timezone = \"Asia/Tokyo\"\n# mine\n[cost]\ndevice = \"desk\"\n");
    let refused = world.command().args(["config", "--timezone", "Tokyo/Asia"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(json_in(&world, zone, &["cost", "--json"])["timezone"], "Asia/Tokyo");
    run_in(&world, zone, &["config", "--timezone", "local"]);
    assert_eq!(json_in(&world, zone, &["cost", "--json"])["timezone"], zone);
}

#[test]
fn a_wrong_zone_is_blamed_on_the_place_that_names_it() {
    let world = world();
    let refused = run(&world, &["cost", "--timezone", "Tokyo/Asia"]);
    assert!(refused.err.contains("--timezone") && refused.err.contains("Tokyo/Asia"), "{}", refused.err);
    assert!(!refused.err.contains("config.toml"), "{}", refused.err);
    world.configure("timezone = \"Nowhere\"\n");
    let refused = run(&world, &["cost"]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("`timezone` in config.toml") && refused.err.contains("Nowhere"),
        "{}",
        refused.err
    );
    assert!(refused.err.contains("clawgate config --timezone local"), "{}", refused.err);
    assert!(!refused.err.contains("--help"), "{}", refused.err);
    assert_eq!(run(&world, &["config", "--timezone", "local"]).code, 0);
    assert_eq!(run(&world, &["cost"]).code, 0);
}

#[test]
fn every_command_that_shows_times_shows_local_ones_and_names_the_zone() {
    let world = world();
    run_in(&world, "UTC", &["scan"]);
    let key = "claude:5f1d0004-3c1e-4b7a-9a10-000000000001";
    for args in [
        &["recent", "1"][..],
        &["inbox"],
        &["show", key],
        &["segment", key],
        &["cost", "--by", "block"],
        &["cost", "explain", key],
    ] {
        let text = run_in(&world, "America/Los_Angeles", args);
        assert!(text.contains("2026-01-24 20:0"), "{args:?}: {text}");
        assert!(text.contains("America/Los_Angeles") || text.contains("PST"), "{args:?}: {text}");
        let text = run_in(&world, "America/Los_Angeles", &[args, &["--timezone", "UTC"]].concat());
        assert!(text.contains("2026-01-25 04:0") && text.contains("UTC"), "{args:?}: {text}");
    }
    let status = run_in(&world, "America/Los_Angeles", &["status"]);
    assert!(status.contains("(America/Los_Angeles)"), "{status}");
    let inbox = json_in(&world, "America/Los_Angeles", &["inbox", "--json", "--until", "2026-01-25"]);
    assert_eq!(inbox["sessions"][0]["started"], "2026-01-25T04:08:00.000Z", "times in JSON are UTC");
}
