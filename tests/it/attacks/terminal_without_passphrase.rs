//! The agent removes its variables and answers questions in a pseudo-terminal, without the passphrase.

use clawgate::app::release::PrepareParams;
use clawgate::app::scan::ScanParams;
use clawgate::app::sessions::ScopeParams;

use super::{keys, sign_refused, stored};
use crate::world::{PASSPHRASE, World, approve_all, ok, run_on_terminal};

const WORDS: &str = "The person was asked, and this is their answer.";

pub fn prepared(world: &World) -> String {
    let mut app = world.app();
    app.scan(&ScanParams::default()).unwrap();
    app.set_scope(&ScopeParams { confirm: true, ..ScopeParams::default() }).unwrap();
    approve_all(&mut app);
    let folder = Some(world.out().display().to_string());
    app.prepare(&PrepareParams { folder, ..PrepareParams::default() }).unwrap().release
}

/// The id of an inventory item.
pub fn item(world: &World) -> String {
    let list = ok(world, &["review", "--inventory", "--json"]);
    list["entities"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_value_is_kept_in_clear_only_after_the_passphrase() {
    let world = World::new(&["claude-2.1.329", "codex-0.169.0"]);
    prepared(&world);
    let id = item(&world);
    let keep = ["review", "--keep", &id, "--reason", "it is public"];
    let kept = |world: &World| {
        let list = ok(world, &["review", "--inventory", "--json"]);
        let items = list["entities"].as_array().unwrap();
        items.iter().any(|e| e["id"] == id.as_str() && e["decision"] == "keep")
    };
    // Without an approver key nobody can prove anything.
    let refused = run_on_terminal(&world, &keep, &[]);
    assert_eq!(refused.code, 4, "{}", refused.out);
    assert!(refused.out.contains("clawgate keys init"), "{}", refused.out);
    keys(&world);
    let wrong = ["a guess of the agent"; 3].map(|guess| ("Passphrase: ", guess));
    assert_eq!(run_on_terminal(&world, &keep, &wrong).code, 4);
    assert!(!kept(&world));
    let done = run_on_terminal(&world, &keep, &[("Passphrase: ", PASSPHRASE)]);
    assert_eq!(done.code, 0, "{}", done.out);
    assert!(kept(&world));
    // The proof of one terminal is worth nothing in another.
    assert_eq!(run_on_terminal(&world, &keep, &wrong).code, 4);
}

#[test]
fn statements_without_the_passphrase_are_recorded_as_an_agents() {
    for with_keys in [false, true] {
        let world = World::new(&["claude-2.1.329"]);
        let release = prepared(&world);
        crate::world::review_to_end(&mut world.app());
        let args =
            ["confirm", "--skip-full-name-scan", "--attest-full-name", WORDS, "--attest-sensitive", WORDS];
        let args = [args.as_slice(), &["--attest-manual-scan", WORDS]].concat();
        if with_keys {
            keys(&world);
            let wrong = ["a guess of the agent"; 3].map(|guess| ("Passphrase: ", guess));
            assert_eq!(run_on_terminal(&world, &args, &wrong).code, 4);
            assert_eq!(stored(&world, &release).0["phase"], "reviewed");
            sign_refused(&world, &release);
        }
        let answers = if with_keys { vec![("Passphrase: ", PASSPHRASE)] } else { Vec::new() };
        let done = run_on_terminal(&world, &args, &answers);
        assert_eq!(done.code, 0, "{}", done.out);
        let (state, _) = stored(&world, &release);
        let by = state["attestations"]["entities"]["by"].as_str();
        assert_eq!(by, Some(if with_keys { "person" } else { "agent" }));
    }
}
