//! Quality scores: guesses, scores of agents and people, and what they do not do.

use serde_json::Value;

use clawgate::app::Actor;

use crate::world::{World, ok, run};

fn scanned() -> World {
    let world = World::new(&["claude-2.1.329"]);
    ok(&world, &["scan", "--json"]);
    world
}

fn statuses(world: &World, status: &str) -> usize {
    ok(world, &["inbox", "--status", status, "--limit", "100", "--json"])["sessions"]
        .as_array()
        .unwrap()
        .len()
}

#[test]
fn a_batch_scores_each_session_once_and_never_approves_one() {
    let world = scanned();
    let first = ok(&world, &["score", "--batch", "--limit", "3", "--json"]);
    assert_eq!(first["scores"].as_array().unwrap().len(), 3);
    let rest = ok(&world, &["score", "--batch", "--auto-triage", "--json"]);
    assert_eq!(rest["unscored"], 0);
    assert!(ok(&world, &["score", "--batch", "--json"])["scores"].as_array().unwrap().is_empty());
    assert!(rest["blocked"].as_u64().unwrap() > 0, "{rest}");
    assert_eq!(statuses(&world, "approved"), 0);
    for score in rest["scores"].as_array().unwrap() {
        let (value, status) = (score["score"].as_u64().unwrap(), score["status"].as_str().unwrap());
        let expected = if value >= 4 {
            "shortlisted"
        } else if value <= 2 {
            "blocked"
        } else {
            "new"
        };
        assert_eq!(status, expected, "{score}");
        assert!(!score["reason"].as_str().unwrap().is_empty(), "{score}");
    }
}

#[test]
fn a_mark_of_a_person_and_a_score_of_a_judge_are_kept() {
    let world = scanned();
    let key = "claude:edd9c3e6";
    ok(&world, &["approve", key, "--json"]);
    ok(&world, &["set-score", key, "1", "--reason", "only a greeting", "--json"]);
    ok(&world, &["score", "--batch", "--auto-triage", "--json"]);
    let view = ok(&world, &["score-view", key, "--json"]);
    assert_eq!((&view["score"], &view["reason"]), (&Value::from(1), &Value::from("only a greeting")));
    assert_eq!(view["status"], "approved");
    let sorted = ok(&world, &["inbox", "--sort", "score", "--limit", "1", "--json"]);
    assert!(sorted["sessions"][0]["score"].as_u64().unwrap() > 1, "{sorted}");
}

#[test]
fn an_agent_does_not_replace_the_score_of_a_person() {
    let world = scanned();
    let key = "claude:edd9c3e6";
    world.app().set_score(key, 5, "rare").unwrap();
    let refused = world.app_as(Actor::Agent, 1).set_score(key, 2, "thin").unwrap_err();
    assert_eq!(refused.code, "scored_by_person");
    world.app_as(Actor::Agent, 1).set_score("claude:d887a41e", 2, "thin").unwrap();
    world.app().set_score("claude:d887a41e", 3, "solid").unwrap();
}

#[test]
fn wrong_scores_and_reasons_are_refused_with_the_scale() {
    let world = scanned();
    let bad = run(&world, &["set-score", "claude:edd9c3e6", "6"]);
    assert_eq!(bad.code, 2);
    assert!(bad.err.contains("1 to 5") && bad.err.contains("clawgate score-view --rubric"), "{}", bad.err);
    assert_eq!(run(&world, &["set-score", "claude:edd9c3e6", "3", "--reason", " "]).code, 2);
    assert_eq!(run(&world, &["score"]).code, 2);
    assert!(run(&world, &["score-view", "--rubric"]).out.contains("Rare and complete"));
}

#[test]
fn a_forgotten_session_has_no_score() {
    let world = scanned();
    ok(&world, &["set-score", "claude:edd9c3e6", "4", "--json"]);
    ok(&world, &["forget", "claude:edd9c3e6", "--yes", "--json"]);
    assert_ne!(run(&world, &["score-view", "claude:edd9c3e6"]).code, 0);
}
