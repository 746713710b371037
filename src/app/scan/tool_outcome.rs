//! Derives from a tool call which command it ran, whether that was a test or build run and how it ended, and which files
//! the call changed. Badges are based on this.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde_json::Value;

use crate::trace::{ToolCall, ToolStatus};

/// Kind of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunKind {
    Tests,
    /// A build or a type check.
    Build,
}

/// Result of a test or build run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunOutcome {
    Passed,
    Failed,
}

/// Prefixes of commands that run tests.
static TEST_COMMANDS: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("test_commands.txt").lines().collect());

/// Prefixes of commands that build or check types.
static BUILD_COMMANDS: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("build_commands.txt").lines().collect());

/// Signs of failed tests in an output, in lower case. They are needed because the exit status is that of the last command
/// of a pipe, such as `tail`.
const FAILURE_MARKS: &[&str] = &[
    "test result: failed",
    "--- fail",
    "failures:",
    "assertionerror",
    "tests failed",
    "test failed",
    "failed (errors=",
    "failed (failures=",
    "not ok ",
    "build failure",
    "npm err!",
];

/// Number of bytes at the end of an output that are searched for failures. Test runners print their summary there.
const TAIL_BYTES: usize = 4096;

/// Returns the shell command that a call ran.
pub(super) fn command(input: &Value) -> Option<Cow<'_, str>> {
    let map = input.as_object()?;
    // Some file tools have an argument `command` for what to do with the file.
    if ["path", "file_path", "filePath", "filepath"].iter().any(|k| map.contains_key(*k)) {
        return None;
    }
    match ["command", "cmd", "script"].iter().find_map(|k| map.get(*k))? {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Array(words) => {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            match words[..] {
                [] => None,
                // `bash -lc "…"`: the script is the command.
                [_, flags, script] if flags.starts_with('-') && flags.ends_with('c') => {
                    Some(Cow::Borrowed(script))
                }
                _ => Some(Cow::Owned(words.join(" "))),
            }
        }
        _ => None,
    }
}

/// Returns the kind and outcome of a test or build run; `None` if the command was neither or has not ended.
pub(super) fn run_outcome(command: &str, call: &ToolCall) -> Option<(RunKind, RunOutcome)> {
    let kind = run_kind(command)?;
    let failed = match call.status {
        ToolStatus::Pending | ToolStatus::Denied => return None,
        ToolStatus::Error => true,
        ToolStatus::Success if call.exit_code.is_some_and(|c| c != 0) => true,
        ToolStatus::Success => reports_failure(kind, call.output.as_deref().unwrap_or_default()),
    };
    Some((kind, if failed { RunOutcome::Failed } else { RunOutcome::Passed }))
}

/// Returns the kind of run that a command is. A command that builds and tests is a test run.
fn run_kind(command: &str) -> Option<RunKind> {
    let mut found = None;
    for step in command.split(['\n', ';', '&', '|']) {
        let words = step.trim_start_matches(['(', '{', ' ', '\t']);
        // Skip variables and wrappers such as `timeout 60` in front of the command.
        let mut rest = words;
        while let Some((first, after)) = rest.split_once(' ') {
            let variable = first.contains('=') && !first.starts_with(['-', '"', '\'']);
            if !variable
                && !matches!(first, "sudo" | "time" | "env" | "nice" | "exec" | "command" | "timeout")
            {
                let seconds = !first.is_empty() && first.bytes().all(|b| b.is_ascii_digit() || b == b's');
                if !seconds && !first.is_empty() {
                    break;
                }
            }
            rest = after;
        }
        let runs = |list: &[&str]| {
            list.iter().any(|c| {
                rest.strip_prefix(c)
                    .is_some_and(|r| r.is_empty() || r.starts_with(|c: char| c.is_whitespace() || c == ':'))
            })
        };
        if runs(&TEST_COMMANDS) || is_test_file(rest) {
            return Some(RunKind::Tests);
        }
        if runs(&BUILD_COMMANDS) {
            found = Some(RunKind::Build);
        }
    }
    found
}

/// Returns whether a command runs a file with a test-like name: `python3 test_calc.py`, `./run_tests.sh`.
fn is_test_file(command: &str) -> bool {
    const INTERPRETERS: [&str; 9] = ["python", "python3", "node", "ruby", "php", "perl", "bash", "sh", "bun"];
    let mut words = command.split_whitespace();
    let Some(program) = words.next() else { return false };
    let file = match program {
        p if INTERPRETERS.contains(&p) => words.next().filter(|w| !w.starts_with('-')),
        p => Some(p).filter(|p| p.contains('/')),
    };
    let Some(name) = file.and_then(|f| f.trim_matches(['"', '\'']).rsplit('/').next()) else { return false };
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_ascii_lowercase();
    let mut parts = stem.split(|c: char| !c.is_ascii_alphanumeric());
    let named = |part: Option<&str>| matches!(part, Some("test" | "tests" | "spec"));
    named(parts.next()) || named(parts.next_back())
}

