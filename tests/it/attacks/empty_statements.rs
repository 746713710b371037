//! The agent confirms with statements that say nothing, or the opposite of what was decided.

use super::{database, keys, sign_refused, stored};
use crate::world::{Ran, World, run};

const WORDS: &str = "The person was asked, and this is their answer.";

fn confirm(world: &World, statement: &str) -> Ran {
    let args =
        ["confirm", "--skip-full-name-scan", "--attest-full-name", WORDS, "--attest-sensitive", statement];
    run(world, &[args.as_slice(), &["--attest-manual-scan", WORDS, "--json"]].concat())
}

#[test]
fn repeated_letters_and_a_denial_of_kept_values_are_refused() {
    let world = World::new(&["claude-2.1.329", "codex-0.169.0"]);
    let release = world.confirmed();
    keys(&world);
    // A new review: the statements of `confirmed` are void.
    let db = database(&world);
    db.execute(
        "UPDATE releases SET state = json_set(state, '$.phase', 'reviewed', '$.attestations', json('{}'))",
        [],
    )
    .unwrap();
    for empty in
        ["zzzzzzzzzzzzzzzzzzzzzzzzzzzz", "ok ok ok ok ok ok ok ok ok ok ok", "----------------------------"]
    {
        let refused = confirm(&world, empty);
        assert_eq!(refused.code, 2, "{empty}: {}", refused.out);
        assert_ne!(stored(&world, &release).0["phase"], "confirmed");
    }
    sign_refused(&world, &release);
    // One value is kept by a person.
    db.execute("UPDATE decisions SET decision = 'keep', actor = 'person', reason = 'public'", []).unwrap();
    let denial = confirm(&world, "I looked at all of them, and no names are kept in clear.");
    assert_eq!(denial.code, 3, "{}", denial.out);
    assert_ne!(stored(&world, &release).0["phase"], "confirmed");
}
