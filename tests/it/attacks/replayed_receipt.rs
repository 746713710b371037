//! The agent restores the database and the receipt of before a publication, and publishes again.

use std::fs;

use super::HubWorld;
use crate::world::{PASSPHRASE, copy_tree};

#[test]
fn a_used_receipt_is_not_accepted_again() {
    let w = HubWorld::confirmed();
    assert_eq!(w.sign_only().code, 0);
    let receipt = fs::read(w.receipt()).unwrap();
    let sealed = w.sealed();
    let answers = [("to approve: ", super::REPO), ("Passphrase: ", PASSPHRASE)];
    let ran = w.person(&["publish", &w.release], &answers);
    assert_eq!(ran.code, 0, "{}", ran.out);
    w.assert_published(&sealed);
    let requests = w.hub.seen().len();
    fs::write(w.receipt(), &receipt).unwrap();
    let ran = w.person(&["publish", &w.release], &[]);
    assert_eq!(ran.code, 3, "{}", ran.out);
    assert_eq!(w.hub.seen().len(), requests, "the Hub was asked again");
}

#[test]
fn a_restored_archive_publishes_only_what_the_person_sees_again() {
    let w = HubWorld::confirmed();
    assert_eq!(w.sign_only().code, 0);
    let saved = w.world.tmp.path().join("saved");
    copy_tree(&w.world.state(), &saved);
    let sealed = w.sealed();
    let answers = [("to approve: ", super::REPO), ("Passphrase: ", PASSPHRASE)];
    assert_eq!(w.person(&["publish", &w.release], &answers).code, 0);
    fs::remove_dir_all(w.world.state()).unwrap();
    copy_tree(&saved, &w.world.state());
    // Without the passphrase nothing happens, and with it the Hub already has exactly these bytes.
    let declined = w.person(&["publish", &w.release], &[("to approve: ", "no")]);
    assert_ne!(declined.code, 0, "{}", declined.out);
    w.assert_published(&sealed);
    let again = w.person(&["publish", &w.release], &answers);
    assert_eq!(again.code, 0, "{}", again.out);
    w.assert_published(&sealed);
}
