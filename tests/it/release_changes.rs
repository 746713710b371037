//! What a release does when something changes around it, through the binary.

use std::fs;

use clawgate::gate::KdfParams;
use serde_json::{Value, json};

use crate::mcp_client::Client;
use crate::scope::{log, world_with};
use crate::world::{PASSPHRASE, World, ok, run, run_on_terminal};

/// Makes the prompt of each session different, because equal text is read once.
fn tell_apart(world: &World) {
    for folder in fs::read_dir(world.home().join(".claude/projects")).unwrap() {
        let folder = folder.unwrap();
        let name = folder.file_name().into_string().unwrap();
        for file in fs::read_dir(folder.path()).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace("totals once", &format!("totals of {name}"))).unwrap();
        }
    }
}

fn next(world: &World) -> (Value, String) {
    let status = ok(world, &["status", "--json"]);
    (status["state"].clone(), status["next"]["command"].as_str().unwrap().to_owned())
}

#[test]
fn sessions_that_leave_the_scope_leave_the_release_although_the_same_command_confirms_the_scope() {
    for how in ["option", "configuration", "server"] {
        let world = world_with(&["/home/ada/client-one", "/home/ada/calc-app"]);
        let id = world.confirmed();
        assert_eq!(next(&world).0, json!("confirmed"));
        match how {
            "option" => drop(ok(&world, &["scope", "--exclude", "client-one", "--confirm", "--json"])),
            "configuration" => {
                world.configure("[scope]\nexclude = [\"client-one\"]\n");
                ok(&world, &["scope", "--confirm", "--json"]);
            }
            _ => {
                let mut client = Client::ready(&world);
                let answer = client.call("set_scope", &json!({ "exclude": ["client-one"], "confirm": true }));
                assert_eq!(answer["next"]["tool"], json!("prepare_release"), "{answer}");
            }
        }
        let (state, command) = next(&world);
        assert_eq!(state, json!("draft"), "{how}");
        assert!(command.starts_with("clawgate prepare"), "{how}: {command}");
        for last in ["sign", "publish"] {
            let ran = run(&world, &[last, &id]);
            assert!(ran.code != 0, "{how}: {last}: {}", ran.out);
            assert!(ran.err.contains("clawgate prepare"), "{how}: {last}: {}", ran.err);
        }
        assert_eq!(ok(&world, &["prepare", "--json"])["rows"], json!(1), "{how}");
    }
}

#[test]
fn rows_that_are_added_after_a_review_are_read_too() {
    let world = world_with(&["/home/ada/small"; 24]);
    tell_apart(&world);
    world.confirmed();
    for id in 25..121 {
        log(&world, id, if id < 101 { "/home/ada/small" } else { "/home/ada/added" });
    }
    tell_apart(&world);
    ok(&world, &["scan", "--json"]);
    ok(&world, &["scope", "--confirm", "--json"]);
    ok(&world, &["approve", "--project", "added", "--json"]);
    let before = ok(&world, &["status", "--json"]);
    let prepared = ok(&world, &["prepare", "--json"]);
    assert_eq!(prepared["rows"], json!(44), "{before}");
    let to_read = prepared["review"]["sessions"].as_u64().unwrap();
    assert!(to_read >= 10, "half of a fresh sample is of the new project: {prepared}");
    assert_eq!(next(&world).0, json!("prepared"));
    ok(&world, &["approve", "--all", "--json"]);
    let more = ok(&world, &["prepare", "--json"]);
    assert_eq!(more["rows"], json!(120));
    let to_read_more = more["review"]["sessions"].as_u64().unwrap();
    assert!(to_read_more > to_read, "rows of a project that was read before get their share: {more}");
    assert_eq!(ok(&world, &["prepare", "--json"])["review"]["sessions"], more["review"]["sessions"]);
}

#[test]
fn a_folder_that_is_not_empty_is_refused_before_the_passphrase_is_asked() {
    let hint = "clawgate prepare --folder NEW";
    let world = world_with(&["/home/ada/calc-app"]);
    ok(&world, &["scope", "--confirm", "--json"]);
    ok(&world, &["approve", "--all", "--json"]);
    let taken = world.tmp.path().join("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("notes.txt"), "x").unwrap();
    let ran = run(&world, &["prepare", "--folder", taken.to_str().unwrap(), "--json"]);
    let answer = ran.json();
    assert_eq!(ran.code, 1, "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("already exists"), "{answer}");
    assert!(answer.to_string().contains(hint), "{answer}");
    assert_eq!(ok(&world, &["releases", "--json"])["releases"], json!([]), "nothing was prepared");

    let id = world.confirmed();
    let mut app = world.app();
    app.keys_init_with(PASSPHRASE, None, KdfParams::cheap()).unwrap();
    fs::create_dir(world.out()).unwrap();
    fs::write(world.out().join("notes.txt"), "x").unwrap();
    let ran = run_on_terminal(&world, &["sign", &id], &[]);
    let shown = format!("{}{}", ran.out, ran.err);
    assert!(ran.code == 1 && shown.contains(hint) && !shown.contains("Passphrase"), "{shown}");
    fs::remove_file(world.out().join("notes.txt")).unwrap();
    let shown = app.sign_preview(None).unwrap();
    app.sign(&shown, PASSPHRASE).unwrap();
    fs::write(world.out().join("notes.txt"), "x").unwrap();
    let ran = run(&world, &["publish", &id]);
    assert!(ran.code == 1 && ran.err.contains(hint), "{}", ran.err);
    let again = run(&world, &["prepare", "--json"]);
    assert!(again.code == 1 && again.out.contains(hint), "{}", again.out);
    let other = world.tmp.path().join("other");
    ok(&world, &["prepare", "--folder", other.to_str().unwrap(), "--json"]);
}
