//! The agent damages what proves an approval. No interface says that the release is still approved.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use super::keys;
use crate::mcp_client::Client;
use crate::world::{PASSPHRASE, World, ok, run_on_terminal};

#[test]
fn a_release_whose_receipt_or_statement_cannot_be_used_is_shown_as_confirmed_everywhere() {
    let world = World::new(&["claude-2.1.329"]);
    let id = world.confirmed();
    keys(&world);
    let answers = [("to approve: ", "out"), ("Passphrase: ", PASSPHRASE)];
    let ran = run_on_terminal(&world, &["sign", &id, "--no-publish"], &answers);
    assert_eq!(ran.code, 0, "{}", ran.out);
    let receipts = world.state().join("receipts");
    let (receipt, statement) =
        (receipts.join(format!("{id}.json")), receipts.join(format!("{id}.provenance.json")));
    type Damage = fn(&Path);
    let empty: Damage = |path| fs::write(path, "{}").unwrap();
    let open: Damage = |path| fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    let delete: Damage = |path| fs::remove_file(path).unwrap();
    let states = || {
        let status = ok(&world, &["status", "--json"]);
        let list = ok(&world, &["releases", "--json"]);
        let mut client = Client::ready(&world);
        let mcp = client.call("status", &json!({}));
        client.end();
        [
            status["state"].clone(),
            status["releases"][0]["state"].clone(),
            list["releases"][0]["state"].clone(),
            mcp["state"].clone(),
        ]
    };
    assert_eq!(states(), ["approved"; 4].map(|s| json!(s)));
    for path in [&receipt, &statement] {
        for damage in [empty, open, delete] {
            let sound = fs::read(path).unwrap();
            damage(path);
            assert_eq!(states(), ["confirmed"; 4].map(|s| json!(s)), "{}", path.display());
            let _ = fs::remove_file(path);
            fs::write(path, sound).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
    assert_eq!(states(), ["approved"; 4].map(|s| json!(s)));
}
