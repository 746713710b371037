//! Somebody changes a published dataset, or its provenance statement.

use std::fs;

use serde_json::Value;

use super::{assert_published, keys, sign};
use crate::world::{World, run};

/// Writes a file with the mode that the program gives it.
fn write_private(path: &std::path::Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn every_change_of_a_published_dataset_is_found_offline() {
    let world = World::new(&["claude-2.1.329"]);
    let release = world.confirmed();
    keys(&world);
    let signed = sign(&world, &release);
    assert_eq!(signed.code, 0, "{}", signed.out);
    assert_published(&world, &release);
    let out = world.out();
    let dataset = out.display().to_string();
    let verify = |more: &[&str]| run(&world, &[&["verify", &dataset, "--json"], more].concat());
    let good = verify(&[]);
    assert_eq!(good.code, 0, "{}", good.out);
    let report = good.json();
    assert_eq!((report["valid"].as_bool(), report["enrolled"].as_bool()), (Some(true), Some(true)));
    let provenance = &report["provenance"];
    assert_eq!(provenance["assurance"], "A3");
    assert!(provenance["coverage"]["bytes_read"].as_u64() > Some(0), "{provenance}");
    assert!(!good.out.contains("this is what they said"), "the words of the statements stay on the machine");
    let key = report["key"].as_str().unwrap().to_owned();
    assert_eq!(verify(&["--key", &key]).code, 0);
    assert_eq!(verify(&["--key", "0000-0000"]).code, 1);

    let shard = out.join("data/train-00000.jsonl");
    let statement = out.join("provenance.json");
    let (rows, envelope) = (fs::read(&shard).unwrap(), fs::read_to_string(&statement).unwrap());
    fs::write(&shard, [&rows[..], b"{}\n"].concat()).unwrap();
    assert_eq!(verify(&[]).code, 1, "another shard");
    fs::write(&shard, &rows).unwrap();
    fs::write(out.join("data/train-00001.jsonl"), "{}\n").unwrap();
    assert_eq!(verify(&[]).code, 1, "one more shard");
    fs::remove_file(out.join("data/train-00001.jsonl")).unwrap();
    fs::create_dir(out.join("data/more")).unwrap();
    fs::write(out.join("data/more/x.jsonl"), "{}\n").unwrap();
    assert_eq!(verify(&[]).code, 1, "a shard in a folder of data/");
    fs::remove_dir_all(out.join("data/more")).unwrap();
    fs::write(out.join(".gitattributes"), "").unwrap();
    fs::create_dir(out.join("scripts")).unwrap();
    fs::write(out.join("scripts/load.py"), "").unwrap();
    let others = verify(&[]);
    assert_eq!(others.code, 0, "{}", others.out);
    assert_eq!(others.json()["not_covered"], serde_json::json!(["scripts/load.py"]));
    assert!(run(&world, &["verify", &dataset]).out.contains("not covered: scripts/load.py"));
    fs::remove_dir_all(out.join("scripts")).unwrap();
    fs::create_dir_all(out.join(".cache/x")).unwrap();
    fs::write(out.join(".cache/x/load.py"), "").unwrap();
    assert_eq!(
        verify(&[]).json()["not_covered"],
        serde_json::json!([".cache/"]),
        "it is not read, and it is listed"
    );
    fs::remove_dir_all(out.join(".cache")).unwrap();
    // On another machine, the key is unknown until the caller gives it.
    let keys = world.state().join("keys");
    let away = world.state().join("keys-away");
    fs::rename(&keys, &away).unwrap();
    let unknown = run(&world, &["verify", &dataset]);
    assert!(unknown.out.contains(&format!("as signed by {key}")), "{}", unknown.out);
    assert!(!unknown.out.contains("as approved"), "{}", unknown.out);
    assert!(run(&world, &["verify", &dataset, "--key", &key]).out.contains("as approved"));
    fs::rename(&away, &keys).unwrap();
    fs::rename(out.join("README.md"), out.join("x")).unwrap();
    assert_eq!(verify(&[]).code, 1, "a missing file");
    fs::rename(out.join("x"), out.join("README.md")).unwrap();
    let mut edited: Value = serde_json::from_str(&envelope).unwrap();
    let payload = data_encoding::BASE64.decode(edited["payload"].as_str().unwrap().as_bytes()).unwrap();
    let better = String::from_utf8(payload).unwrap().replace("\"assurance\":\"A3\"", "\"assurance\":\"A5\"");
    edited["payload"] = data_encoding::BASE64.encode(better.as_bytes()).into();
    fs::write(&statement, edited.to_string()).unwrap();
    assert_eq!(verify(&[]).code, 1, "an edited statement");
    fs::write(&statement, envelope).unwrap();
    assert_eq!(verify(&[]).code, 0);
}

#[test]
fn a_release_whose_provenance_statement_is_gone_or_of_another_release_is_not_published() {
    let world = World::new(&["claude-2.1.329"]);
    let release = world.confirmed();
    keys(&world);
    let answers = [("to approve: ", "out"), ("Passphrase: ", crate::world::PASSPHRASE)];
    let signed = crate::world::run_on_terminal(&world, &["sign", &release, "--no-publish"], &answers);
    assert_eq!(signed.code, 0, "{}", signed.out);
    let path = world.state().join("receipts").join(format!("{release}.provenance.json"));
    let good = fs::read_to_string(&path).unwrap();
    for bad in [None, Some("{}".to_owned()), Some(good.replacen("\"sig\": \"", "\"sig\": \"AAAA", 1))] {
        match bad {
            None => fs::remove_file(&path).unwrap(),
            Some(text) => write_private(&path, &text),
        }
        let ran = run(&world, &["publish", &release]);
        assert_eq!(ran.code, 3, "{} {}", ran.out, ran.err);
        assert!(!world.out().exists());
    }
    write_private(&path, &good);
    assert_eq!(run(&world, &["publish", &release]).code, 0);
    assert_published(&world, &release);
}
