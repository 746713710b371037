//! The agent edits the signed receipt, or signs one with a key that nobody enrolled.

use std::fs;

use super::HubWorld;

#[test]
fn an_edited_or_foreign_receipt_publishes_nothing_and_asks_for_no_passphrase() {
    let w = HubWorld::confirmed();
    assert_eq!(w.sign_only().code, 0);
    let good = fs::read_to_string(w.receipt()).unwrap();
    let other = HubWorld::confirmed();
    assert_eq!(other.sign_only().code, 0);
    let foreign = fs::read_to_string(other.receipt()).unwrap();
    let forged = [
        good.replace("\\\"private\\\"", "\\\"public\\\""),
        good.replace("alice/attack", "mallory/attack"),
        good.replace("\\\"A3\\\"", "\\\"A5\\\""),
        good.replace(&w.hub.endpoint, "http://127.0.0.1:9"),
        foreign,
        "{}".to_owned(),
        "not json".to_owned(),
        String::new(),
    ];
    for text in forged {
        assert_ne!(text, good);
        fs::write(w.receipt(), &text).unwrap();
        let ran = w.person(&["publish", &w.release], &[]);
        assert_ne!(ran.code, 0, "{text}: {}", ran.out);
        assert!(!ran.out.contains("Passphrase"), "{text}: {}", ran.out);
        w.assert_nothing_left();
    }
}
