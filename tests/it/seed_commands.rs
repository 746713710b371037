//! The commands of DataClaw and ClawTrace: each one, typed with `clawgate` in front, works or says what to do instead, and
//! `docs/from-other-tools.md` says so.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::scope::log;
use crate::world::{Ran, World, copy_tree, ok, review_to_end, run};

const COMMANDS: &str = include_str!("../fixtures/seed_commands.txt");
const PAGE: &str = include_str!("../../docs/from-other-tools.md");

/// The projects that the documentation names, and one more.
const PROJECTS: [&str; 7] = ["a", "b", "project1", "project2", "personal-stuff", "scratch", "shop"];

/// A world with a reviewed release, and a copy of it.
struct Reviewed {
    world: World,
    saved: tempfile::TempDir,
    release: String,
}

impl Reviewed {
    fn new() -> Self {
        let world = World::new(&[]);
        for (id, project) in (1..).zip(PROJECTS) {
            log(&world, id, &format!("/srv/{project}"));
        }
        ok(&world, &["scan", "--json"]);
        ok(&world, &["score", "--batch", "--json"]);
        ok(&world, &["scope", "--confirm", "--json"]);
        ok(&world, &["approve", "--all", "--json"]);
        ok(&world, &["prepare", "--folder", &world.out().display().to_string(), "--json"]);
        review_to_end(&mut world.app());
        let status = ok(&world, &["status", "--json"]);
        assert_eq!(status["state"], json!("reviewed"), "{status}");
        let release = status["release"].as_str().unwrap().to_owned();
        let saved = tempfile::tempdir().unwrap();
        copy_tree(world.tmp.path(), saved.path());
        Reviewed { world, saved, release }
    }

    /// Undoes everything, so that no command depends on the ones before it.
    fn restore(&self) {
        for dir in [self.world.home(), self.world.state()] {
            std::fs::remove_dir_all(&dir).unwrap();
            copy_tree(&self.saved.path().join(dir.file_name().unwrap()), &dir);
        }
    }
}

/// The words of a command line, with quotes as in a shell.
fn words(line: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (n, part) in line.split('"').enumerate() {
        match n % 2 {
            1 => out.push(part.to_owned()),
            _ => out.extend(part.split_whitespace().map(str::to_owned)),
        }
    }
    out
}

/// The arguments of a line of the documentation with `clawgate` in front, and values for its placeholders.
fn literally(line: &str, release: &str) -> Vec<String> {
    let values = [
        ("[id ...]", "claude:7b1e0002"),
        ("<session_id>", "claude:7b1e0001"),
        ("<bundle_id>", release),
        ("<query>", "totals"),
        ("<id>", "claude:7b1e0001"),
        ("<1-5>", "4"),
        ("<file>", "conversations.jsonl"),
    ];
    let line = values.iter().fold(line.to_owned(), |line, (name, value)| line.replace(name, value));
    let words = words(&line);
    match words[0].as_str() {
        "clawtrace" | "dataclaw" => words[1..].to_vec(),
        _ => words,
    }
}

/// Runs a command line with `--json` in the world as it was saved.
fn try_in(reviewed: &Reviewed, args: &[String]) -> Ran {
    reviewed.restore();
    let world = &reviewed.world;
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    if !args.contains(&"--json") {
        args.push("--json");
    }
    if args[0] != "serve" {
        return run(world, &args);
    }
    // The server runs until it is stopped.
    args.extend(["--port", "0"]);
    let mut child = world.command().args(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut out).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    Ran { code: if out.contains("http://127.0.0.1:") { 0 } else { 1 }, out, err: String::new() }
}

