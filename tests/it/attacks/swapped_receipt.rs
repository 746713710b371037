//! The agent puts the receipt of one release in the place of another.

use std::fs;

use clawgate::app::release::PrepareParams;

use super::{HubWorld, REPO};
use crate::world::{PASSPHRASE, confirm, review_to_end};

#[test]
fn a_receipt_of_an_earlier_preparation_does_not_publish_the_later_one() {
    let w = HubWorld::confirmed();
    assert_eq!(w.sign_only().code, 0);
    let earlier = fs::read(w.receipt()).unwrap();
    let mut app = w.app(0);
    let again = PrepareParams { thinking: Some(false), ..PrepareParams::default() };
    app.prepare(&again).unwrap();
    review_to_end(&mut app);
    confirm(&mut app).unwrap();
    drop(app);
    assert_eq!(w.sign_only().code, 0);
    fs::write(w.receipt(), &earlier).unwrap();
    let ran = w.person(&["publish", &w.release], &[]);
    assert_eq!(ran.code, 3, "{}", ran.out);
    w.assert_nothing_left();
    let sealed = w.sealed();
    let ran = w.person(&["sign", &w.release], &[("to approve: ", REPO), ("Passphrase: ", PASSPHRASE)]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    w.assert_published(&sealed);
}
