//! The clock is set back after the confirmation, so that older receipts and proofs would look valid.

use super::{assert_published, keys, sign, stored};
use crate::world::{NOW, World, run_on_terminal_with};

#[test]
fn nothing_is_signed_before_the_time_of_the_newest_entry() {
    let world = World::new(&["claude-2.1.329"]);
    let release = world.confirmed();
    keys(&world);
    let earlier = clawgate::trace::Timestamp(NOW.millis() - 3_600_000).to_string();
    let ran = run_on_terminal_with(&world, &[("CLAWGATE_TEST_NOW", &earlier)], &["sign", &release], &[]);
    assert_eq!(ran.code, 3, "{}", ran.out);
    assert!(ran.out.contains("clock") && ran.out.contains("prepare --new"), "{}", ran.out);
    assert!(!world.out().exists());
    assert_eq!(stored(&world, &release).0["phase"], "confirmed", "the right time makes it possible again");
    assert_eq!(sign(&world, &release).code, 0);
    assert_published(&world, &release);
}
