//! The agent sets the clock back, so that an old receipt seems to be valid.

use super::HubWorld;
use crate::world::{NOW, Step, run_steps_on_terminal};
use clawgate::trace::Timestamp;

#[test]
fn a_receipt_from_the_future_is_not_accepted() {
    let w = HubWorld::confirmed();
    assert_eq!(w.sign_only().code, 0);
    for minutes in [-1, -60, -24 * 60] {
        let earlier = Timestamp(NOW.millis() + minutes * 60_000).to_string();
        let variables = [("CLAWGATE_TEST_NOW", earlier.as_str())];
        for command in ["publish", "sign"] {
            let steps: Vec<Step<'_>> = Vec::new();
            let ran = run_steps_on_terminal(&w.world, &[command, &w.release], &variables, steps);
            assert_ne!(ran.code, 0, "{command}: {}", ran.out);
            assert!(!ran.out.contains("Passphrase"), "{command}: {}", ran.out);
        }
        w.assert_nothing_left();
    }
}
