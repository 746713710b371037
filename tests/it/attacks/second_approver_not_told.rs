//! The second approver signs a release that deletes rows of the dataset, without being told; or the agent takes that out of the
//! folder that is handed over.

use std::fs;

use serde_json::Value;

use super::REPO;
use crate::new_only::{FIRST, SECOND, flat, one_published, prepare};
use crate::second_approval::{policy, second_approver};
use crate::world::{confirm, ok, review_to_end, run_on_terminal};

#[test]
fn the_second_approver_sees_which_rows_are_replaced_and_deleted() {
    let mut w = one_published();
    policy(&w.world, "[[rule]]\napprovers = 2\n");
    let second = second_approver(&w.world);
    ok(&w.world, &["block", FIRST, "--json"]);
    ok(&w.world, &["approve", SECOND, "--json"]);
    prepare(&mut w, &["--new"]);
    let mut app = w.app(0);
    review_to_end(&mut app);
    confirm(&mut app).unwrap();
    drop(app);
    assert_eq!(w.sign().code, 0);
    let dir = w.world.tmp.path().join("handed");
    let handed = dir.to_str().unwrap();
    ok(&w.world, &["cosign", "export", handed, "--json"]);
    let ran = run_on_terminal(&second, &["cosign", "sign", handed], &[("to approve: ", "no")]);
    let shown = flat(&ran.out);
    assert!(shown.contains("replaces the 1 row there of 1 earlier release"), "{shown}");
    assert!(shown.contains("1 session NOT in this release: deleted there"), "{shown}");
    assert!(shown.contains(&format!("Type \"{REPO}\" to approve:")), "{shown}");
    // It is a part of the signed receipt.
    let first = dir.join("approval.json");
    let mut exported: Value = serde_json::from_slice(&fs::read(&first).unwrap()).unwrap();
    let text = exported["receipt"]["receipt"].as_str().unwrap().to_owned();
    assert!(text.contains("\"removed\":1"), "{text}");
    exported["receipt"]["receipt"] = text.replace("\"removed\":1", "\"removed\":0").into();
    fs::write(&first, exported.to_string()).unwrap();
    let ran = run_on_terminal(&second, &["cosign", "sign", handed], &[]);
    assert_ne!(ran.code, 0, "{}", ran.out);
    assert!(!dir.join("second.json").exists());
}
