//! The holder of another enrolled key cuts the person's audit log and signs its new end with that key.

use std::fs;

use clawgate::app::release::EnrolledKey;
use clawgate::gate::KdfParams;
use rusqlite::Connection;
use serde_json::Value;

use super::{AGENTS_WORDS, keys, sign_refused};
use crate::world::{PASSPHRASE, World, copy_tree, ok, run};

const CUT: &str = "DELETE FROM audit WHERE seq > (SELECT max(seq) - 4 FROM audit)";

fn key_file(world: &World) -> std::path::PathBuf {
    world.state().join("keys/approver.json")
}

fn read(path: &std::path::Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn only_the_own_key_signs_the_head_of_the_audit_log() {
    let world = World::new(&["claude-2.1.329"]);
    let release = world.confirmed();
    keys(&world);
    let other = World::new(&[]);
    other.app().keys_init_with(AGENTS_WORDS, None, KdfParams::cheap()).unwrap();
    let key: EnrolledKey = serde_json::from_value(ok(&other, &["keys", "export"])).unwrap();
    world.app().keys_enrol(PASSPHRASE, &key).unwrap();
    assert_eq!(run(&world, &["audit", "verify"]).code, 0);

    // The other approver signs the head of a copy of the log that was cut, and puts copy and head into their places.
    let copy = World::new(&[]);
    copy_tree(&world.state(), &copy.state());
    fs::remove_dir_all(copy.state().join("keys")).unwrap();
    copy_tree(&other.state().join("keys"), &copy.state().join("keys"));
    let cut = |path: &std::path::Path| {
        Connection::open(path.join("clawgate.db")).unwrap().execute(CUT, []).unwrap()
    };
    assert_eq!(cut(&copy.state()), 4);
    let mut app = copy.app();
    let shown = app.audit_log().unwrap();
    app.accept_audit_damage(&shown, AGENTS_WORDS).unwrap();
    assert_eq!(app.audit_log().unwrap().broken, None, "on the machine of the other key the head is valid");
    drop(app);
    for name in ["clawgate.db", "clawgate.db-wal", "clawgate.db-shm"] {
        let _ = fs::remove_file(world.state().join(name));
        let from = copy.state().join(name);
        if from.exists() {
            fs::copy(from, world.state().join(name)).unwrap();
        }
    }
    let mut file = read(&key_file(&world));
    file["audit_head"] = read(&key_file(&copy))["audit_head"].clone();
    fs::write(key_file(&world), file.to_string()).unwrap();

    let broken = run(&world, &["audit", "verify", "--json"]);
    assert_eq!(broken.code, 1, "{}", broken.out);
    assert!(broken.out.contains("not signed by your key"), "{}", broken.out);
    sign_refused(&world, &release);
}
