//! Snapshots of the text output of every command, on one home directory at one time.
//!
//! The commands run in order, so that they show a release from the first scan to its withdrawal. Values that differ
//! between runs (paths, ids, digests, nonces, placeholders) are replaced. `help_snapshots` says how to accept changes.

use std::collections::BTreeSet;

use regex::Regex;

use crate::config_import;
use crate::help_snapshots::command_paths;
use crate::snapshots::{assert_matches_snapshot, assert_snapshots_are};
use crate::world::{World, review_to_end, run_with};

/// Commands without a snapshot, with the reason.
const WITHOUT_SNAPSHOT: &[(&str, &str)] = &[
    ("serve", "runs until it is interrupted"),
    ("cost serve", "runs until it is interrupted"),
    ("mcp", "prints protocol messages only"),
    ("bundle", "has only subcommands"),
    ("bundle create", "prints what `prepare` prints"),
    ("bundle list", "prints what `releases` prints"),
    ("bundle view", "prints what `preview` prints"),
    ("bundle export", "prints what `export` prints"),
    ("bundle share", "prints the next step of `status`"),
    ("selftest", "measures detection, which other tests check; it takes too long here"),
];

/// The lines that are kept of long output for other programs.
const MAX_DATA_LINES: usize = 3;

/// A session of the fixture, long enough to be shown and short enough to be reviewed in one page.
const SESSION: &str = "claude:edd9c3e6";