/// What a command did, in the words of the page.
fn outcome(ran: &Ran) -> Result<&'static str, String> {
    if ran.code == 0 {
        return Ok("works");
    }
    let answer: Value =
        serde_json::from_str(&ran.out).map_err(|e| format!("{e}: {} {}", ran.out, ran.err))?;
    let code = &answer["error"]["code"];
    let next = answer["hints"].as_array().is_some_and(|hints| !hints.is_empty());
    match code.as_str() {
        Some("renamed_command") if next => Ok("new way"),
        // `usage` is what the parser says of a command or an option that it does not know.
        Some("usage") | None => Err(answer.to_string()),
        Some(_) if next => Ok("refused"),
        Some(_) => Err(format!("no next step: {answer}")),
    }
}

#[test]
fn every_documented_command_of_the_seeds_works_or_says_what_to_do_instead() {
    let world = Reviewed::new();
    let release = world.release.clone();
    let mut wrong = Vec::new();
    let lines = COMMANDS.lines().filter(|line| !line.starts_with('#'));
    assert!(lines.clone().count() > 70);
    for line in lines {
        if let Err(why) = outcome(&try_in(&world, &literally(line, &release))) {
            wrong.push(format!("{line}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_statements_of_the_documentation_confirm_a_reviewed_release() {
    let world = Reviewed::new();
    for line in COMMANDS.lines().filter(|l| l.starts_with("dataclaw confirm") && !l.contains("\"...\"")) {
        let ran = try_in(&world, &literally(line, ""));
        assert_eq!((ran.code, &ran.json()["state"]), (0, &json!("confirmed")), "{line}: {}", ran.out);
    }
}

/// The rows of the page: the old command, the new one, and what happens to the old one.
fn rows() -> Vec<[String; 3]> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        assert!(cells.len() >= 3, "{line}");
        [cells[0], cells[1], cells[2]].map(|cell| cell.trim_matches('`').to_owned())
    })
    .collect()
}

#[test]
fn every_row_of_the_page_is_true() {
    let world = Reviewed::new();
    let release = world.release.clone();
    let mut wrong = Vec::new();
    for [before, now, claimed] in rows() {
        let ran = try_in(&world, &literally(&before, &release));
        match outcome(&ran) {
            Ok(happens) if happens == claimed => {}
            other => wrong.push(format!("{before}: {claimed} is claimed, and it is {other:?}")),
        }
        let verb = words(&now)[..2].join(" ");
        if claimed == "new way" && !ran.out.contains(&verb) {
            wrong.push(format!("{before}: the answer does not name {verb}: {}", ran.out));
        }
        if let Err(why) = parses(&world, &now, &release) {
            wrong.push(format!("{now}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Runs the new command. It may be refused in this state, or need a person, but the parser has to know it.
fn parses(world: &Reviewed, now: &str, release: &str) -> Result<(), String> {
    let (dir, file) = (world.saved.path().join("new"), world.saved.path().join("findings.json"));
    let (dir, file) = (dir.display().to_string(), file.display().to_string());
    let values = [
        ("RELEASE", release),
        ("KEY...", "claude:7b1e0001"),
        ("KEY", "claude:7b1e0001"),
        ("QUERY", "totals"),
    ];
    let now = values.iter().fold(now.to_owned(), |line, (name, value)| line.replace(name, value));
    let now = now.replace(" N", " 4").replace("DIR", &dir).replace("FILE", &file);
    let ran = try_in(world, &words(&now)[1..]);
    outcome(&ran).map(drop)
}

#[test]
fn the_page_has_every_command_of_the_documentation() {
    // Examples that differ from a row only in their values.
    let command = |line: &str| {
        let words = words(line);
        let options = words.iter().skip(2).filter(|w| w.starts_with("--"));
        let mut out: Vec<String> = words.iter().take(2).chain(options).cloned().collect();
        out[2..].sort();
        out.retain(|word| word != "--json");
        out[1..].join(" ")
    };
    let on_page: Vec<String> = rows().iter().map(|[before, ..]| command(before)).collect();
    let lines = COMMANDS.lines().filter(|line| !line.starts_with('#'));
    let missing: Vec<&str> = lines.filter(|line| !on_page.contains(&command(line))).collect();
    assert_eq!(missing, ["huggingface-cli login"], "`login` without a token is the same command here");
}
