//! The agent edits what clawgate read from the dataset, so that a release drops or changes rows of another machine.

use std::fs;

use clawgate::app::release::PrepareParams;

use super::{HubWorld, store, stored};
use crate::growing::{published, push_row, rows};
use crate::world::{confirm, review_to_end};

/// A confirmed release on top of a dataset with a row of another machine.
fn confirmed_beside_others() -> HubWorld {
    let mut w = published();
    push_row(&w, "other-machine-1", "walnut");
    let mut app = w.app(0);
    w.release = app.prepare(&PrepareParams { new: true, ..PrepareParams::default() }).unwrap().release;
    review_to_end(&mut app);
    confirm(&mut app).unwrap();
    w
}

#[test]
fn a_head_that_is_edited_in_the_archive_drops_no_row() {
    let w = confirmed_beside_others();
    push_row(&w, "other-machine-2", "chestnut");
    // The archive says that the release was prepared for the present head.
    let (state, mut extra) = stored(&w.world, &w.release);
    extra["head"]["commit"] = w.hub.head(super::REPO).into();
    store(&w.world, &w.release, &state.to_string(), &extra.to_string());
    let commits = w.hub.count("POST", "/commit/");
    let ran = w.sign();
    assert_eq!(ran.code, 3, "{}", ran.out);
    assert!(
        ran.flat().contains("1 row of others that are not in this release (other-machine-2)"),
        "{}",
        ran.out
    );
    assert_eq!(w.hub.count("POST", "/commit/"), commits);
    assert!(rows(&w).contains_key("other-machine-2"));
    // It was prepared again with the row.
    assert_eq!(stored(&w.world, &w.release).0["phase"], "prepared");
    assert!(stored(&w.world, &w.release).0["rows"].get("published:other-machine-2").is_some());
}

#[test]
fn rows_that_are_edited_on_the_disk_are_not_taken_for_those_of_the_dataset() {
    let w = confirmed_beside_others();
    let path = w.world.state().join("private").join(format!("{}.head.jsonl", w.release));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("walnut", "almond")).unwrap();
    w.app(0).remove_read_token().unwrap();
    let again = PrepareParams { release: Some(w.release.clone()), ..PrepareParams::default() };
    assert_eq!(w.app(0).prepare(&again).unwrap_err().code, "head_changed");
    assert_eq!(fs::metadata(&path).map(|m| m.len()).unwrap(), text.len() as u64);
}

#[test]
fn rows_that_are_deleted_on_the_disk_stop_the_release() {
    let w = confirmed_beside_others();
    let path = w.world.state().join("private").join(format!("{}.head.jsonl", w.release));
    fs::remove_file(&path).unwrap();
    w.app(0).remove_read_token().unwrap();
    let again = PrepareParams { release: Some(w.release.clone()), ..PrepareParams::default() };
    assert_eq!(w.app(0).prepare(&again).unwrap_err().code, "head_changed");
    assert!(rows(&w).contains_key("other-machine-1"));
}
