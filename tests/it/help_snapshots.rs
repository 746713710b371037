//! Snapshots of the help of every command. To accept changed texts:
//! `INSTA_UPDATE=always cargo test --locked --test it snapshots`, then read `git diff tests/snapshots`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::CommandFactory;

use crate::world::{World, run};

/// The names of every command and subcommand, without the program's name. The first one is empty: the program itself.
pub fn command_paths() -> Vec<Vec<String>> {
    fn collect(command: &clap::Command, path: &[String], out: &mut Vec<Vec<String>>) {
        out.push(path.to_vec());
        for sub in command.get_subcommands() {
            collect(sub, &[path, &[sub.get_name().to_owned()]].concat(), out);
        }
    }
    let mut out = Vec::new();
    collect(&clawgate::cli::Cli::command(), &[], &mut out);
    out
}

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

#[test]
fn the_help_of_every_command_matches_its_snapshot() {
    let world = World::new(&[]);
    let mut names = BTreeSet::new();
    for path in command_paths() {
        let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
        args.push("--help");
        let ran = run(&world, &args);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{args:?}");
        let name = if path.is_empty() { "clawgate".to_owned() } else { path.join("_") };
        assert_matches_snapshot("help", &name, &ran.out);
        names.insert(name);
    }
    assert!(names.len() > 40, "only {names:?}");
    assert_snapshots_are("help", &names);
}
