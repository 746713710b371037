//! A whole release meets data that this archive does not know: rows of somebody else, rows that it forgot, files of the person.

use std::collections::BTreeMap;
use std::fs;

use super::{HubWorld, REPO};
use crate::new_only::{SECOND, flat, one_published, prepare, publish};
use crate::world::{confirm, copy_tree, ok, review_to_end};

/// Puts files into the dataset, as somebody else does.
fn put(w: &HubWorld, files: &[(&str, &[u8])]) -> BTreeMap<String, Vec<u8>> {
    let mut there = w.hub.files(REPO);
    there.extend(files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())));
    let all: Vec<(&str, &[u8])> = there.iter().map(|(p, b)| (p.as_str(), b.as_slice())).collect();
    w.hub.repo(REPO, true, &all);
    w.hub.files(REPO)
}

/// The person reviews, confirms and signs. The upload is refused, and the dataset stays.
fn assert_refused(w: &HubWorld, there: &BTreeMap<String, Vec<u8>>, example: &str) {
    let mut app = w.app(0);
    review_to_end(&mut app);
    confirm(&mut app).unwrap();
    drop(app);
    let ran = w.sign();
    assert!(ran.code == 1 && flat(&ran.out).contains(example), "{}", ran.out);
    assert_eq!(w.hub.files(REPO), *there);
}

#[test]
fn rows_of_somebody_else_beside_published_ones_are_not_deleted() {
    let mut w = one_published();
    let there = put(&w, &[("data/train-00007.jsonl", b"{\"hand\":\"made\"}\n")]);
    ok(&w.world, &["approve", SECOND, "--json"]);
    prepare(&mut w, &["--new"]);
    assert_refused(&w, &there, "data/train-00007.jsonl");
}

#[test]
fn rows_that_a_restored_archive_forgot_are_not_deleted() {
    let mut w = one_published();
    let backup = w.world.tmp.path().join("yesterday");
    copy_tree(&w.world.state(), &backup);
    ok(&w.world, &["approve", SECOND, "--json"]);
    prepare(&mut w, &["--new-only"]);
    publish(&w);
    let added = format!("additions/{}", w.release);
    fs::remove_dir_all(w.world.state()).unwrap();
    copy_tree(&backup, &w.world.state());
    let there = w.hub.files(REPO);
    crate::scope::log(&w.world, 2, "/srv/shop");
    ok(&w.world, &["scan", "--json"]);
    ok(&w.world, &["approve", "claude:7b1e0002", "--json"]);
    prepare(&mut w, &["--new"]);
    assert_refused(&w, &there, &added);
}

#[test]
fn the_card_and_other_files_of_the_person_are_not_replaced() {
    for path in ["README.md", "metadata.json", "provenance.json", "data/notes.parquet"] {
        let w = HubWorld::confirmed();
        w.hub.repo(REPO, true, &[(path, b"mine")]);
        let there = w.hub.files(REPO);
        let ran = w.sign();
        assert!(ran.code == 1 && flat(&ran.out).contains(path), "{}", ran.out);
        assert_eq!(w.hub.files(REPO), there);
    }
}
