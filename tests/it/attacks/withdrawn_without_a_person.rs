//! The agent tries to take a published release back, or to make the person take back more than the screen says.

use std::fs;

use rusqlite::params;
use serde_json::json;

use super::{REPO, database, stored};
use crate::growing::{published, push_row, rows};
use crate::world::{PASSPHRASE, run};

#[test]
fn nothing_is_removed_without_the_passphrase() {
    let w = published();
    let (before, requests) = (w.hub.files(REPO), w.hub.seen().len());
    for args in [
        &["withdraw", &w.release][..],
        &["withdraw", &w.release, "--yes"],
        &["withdraw", "--session", "claude", &w.release, "--yes"],
    ] {
        let ran = run(&w.world, &[args, &["--json"]].concat());
        assert!(ran.code == 4 || ran.code == 2, "{args:?}: {} {}", ran.code, ran.out);
    }
    for answers in [
        &[("to approve: ", "alice/another")][..],
        &[("to approve: ", REPO), ("Passphrase: ", "x"), ("Passphrase: ", "y"), ("Passphrase: ", "z")],
    ] {
        let ran = w.person(&["withdraw", &w.release], answers);
        assert_ne!(ran.code, 0, "{}", ran.out);
    }
    assert_eq!(w.hub.files(REPO), before);
    assert_eq!(w.hub.seen().len(), requests, "the Hub heard nothing");
    assert_eq!(stored(&w.world, &w.release).0["phase"], "published");
}

#[test]
fn rows_of_others_stay_also_if_the_archive_calls_them_ours() {
    let w = published();
    push_row(&w, "other-machine-1", "walnut");
    let (state, _) = stored(&w.world, &w.release);
    let key = state["rows"].as_object().unwrap().keys().next().unwrap().clone();
    let shown = w.app(0).withdraw_preview(Some(&w.release), std::slice::from_ref(&key)).unwrap();
    assert_eq!(shown.preview.sessions.len(), 1);
    // While the person looks at one session, the agent renames another one in the archive.
    let sql = "UPDATE releases SET state = replace(state, ?2, 'claude:other-machine-1') WHERE id = ?1";
    database(&w.world).execute(sql, params![w.release, key]).unwrap();
    let failure = w.app(0).withdraw_shown(&shown, PASSPHRASE).unwrap_err();
    assert!(["changed_meanwhile", "not_in_release"].contains(&failure.code.as_str()), "{failure}");
    assert!(rows(&w).contains_key("other-machine-1"));
    assert_eq!(w.hub.count("DELETE", "/api/repos/delete"), 0);
}

#[test]
fn the_signed_withdrawal_says_what_was_removed_and_the_log_has_it() {
    let w = published();
    push_row(&w, "other-machine-1", "walnut");
    let ran = w.person(&["withdraw", &w.release], &[("to approve: ", REPO), ("Passphrase: ", PASSPHRASE)]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    let dir = fs::read_dir(w.world.state().join("receipts")).unwrap();
    let file = dir.flatten().find(|e| e.file_name().to_string_lossy().contains("withdrawal")).unwrap();
    let signed: serde_json::Value = serde_json::from_slice(&fs::read(file.path()).unwrap()).unwrap();
    let text = data_encoding::BASE64.decode(signed["payload"].as_str().unwrap().as_bytes()).unwrap();
    let text: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(text["destination"], json!(format!("hf:{REPO}")));
    assert!(!text["rows"].as_array().unwrap().contains(&json!("other-machine-1")));
    let log = w.app(0).audit_log().unwrap();
    assert!(log.broken.is_none() && log.unsigned() <= 1);
    for kind in ["withdrawing", "rows_withdrawn", "withdrawn"] {
        assert!(log.entries.iter().any(|e| e.kind == kind), "{kind}");
    }
}
