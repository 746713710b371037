//! The agent tries what only a person may do, and hopes that no trace remains.

use clawgate::app::server_token::TOKEN_FILE;

use super::keys;
use crate::second_approval::Two;
use crate::web::Server;
use crate::world::{World, run, run_on_terminal, run_on_terminal_with};

#[test]
fn every_refusal_is_in_the_audit_log() {
    let world = World::new(&["claude-2.1.329"]);
    let release = world.confirmed();
    let refusals = |world: &World| {
        let log = world.app().audit_log().unwrap().entries;
        let refused = log.iter().filter(|e| e.kind == "refused" || e.kind == "wrong_passphrase");
        refused.map(|e| e.detail.to_string()).collect::<Vec<_>>()
    };
    let in_agents_shell = [("CLAUDECODE", "1")];
    let attempts: [&dyn Fn() -> i32; 6] = [
        &|| run_on_terminal_with(&world, &in_agents_shell, &["keys", "init"], &[]).code,
        &|| run(&world, &["keys", "init"]).code,
        &|| run(&world, &["publish", &release]).code,
        &|| run_on_terminal_with(&world, &in_agents_shell, &["sign", &release], &[]).code,
        &|| run(&world, &["sign", &release, "--json"]).code,
        &|| {
            let ran = run(&world, &["review", "--keep", "x", "--reason", "it is mine", "--json"]);
            assert!(matches!(ran.code, 2 | 4), "{}", ran.out);
            ran.code.max(4)
        },
    ];
    for (n, attempt) in attempts.iter().enumerate() {
        let before = refusals(&world).len();
        assert_eq!(attempt(), 4, "attempt {n}");
        assert_eq!(refusals(&world).len(), before + 1, "attempt {n}: {:?}", refusals(&world));
    }
    keys(&world);
    // The person, or who drives their terminal, types another name or stops at a question.
    let asked = || Two::audited(&world, "approval_asked").len();
    assert_eq!(run_on_terminal(&world, &["sign", &release], &[("to approve: ", "nope")]).code, 3);
    assert!(refusals(&world).last().unwrap().contains("name_mismatch"), "{:?}", refusals(&world));
    assert_eq!(asked(), 1);
    for answers in [&[("to approve: ", "\u{3}")][..], &[("to approve: ", "out"), ("Passphrase: ", "\u{3}")]] {
        let before = asked();
        assert_ne!(run_on_terminal(&world, &["sign", &release], answers).code, 0);
        assert_eq!(asked(), before + 1, "{answers:?}");
    }
    assert!(Two::audited(&world, "approved").is_empty());
    let before = refusals(&world).len();
    let wrong = [
        ("to approve: ", "out"),
        ("Passphrase: ", "a guess"),
        ("Passphrase: ", "b guess"),
        ("Passphrase: ", "c guess"),
    ];
    assert_eq!(run_on_terminal(&world, &["sign", &release], &wrong).code, 4);
    assert!(
        refusals(&world).len() >= before + 3 || refusals(&world).len() > before,
        "{:?}",
        refusals(&world)
    );
    assert!(!world.out().exists());
}

#[test]
fn refusals_over_the_web_are_in_the_audit_log_and_cannot_fill_it() {
    let world = World::new(&["claude-2.1.329"]);
    run(&world, &["scan"]);
    let server = Server::start(&world);
    for _ in 0..50 {
        assert_eq!(server.with("GET", "/api/summary", &["Authorization: Bearer guessed"]).status, 401);
    }
    let origin = ["Origin: http://evil.example"];
    assert_eq!(server.with("GET", "/", &origin).status, 403);
    let token = std::fs::read_to_string(world.state().join(TOKEN_FILE)).unwrap();
    let bearer = format!("Authorization: Bearer {}", token.trim());
    assert_eq!(server.with("POST", "/", &[&bearer]).status, 405);
    assert_eq!(server.get("/api/summary").status, 200);
    let log = world.app().audit_log().unwrap();
    let refused = log.entries.iter().filter(|e| e.kind == "refused" && e.detail["command"] == "web");
    let codes: Vec<&str> = refused.clone().map(|e| e.detail["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["unauthorized", "foreign_origin", "method"]);
    assert!(refused.clone().all(|e| e.actor == "agent" && !e.detail.to_string().contains("guessed")));
    assert_eq!(log.broken, None);
}
