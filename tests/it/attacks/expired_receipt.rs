//! The agent waits until the person's attention is elsewhere, and uses a receipt that is too old.

use super::HubWorld;
use crate::world::NOW;
use clawgate::trace::Timestamp;

#[test]
fn a_receipt_is_worth_nothing_after_its_minutes() {
    let w = HubWorld::confirmed();
    assert_eq!(w.sign_only().code, 0);
    let later = Timestamp(NOW.millis() + 16 * 60_000).to_string();
    let variables = [("CLAWGATE_TEST_NOW", later.as_str())];
    let ran = crate::world::run_steps_on_terminal(&w.world, &["publish", &w.release], &variables, vec![]);
    assert_ne!(ran.code, 0, "{}", ran.out);
    assert!(!ran.out.contains("Passphrase"), "{}", ran.out);
    w.assert_nothing_left();
}
