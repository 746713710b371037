//! The person revokes a receipt, and the agent restores the file.

use std::fs;

use super::{HubWorld, database};
use crate::world::run;

/// Writes the receipt with the mode that the program gives it.
fn restore(w: &HubWorld, receipt: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(w.receipt(), receipt).unwrap();
    fs::set_permissions(w.receipt(), fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_revoked_receipt_is_never_accepted_again() {
    let w = HubWorld::confirmed();
    assert_eq!(w.sign_only().code, 0);
    let receipt = fs::read(w.receipt()).unwrap();
    let approved: String =
        database(&w.world).query_row("SELECT state FROM releases", [], |r| r.get(0)).unwrap();
    let revoked = run(&w.world, &["sign", &w.release, "--revoke", "--json"]);
    assert_eq!(revoked.code, 0, "{}", revoked.out);
    assert_eq!(revoked.json()["state"], "confirmed");
    assert!(!w.receipt().exists());
    let nothing = run(&w.world, &["sign", &w.release, "--revoke", "--json"]);
    assert_eq!(nothing.json()["error"]["code"], "no_receipt");

    // The file alone does not approve the release, and neither does it with the state of before.
    restore(&w, &receipt);
    let refused = w.person(&["publish", &w.release], &[]);
    assert_ne!(refused.code, 0, "{}", refused.out);
    let sql = "UPDATE releases SET state = ?1, phase = 'approved'";
    database(&w.world).execute(sql, [&approved]).unwrap();
    restore(&w, &receipt);
    let answers = [("to approve: ", super::REPO), ("Passphrase: ", crate::world::PASSPHRASE)];
    let refused = w.person(&["publish", &w.release], &answers);
    assert_ne!(refused.code, 0, "{}", refused.out);
    w.assert_nothing_left();
}
