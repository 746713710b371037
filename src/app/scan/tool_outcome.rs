//! What a tool call did, as far as badges want to know: which command it ran, whether that was a test or a build and
//! how it went, and which files it changed.

use std::borrow::Cow;

use serde_json::Value;

use crate::trace::{ToolCall, ToolStatus};

/// What a command was run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Tests.
    Tests,
    /// A build or a type check.
    Build,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
}

/// Commands that run tests, by their first words.
const TESTS: &[&str] = &[
    "cargo test",
    "cargo t",
    "cargo nextest",
    "pytest",
    "py.test",
    "tox",
    "nox",
    "python -m pytest",
    "python3 -m pytest",
    "python -m unittest",
    "python3 -m unittest",
    "uv run pytest",
    "poetry run pytest",
    "npm test",
    "npm t",
    "npm run test",
    "yarn test",
    "yarn run test",
    "pnpm test",
    "pnpm run test",
    "bun test",
    "deno test",
    "jest",
    "vitest",
    "mocha",
    "npx jest",
    "npx vitest",
    "npx mocha",
    "npx playwright test",
    "node --test",
    "go test",
    "make test",
    "make check",
    "just test",
    "ctest",
    "mvn test",
    "mvn verify",
    "./mvnw test",
    "gradle test",
    "./gradlew test",
    "dotnet test",
    "swift test",
    "mix test",
    "rspec",
    "bundle exec rspec",
    "rake test",
    "phpunit",
    "vendor/bin/phpunit",
    "./vendor/bin/phpunit",
    "composer test",
    "flutter test",
    "sbt test",
    "zig build test",
    "bats",
];

/// Commands that build or check types.
const BUILDS: &[&str] = &[
    "cargo build",
    "cargo b",
    "cargo check",
    "cargo c",
    "cargo clippy",
    "npm run build",
    "yarn build",
    "yarn run build",
    "pnpm build",
    "pnpm run build",
    "bun run build",
    "tsc",
    "npx tsc",
    "go build",
    "go vet",
    "make",
    "cmake --build",
    "ninja",
    "meson compile",
    "mvn package",
    "mvn compile",
    "mvn install",
    "./mvnw package",
    "gradle build",
    "./gradlew build",
    "./gradlew assemble",
    "dotnet build",
    "swift build",
    "xcodebuild",
    "docker build",
    "bazel build",
    "gcc",
    "g++",
    "clang",
    "clang++",
    "rustc",
    "javac",
    "webpack",
    "npx webpack",
    "vite build",
    "npx vite build",
    "next build",
    "npx next build",
    "zig build",
    "sbt compile",
    "mix compile",
    "flutter build",
];

/// Marks of failing tests in output whose exit status a pipe may have swallowed. Lower case.
const FAILED: &[&str] = &[
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

/// Only the end of an output is looked at, where runners write their sums.
const TAIL: usize = 4096;

/// The command that a call ran in a shell.
pub(super) fn command(input: &Value) -> Option<Cow<'_, str>> {
    let map = input.as_object()?;
    // A file tool may call what it does a command.
    if ["path", "file_path", "filePath"].iter().any(|k| map.contains_key(*k)) {
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

/// Whether a command ran tests or a build, and how that went; nothing where it was neither or has not ended.
pub(super) fn judge(command: &str, call: &ToolCall) -> Option<(Kind, Verdict)> {
    let kind = kind(command)?;
    let failed = match call.status {
        ToolStatus::Pending | ToolStatus::Denied => return None,
        ToolStatus::Error => true,
        ToolStatus::Success if call.exit_code.is_some_and(|c| c != 0) => true,
        ToolStatus::Success => says_failed(kind, call.output.as_deref().unwrap_or_default()),
    };
    Some((kind, if failed { Verdict::Failed } else { Verdict::Passed }))
}

/// Tests win over builds where a line runs both.
fn kind(command: &str) -> Option<Kind> {
    let mut found = None;
    for step in command.split(['\n', ';', '&', '|']) {
        let words = step.trim_start_matches(['(', '{', ' ', '\t']);
        // Variables and wrappers before the command itself.
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
        if runs(TESTS) || is_test_file(rest) {
            return Some(Kind::Tests);
        }
        if runs(BUILDS) {
            found = Some(Kind::Build);
        }
    }
    found
}

/// Whether a command runs a file that is named for tests: `python3 test_calc.py`, `./run_tests.sh`.
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

/// Whether an output says that something failed although the status does not.
fn says_failed(kind: Kind, output: &str) -> bool {
    let from = border(output, output.len().saturating_sub(TAIL));
    let tail = output[from..].to_ascii_lowercase();
    match kind {
        Kind::Tests => FAILED.iter().any(|mark| tail.contains(mark)) || counted_failures(&tail),
        Kind::Build => tail.contains("error: could not compile") || tail.contains("build failed"),
    }
}

/// The nearest border of a character at or before a byte.
pub(super) fn border(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// `3 failed`, `2 failing`, `1 error`: a figure other than 0 before the word.
fn counted_failures(tail: &str) -> bool {
    let words: Vec<&str> = tail.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    words.windows(2).any(|w| {
        matches!(w[1], "failed" | "failing" | "failures") && w[0].parse::<u64>().is_ok_and(|n| n > 0)
    })
}

/// Hands out the path of every file that a call changed.
pub(super) fn files(call: &ToolCall, each: &mut dyn FnMut(&str)) {
    let name = call.name.to_ascii_lowercase();
    let changes = ["edit", "write", "create", "replace", "insert", "patch", "notebook", "delete_file"]
        .iter()
        .any(|w| name.contains(w));
    match &call.input {
        Value::String(patch) => patched(patch, each),
        Value::Object(map) => {
            if changes && map.get("command").and_then(Value::as_str) != Some("view") {
                let keys = [
                    "file_path",
                    "filePath",
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
            // Patches come as an argument of their own or in a shell's command.
            for text in map.values() {
                match text {
                    Value::String(text) => patched(text, each),
                    Value::Array(words) => {
                        words.iter().filter_map(Value::as_str).for_each(|w| patched(w, each))
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// The files of a patch in the form `*** Update File: path`.
fn patched(text: &str, each: &mut dyn FnMut(&str)) {
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
    fn commands_are_known_in_every_shape_of_input() {
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
    fn test_and_build_runs_are_told_from_other_commands() {
        for (command, expected) in [
            ("cargo test --locked", Some(Kind::Tests)),
            ("cd app && RUST_LOG=x timeout 60 cargo test | tail", Some(Kind::Tests)),
            ("npm run test:unit", Some(Kind::Tests)),
            ("make", Some(Kind::Build)),
            ("make test", Some(Kind::Tests)),
            ("cargo build && cargo test", Some(Kind::Tests)),
            ("python3 test_calc.py -v", Some(Kind::Tests)),
            ("./scripts/run-tests.sh", Some(Kind::Tests)),
            ("node 'src/a.test.js'", Some(Kind::Tests)),
            ("cat test_calc.py", None),
            ("python3 -c 'print(1)'", None),
            ("bash ./deploy.sh", None),
            ("tsc --noEmit", Some(Kind::Build)),
            ("makefile-lint", None),
            ("echo cargo test", None),
            ("grep -r pytest .", None),
            ("", None),
        ] {
            assert_eq!(kind(command), expected, "{command}");
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
            assert_eq!(says_failed(Kind::Tests, output), failed, "{output}");
        }
        assert!(says_failed(Kind::Tests, &format!("{}1 failed", "é ".repeat(9000))));
    }
}