/// Returns whether an output reports a failure. The exit status may not, if the command is in a pipe.
fn reports_failure(kind: RunKind, output: &str) -> bool {
    let from = output.floor_char_boundary(output.len().saturating_sub(TAIL_BYTES));
    let tail = output[from..].to_ascii_lowercase();
    match kind {
        RunKind::Tests => FAILURE_MARKS.iter().any(|mark| tail.contains(mark)) || counted_failures(&tail),
        RunKind::Build => tail.contains("error: could not compile") || tail.contains("build failed"),
    }
}

/// Returns whether a text counts failures: `3 failed` or `2 failing`, but not `0 failed`.
fn counted_failures(tail: &str) -> bool {
    let words: Vec<&str> = tail.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    words.windows(2).any(|w| {
        matches!(w[1], "failed" | "failing" | "failures") && w[0].parse::<u64>().is_ok_and(|n| n > 0)
    })
}

/// Calls `each` with the path of every file that a call changed.
pub(super) fn changed_files(call: &ToolCall, each: &mut dyn FnMut(&str)) {
    let name = call.name.to_ascii_lowercase();
    let changes =
        ["edit", "write", "create", "replace", "insert", "patch", "notebook", "delete_file", "apply_diff"]
            .iter()
            .any(|w| name.contains(w));
    match &call.input {
        Value::String(patch) => patched_files(patch, each),
        Value::Object(map) => {
            if changes && map.get("command").and_then(Value::as_str) != Some("view") {
                let keys = [
                    "file_path",
                    "filePath",
                    "filepath",
                    "path",
                    "absolute_path",
                    "notebook_path",
                    "target_file",
                    "filename",
                    "file",
                ];
                if let Some(path) = keys.iter().find_map(|k| map.get(*k).and_then(Value::as_str)) {
                    each(path);
                }
            }
            // A patch is an argument or part of a shell command.
            for text in map.values() {
                match text {
                    Value::String(text) => patched_files(text, each),
                    Value::Array(words) => {
                        words.iter().filter_map(Value::as_str).for_each(|w| patched_files(w, each))
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// Calls `each` with the files of a patch in the form `*** Update File: path`.
fn patched_files(text: &str, each: &mut dyn FnMut(&str)) {
    if memchr::memmem::find(text.as_bytes(), b"*** Begin Patch").is_none() {
        return;
    }
    for line in text.lines() {
        let Some(rest) = line.trim_start().strip_prefix("*** ") else { continue };
        for verb in ["Update File: ", "Add File: ", "Delete File: "] {
            if let Some(path) = rest.strip_prefix(verb) {
                each(path.trim());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_command_is_found_in_every_form_of_input() {
        let of = |v: Value| command(&v).map(Cow::into_owned);
        assert_eq!(of(json!({ "command": "ls" })).unwrap(), "ls");
        assert_eq!(of(json!({ "cmd": "ls" })).unwrap(), "ls");
        assert_eq!(of(json!({ "command": ["bash", "-lc", "cargo test"] })).unwrap(), "cargo test");
        assert_eq!(of(json!({ "command": ["git", "log", "-1"] })).unwrap(), "git log -1");
        for other in
            [json!({}), json!("ls"), json!({ "command": "view", "path": "/a" }), json!({ "command": 3 })]
        {
            assert_eq!(of(other), None);
        }
    }

    #[test]
    fn test_and_build_runs_are_distinguished_from_other_commands() {
        for (command, expected) in [
            ("cargo test --locked", Some(RunKind::Tests)),
            ("cd app && RUST_LOG=x timeout 60 cargo test | tail", Some(RunKind::Tests)),
            ("npm run test:unit", Some(RunKind::Tests)),
            ("make", Some(RunKind::Build)),
            ("make test", Some(RunKind::Tests)),
            ("cargo build && cargo test", Some(RunKind::Tests)),
            ("python3 test_calc.py -v", Some(RunKind::Tests)),
            ("./scripts/run-tests.sh", Some(RunKind::Tests)),
            ("node 'src/a.test.js'", Some(RunKind::Tests)),
            ("cat test_calc.py", None),
            ("python3 -c 'print(1)'", None),
            ("bash ./deploy.sh", None),
            ("tsc --noEmit", Some(RunKind::Build)),
            ("makefile-lint", None),
            ("echo cargo test", None),
            ("grep -r pytest .", None),
            ("", None),
        ] {
            assert_eq!(run_kind(command), expected, "{command}");
        }
    }

    #[test]
    fn a_pipe_does_not_hide_a_failure() {
        for (output, failed) in [
            ("5 passed, 1 failed", true),
            ("test result: ok. 12 passed; 0 failed; 0 ignored", false),
            ("Tests: 1 failed, 3 total", true),
            ("  2 failing", true),
            ("OK (12 tests)", false),
            ("--- FAIL: TestX (0.00s)", true),
            ("FAILED (errors=1)", true),
            ("", false),
        ] {
            assert_eq!(reports_failure(RunKind::Tests, output), failed, "{output}");
        }
        assert!(reports_failure(RunKind::Tests, &format!("{}1 failed", "é ".repeat(9000))));
    }
}
