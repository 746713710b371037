//! Snapshots of the help of every command. To accept changed texts:
//! `INSTA_UPDATE=always cargo test --locked --test it snapshots`, then read `git diff tests/snapshots`.

use std::collections::BTreeSet;

use clap::CommandFactory;

use crate::snapshots::{assert_matches_snapshot, assert_snapshots_are};
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
