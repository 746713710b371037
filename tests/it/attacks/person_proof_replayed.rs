//! The agent uses the terminal and the shell in which the person has just typed the passphrase, which is also what a process
//! gets that fakes its parent, session and terminal.

use super::keys;
use super::terminal_without_passphrase::{item, prepared};
use crate::world::{PASSPHRASE, Step, World, ok, run_lines_on_terminal};

const GUESS: &str = "a guess of the agent";

#[test]
fn the_passphrase_of_one_command_proves_nothing_for_the_next_one() {
    let world = World::new(&["claude-2.1.329", "codex-0.169.0"]);
    prepared(&world);
    keys(&world);
    let id = item(&world);
    let decide = ["review", "--keep", &id, "--reason", "it is public"];
    let step = |answer: &'static str| Step::new("Passphrase: ", move || answer.to_owned());
    let steps = vec![step(PASSPHRASE), step(GUESS), step(GUESS), step(GUESS)];
    let ran = run_lines_on_terminal(&world, &[&decide, &decide], &[], steps);
    assert_eq!(ran.code, 4, "the second command is refused: {}", ran.out);
    let made = |kind: &str| {
        let log = ok(&world, &["audit", "log", "--json"]);
        log["entries"].as_array().unwrap().iter().filter(|e| e["kind"] == kind).count()
    };
    assert_eq!((made("person_proven"), made("wrong_passphrase")), (1, 3));
    let stored: Vec<_> = super::files(&world.state().join("keys")).into_keys().collect();
    assert!(stored.iter().all(|path| !path.to_string_lossy().contains("presence")), "{stored:?}");
}
