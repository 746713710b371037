//! The agent searches for the person's name, which is in the files, and then declines the search or searches for another
//! name.

use super::{keys, sign_refused, stored};
use crate::world::{World, run};

const WORDS: &str = "The person was asked, and this is their answer.";

fn confirm(world: &World, more: &[&str]) -> crate::world::Ran {
    let words =
        ["--attest-full-name", WORDS, "--attest-sensitive", WORDS, "--attest-manual-scan", WORDS, "--json"];
    run(world, &[&["confirm"], more, &words].concat())
}

#[test]
fn a_hit_is_not_replaced_by_a_declined_search_another_name_or_an_agents_waiver() {
    let world = World::new(&["claude-2.1.329"]);
    let release = world.confirmed();
    keys(&world);
    // A name that is in the files.
    let found = confirm(&world, &["--full-name", "Calc App"]);
    assert_eq!(
        (found.code, found.json()["error"]["code"].as_str()),
        (3, Some("name_found")),
        "{}",
        found.out
    );
    for more in [
        ["--skip-full-name-scan"].as_slice(),
        &["--full-name", "Nobody Atall"],
        &["--waive-name-hits"],
        &["--full-name", "Calc App", "--waive-name-hits"],
    ] {
        let refused = confirm(&world, more);
        assert!(matches!(refused.code, 3 | 4), "{more:?}: {}", refused.out);
        assert_ne!(stored(&world, &release).0["phase"], "confirmed", "{more:?}");
    }
    // The hit outlives a new digest of the same rows.
    assert_eq!(run(&world, &["prepare", &release, "--licence", "mit", "--json"]).code, 0);
    assert_ne!(confirm(&world, &["--skip-full-name-scan"]).code, 0);
    sign_refused(&world, &release);
}
