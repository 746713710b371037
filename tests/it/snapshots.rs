//! Comparison of texts with the snapshots in `tests/snapshots`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Compares a text with the snapshot `name` in a folder of `tests/snapshots`.
pub fn assert_matches_snapshot(folder: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("../snapshots/{folder}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name.to_owned(), text));
}

/// Asserts that a folder of `tests/snapshots` contains a snapshot for each name and no other file.
pub fn assert_snapshots_are(folder: &str, names: &BTreeSet<String>) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(folder);
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> = files.filter_map(|f| f.strip_suffix(".snap").map(str::to_owned)).collect();
    let stale: Vec<&String> = found.difference(names).collect();
    assert!(
        stale.is_empty(),
        "delete the snapshots in tests/snapshots/{folder} that no test uses: {stale:?}"
    );
    assert!(names.is_subset(&found), "no snapshot for {:?}", names.difference(&found));
}