/// Replaces what differs between two runs.
fn scrub(world: &World, text: &str) -> String {
    let text = text.replace(&world.tmp.path().display().to_string(), "[TMP]");
    let text = text.replace(env!("CARGO_BIN_EXE_clawgate"), "[PROGRAM]");
    let rules = [
        (r"token=\S+", "token=[LINK]"),
        (r"r2026\d{4}-[a-z2-7]{8}", "[RELEASE]"),
        // Before the digests: the text of a page contains decoys, which differ in each run.
        (r"(?s)<untrusted-[a-z2-7]{16}>.*?</untrusted-[a-z2-7]{16}>", "[PAGE]"),
        (r"--nonce [a-z2-7]{16}", "--nonce [NONCE]"),
        (r"\b[0-9a-f]{64}\b", "[DIGEST]"),
        (r"(README\.md|metadata\.json|\.jsonl?)( +)[\d.]+ (kB|B)( +)[0-9a-f]{16}\b", "$1$2[SIZE]$4[DIGEST]"),
        (r"\b(?:[0-9a-f]{16}|[0-9a-f]{20})\b", "[HEX]"),
        (r"\b[0-9a-f]{12}…", "[DIGEST]…"),
        (r#""nonce":"[a-z0-9]{16}""#, "\"nonce\":\"[NONCE]\""),
        (r"machine-[0-9a-f]{6}\b", "machine-[ID]"),
        (r"user_[a-z0-9]{6}\b", "user_[ID]"),
        (r"_[a-z0-9]{6}\]", "_[ID]]"),
        // Decoys change the size of the pages.
        (r"\d+ pages? \([\d,]+ bytes\) read", "[PAGES] read"),
        (r"--cursor \S+", "--cursor [CURSOR]"),
        (r"clawgate 0\.\d+\.\d+", "clawgate [VERSION]"),
        // `.ci/clock` runs the program under faketime, which is a preloaded library.
        (r"(?m)^warn  environment: LD_PRELOAD=\S*faketime.*\n", ""),
    ];
    rules.iter().fold(text, |text, (pattern, with)| {
        Regex::new(pattern).unwrap().replace_all(&text, *with).into_owned()
    })
}

/// Runs commands of one world and compares each output with its snapshot.
struct Session {
    world: World,
    commands: BTreeSet<String>,
    snapshots: BTreeSet<String>,
}

impl Session {
    fn snapshot(&mut self, name: &str, args: &[&str], stdin: &str, max_lines: usize) {
        let ran = run_with(&self.world, args, stdin);
        let mut lines: Vec<&str> = ran.out.lines().collect();
        if lines.len() > max_lines {
            lines.truncate(max_lines);
            lines.push("[...]");
        }
        let mut text = format!("$ clawgate {}\n{}\n", args.join(" "), lines.join("\n"));
        if !ran.err.is_empty() {
            text.push_str(&format!("[stderr]\n{}\n", ran.err.trim_end()));
        }
        text.push_str(&format!("[exit code {}]\n", ran.code));
        assert_matches_snapshot("output", name, &scrub(&self.world, &text));
        assert!(self.snapshots.insert(name.to_owned()), "two outputs named {name}");
        self.commands.insert(args.join(" "));
    }

    /// The output of a command. Without a subcommand, the snapshot has the command's name.
    fn show(&mut self, args: &[&str]) {
        let words = args.iter().take_while(|arg| arg.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
        let words: Vec<&str> = words.copied().filter(|arg| !arg.starts_with("--")).collect();
        self.snapshot(&words.join("_"), args, "", usize::MAX);
    }
}

#[test]
fn the_output_of_every_command_matches_its_snapshot() {
    let mut s = Session {
        world: World::new(&["claude-2.1.329", "codex-0.169.0"]),
        commands: BTreeSet::new(),
        snapshots: BTreeSet::new(),
    };
    let folder = s.world.out().display().to_string();
    let findings = s.world.tmp.path().join("findings.json").display().to_string();
    let words = "The person was asked, and this is their answer.";

    s.snapshot("status_of_an_empty_archive", &["status"], "", usize::MAX);
    s.show(&["scan"]);
    s.show(&["prep"]);
    s.snapshot("score", &["score", SESSION], "", usize::MAX);
    s.snapshot(
        "set-score",
        &["set-score", SESSION, "4", "--reason", "finds and fixes an error"],
        "",
        usize::MAX,
    );
    s.snapshot("score-view", &["score-view", SESSION], "", usize::MAX);
    s.show(&["doctor"]);
    let all = ["update-skill", "all", "--dry-run"];
    s.snapshot("update-skill_all_dry_run", &all, "", usize::MAX);
    let claude = ["update-skill", "claude", "--statusline", "--hooks"];
    s.snapshot("update-skill", &claude, "", usize::MAX);
    s.snapshot("update-skill_remove", &["update-skill", "claude", "--remove"], "", usize::MAX);
    s.snapshot("update-skill_of_an_unknown_agent", &["update-skill", "claud"], "", usize::MAX);
    s.show(&["list"]);
    s.show(&["inbox"]);
    s.snapshot("recent", &["recent", "5"], "", usize::MAX);
    // One session matches: hits of the same rank are in the order in which the scan wrote their sessions.
    s.snapshot("search", &["search", "multiply", "--agent", "codex"], "", usize::MAX);
    s.snapshot("show", &["show", SESSION], "", usize::MAX);
    s.snapshot("segment", &["segment", SESSION], "", usize::MAX);

    s.show(&["cost"]);
    s.snapshot("cost_by_model", &["cost", "--by", "model"], "", usize::MAX);
    s.show(&["cost", "explain"]);
    s.show(&["cost", "verify"]);
    s.show(&["cost", "anomalies"]);
    s.show(&["cost", "alerts"]);
    s.snapshot(
        "cost_otlp",
        &["cost", "otlp", "--endpoint", "http://127.0.0.1:1", "--dry-run"],
        "",
        MAX_DATA_LINES,
    );
    // The rows are in the order in which the scan wrote them.
    s.snapshot("cost_export", &["cost", "export"], "", 1);
    let ledger = "{\"format\":\"clawgate-ledger\",\"version\":1,\"device\":\"laptop\",\"exported\":\"2026-11-20T00:00:00.000Z\"}\n";
    s.snapshot("cost_import", &["cost", "import", "-"], ledger, usize::MAX);
    s.show(&["cost-report"]);
    s.show(&["anomalies"]);
    s.show(&["pricing"]);
    s.show(&["pricing", "show"]);
    s.snapshot(
        "pricing_set",
        &["pricing", "set", "local-model", "--input", "1", "--output", "2"],
        "",
        usize::MAX,
    );
    s.show(&["pricing", "check"]);
    s.snapshot("pricing_import", &["pricing", "import", &findings], "", usize::MAX);
    s.show(&["menubar"]);
    s.snapshot("statusline", &["statusline"], "{}", usize::MAX);
    s.snapshot("hook", &["hook", "claude"], "{}", usize::MAX);

    s.snapshot("publish_before_the_scope_is_confirmed", &["publish"], "", usize::MAX);
    s.snapshot("scope", &["scope", "--confirm"], "", usize::MAX);
    s.snapshot("approve", &["approve", SESSION], "", usize::MAX);
    s.snapshot("block", &["block", "claude:d887a41e"], "", usize::MAX);
    s.snapshot("shortlist", &["shortlist", "claude:d887a41e"], "", usize::MAX);
    s.snapshot("unmark", &["unmark", "claude:d887a41e"], "", usize::MAX);
    s.snapshot("prepare", &["prepare", "--folder", &folder], "", usize::MAX);
    s.show(&["preview"]);
    s.show(&["review"]);
    s.snapshot("pii-review", &["pii-review"], "", MAX_DATA_LINES);
    s.snapshot("pii-apply", &["pii-apply", &findings], "", usize::MAX);
    s.show(&["pii-rubric"]);
    review_to_end(&mut s.world.app());
    let confirm =
        ["confirm", "--skip-full-name-scan", "--attest-full-name", words, "--attest-sensitive", words];
    s.snapshot("confirm", &[&confirm[..], &["--attest-manual-scan", words]].concat(), "", usize::MAX);
    s.show(&["privacy"]);
    s.show(&["status"]);
    s.show(&["keys", "init"]);
    s.show(&["keys", "list"]);
    s.show(&["keys", "rotate"]);
    s.show(&["keys", "export"]);
    s.snapshot("keys_enrol", &["keys", "enrol", "none.json"], "", usize::MAX);
    s.snapshot("keys_remove", &["keys", "remove", "none"], "", usize::MAX);
    s.show(&["keys", "passphrase"]);
    s.show(&["login"]);
    s.show(&["sign"]);
    let handed = s.world.tmp.path().join("handed").display().to_string();
    for step in ["export", "sign", "import", "revoke"] {
        s.snapshot(&format!("cosign_{step}"), &["cosign", step, &handed], "", usize::MAX);
    }
    s.show(&["publish"]);
    s.show(&["publish", "verify"]);
    s.snapshot("withdraw_without_a_person", &["withdraw"], "", usize::MAX);
    s.show(&["releases"]);
    s.snapshot("withdraw_without_asking", &["withdraw", "--yes"], "", usize::MAX);
    s.show(&["stage"]);

    s.show(&["config"]);
    let other = config_import::write(&s.world, "other.json", &config_import::dataclaw());
    s.snapshot("config_import", &["config", "import", &other], "", usize::MAX);
    s.show(&["audit", "log"]);
    s.show(&["audit", "verify"]);
    s.show(&["audit", "show", "1"]);
    let export = s.world.tmp.path().join("audit.jsonl").display().to_string();
    s.snapshot("audit_export", &["audit", "export", "--output", &export], "", usize::MAX);
    s.show(&["audit", "accept"]);
    s.snapshot("verify", &["verify", "no/such-dataset"], "", usize::MAX);
    s.snapshot("redact", &["redact"], "mail ada@lovelace.dev about it\n", usize::MAX);
    s.snapshot("completions", &["completions", "bash"], "", MAX_DATA_LINES);
    s.snapshot("man", &["man", "completions"], "", MAX_DATA_LINES);
    let exported = s.world.tmp.path().join("exported").display().to_string();
    let key = "00".repeat(32);
    let export = ["export", "--session", SESSION, "--output", &exported, "--placeholder-key", &key];
    s.snapshot("export", &export, "", usize::MAX);
    s.snapshot("import", &["import", &exported], "", usize::MAX);
    s.snapshot("diff", &["diff", &exported, &exported], "", usize::MAX);
    s.snapshot("forget", &["forget", "claude:d887a41e", "--yes"], "", usize::MAX);
    s.show(&["demo"]);

    let covered = |path: &[String]| {
        let path = path.join(" ");
        let runs_it = |run: &String| *run == path || run.starts_with(&format!("{path} "));
        path.is_empty()
            || s.commands.iter().any(runs_it)
            || WITHOUT_SNAPSHOT.iter().any(|(command, _)| *command == path)
    };
    let missing: Vec<String> =
        command_paths().iter().filter(|path| !covered(path)).map(|path| path.join(" ")).collect();
    assert!(missing.is_empty(), "add these commands to this test: {missing:?}");
    assert_snapshots_are("output", &s.snapshots);
}
