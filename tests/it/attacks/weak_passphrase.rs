//! The agent guesses passphrases that people choose often.

use crate::world::{World, run_on_terminal};

#[test]
fn a_passphrase_that_can_be_guessed_is_refused_before_anything_else_is_asked() {
    for weak in ["password1234", "123412341234", "clawgate clawgate", "qwertyuiop12"] {
        let world = World::new(&[]);
        let prompt = "Passphrase (at least 12 characters): ";
        let answers = [(prompt, weak); 5];
        let ran = run_on_terminal(&world, &["keys", "init"], &answers);
        assert_ne!(ran.code, 0, "{weak}: {}", ran.out);
        assert!(ran.out.contains("too weak"), "{weak}: {}", ran.out);
        assert!(
            !ran.out.contains("Repeat passphrase") && !ran.out.contains("Hub token to"),
            "{weak}: {}",
            ran.out
        );
        assert!(!world.state().join("keys/approver.json").exists());
    }
}
