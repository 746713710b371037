//! The agent damages the audit log, so that the person accepts the damage, and hopes that its entries then count.

use super::{assert_published, confirm_again, database, keys, sign, sign_refused, stored};
use crate::world::{PASSPHRASE, Step, World, run, run_on_terminal, run_steps_on_terminal};

const CUT: &str = "DELETE FROM audit WHERE seq > (SELECT max(seq) - 2 FROM audit)";

/// A release that is confirmed, and a log whose signed end is missing.
fn damaged() -> (World, String) {
    let world = World::new(&["claude-2.1.329"]);
    let release = world.confirmed();
    keys(&world);
    assert_eq!(database(&world).execute(CUT, []).unwrap(), 2);
    assert_eq!(run(&world, &["audit", "verify"]).code, 1);
    (world, release)
}

fn accept(world: &World) {
    let accepted = run_on_terminal(world, &["audit", "accept"], &[("Passphrase: ", PASSPHRASE)]);
    assert_eq!(accepted.code, 0, "{}", accepted.out);
    assert!(accepted.flat().contains("prove nothing"), "{}", accepted.out);
    assert_eq!(run(world, &["audit", "verify"]).code, 0);
}

#[test]
fn steps_before_the_accepted_damage_prove_nothing() {
    let (world, release) = damaged();
    accept(&world);
    let refused = sign_refused(&world, &release);
    assert_eq!(refused.code, 3, "{}", refused.out);
    assert!(refused.flat().contains("the audit log has no entry"), "{}", refused.out);
    assert_eq!(stored(&world, &release).0["phase"], "draft");
    confirm_again(&world, &release);
    let signed = sign(&world, &release);
    assert_eq!(signed.code, 0, "{}", signed.out);
    assert_published(&world, &release);
}

#[test]
fn an_entry_that_is_changed_after_the_damage_was_accepted_is_found() {
    let (world, release) = damaged();
    accept(&world);
    let edit = "UPDATE audit SET entry = replace(entry, 'prepared', 'prepareD')";
    assert!(database(&world).execute(edit, []).unwrap() > 0);
    let broken = run(&world, &["audit", "verify", "--json"]);
    assert_eq!(broken.code, 1, "{}", broken.out);
    assert!(broken.out.contains("after a person accepted"), "{}", broken.out);
    sign_refused(&world, &release);
}

#[test]
fn exactly_the_damage_that_was_shown_is_accepted() {
    let (world, _) = damaged();
    // A passphrase that was mistyped is an entry of the command itself.
    let answers = [("Passphrase: ", "not these words at all"), ("Passphrase: ", PASSPHRASE)];
    let mistyped = run_on_terminal(&world, &["audit", "accept"], &answers);
    assert_eq!(mistyped.code, 0, "{}", mistyped.out);

    for more in [CUT, "UPDATE audit SET entry = replace(entry, 'prepared', 'prepareD')"] {
        let (world, release) = damaged();
        let step = Step::new("Passphrase: ", || {
            assert!(database(&world).execute(more, []).unwrap() > 0);
            PASSPHRASE.to_owned()
        });
        let refused = run_steps_on_terminal(&world, &["audit", "accept"], &[], vec![step]);
        assert_eq!(refused.code, 3, "{}", refused.out);
        assert!(refused.flat().contains("changed while you were looking"), "{}", refused.out);
        assert_eq!(run(&world, &["audit", "verify"]).code, 1);
        sign_refused(&world, &release);
    }
}
