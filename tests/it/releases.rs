//! Releases after they were published: the list, what a second release contains, and publishing again.

use clawgate::app::Actor;
use clawgate::app::release::PublishParams;
use clawgate::gate::KdfParams;
use serde_json::json;

use crate::world::{PASSPHRASE, World, ok, run};

#[test]
fn a_published_release_is_listed_and_is_not_published_again() {
    let world = World::new(&["claude-2.1.329"]);
    let id = world.confirmed();
    let mut person = world.app_as(Actor::Person, 0);
    person.keys_init_with(PASSPHRASE, None, KdfParams::cheap()).unwrap();
    let shown = person.sign_preview(None).unwrap();
    person.sign(&shown, PASSPHRASE).unwrap();
    person.publish(&PublishParams::default(), None).unwrap();

    for args in [&["publish", "--json"][..], &["publish", &id, "--json"]] {
        let ran = run(&world, args);
        let error = &ran.json()["error"];
        assert_eq!(error["code"], json!("already_published"), "{args:?}: {}", ran.out);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&id) && message.contains("2026-11-21"), "{message}");
    }

    let folder = world.out().with_extension("second").display().to_string();
    let second = ok(&world, &["prepare", "--folder", &folder, "--json"]);
    assert!(second["rows"].as_u64().unwrap() > 0);
    assert_eq!(second["rows_published"], second["rows"], "the first release has the same sessions");

    let list = ok(&world, &["releases", "--json"]);
    let releases = list["releases"].as_array().unwrap();
    let of = |state: &str| releases.iter().find(|r| r["state"] == state).unwrap();
    assert_eq!((releases.len(), &of("prepared")["release"]), (2, &second["release"]));
    let first = of("published");
    assert_eq!((&first["release"], &first["rows"]), (&json!(id), &second["rows"]));
    for (field, day) in [("created", "2026-11-21"), ("published", "2026-11-21")] {
        assert!(first[field].as_str().unwrap().starts_with(day), "{field}: {first}");
    }
}
