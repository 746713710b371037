//! `docs/troubleshooting.md`: it has every refusal and failure that the program can print, and quotes no message that the
//! program does not have.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The production code, without line continuations and escapes inside strings.
fn source() -> String {
    let mut text = String::new();
    for entry in walkdir::WalkDir::new(root().join("src")).sort_by_file_name() {
        let path = entry.unwrap().into_path();
        if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            let file = fs::read_to_string(&path).unwrap();
            text.push_str(file.split("#[cfg(test)]\nmod tests {").next().unwrap());
        }
    }
    let continued = Regex::new(r"\\\n\s*").unwrap();
    continued.replace_all(&text, "").replace("\\\"", "\"")
}

fn page() -> String {
    fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap()
}

fn all(pattern: &str, text: &str) -> BTreeSet<String> {
    Regex::new(pattern).unwrap().captures_iter(text).map(|found| found[1].to_owned()).collect()
}

/// The codes of everything except wrong usage, whose messages say what is possible.
fn codes(source: &str) -> BTreeSet<String> {
    let patterns = [
        r#"\bfailed\(\s*"([a-z_]+)""#,
        r#"Kind::(?:Refused|HumanNeeded|Failed|Cancelled),\s*"([a-z_]+)""#,
        r#"\brefused\("([a-z_]+)""#,
    ];
    patterns.iter().flat_map(|pattern| all(pattern, source)).collect()
}

/// The quoted messages of the tables, which are in the first column.
fn messages(page: &str) -> Vec<String> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.flat_map(|row| {
        let cell = row.split(" | ").next().unwrap().trim_end_matches('`');
        cell.split("`, `").map(str::to_owned).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn every_code_of_a_refusal_or_failure_is_on_the_page() {
    let (source, page) = (source(), page());
    let codes = codes(&source);
    assert!(codes.len() > 60, "only {codes:?}");
    let missing: Vec<_> = codes.iter().filter(|code| !page.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "docs/troubleshooting.md lacks {missing:?}");
    let meanings = all(r#"RefusalCode::\w+ => \{?\s*"([^"]+)""#, &source);
    assert!(meanings.len() > 20, "only {meanings:?}");
    let missing: Vec<_> = meanings.iter().filter(|text| !page.contains(&format!("`{text}`"))).collect();
    assert!(missing.is_empty(), "docs/troubleshooting.md lacks {missing:?}");
}

#[test]
fn every_quoted_message_is_one_of_the_program() {
    let (source, page) = (source(), page());
    let messages = messages(&page);
    assert!(messages.len() > 100, "only {} messages were found", messages.len());
    let mut unknown = Vec::new();
    for message in &messages {
        let parts = message.split('…').map(|part| part.trim_matches([' ', '.', ',', ':', '(', ')', ';']));
        let missing: Vec<&str> = parts.filter(|part| part.len() > 2 && !source.contains(part)).collect();
        if !missing.is_empty() {
            unknown.push(format!("{message}: {missing:?}"));
        }
    }
    assert!(unknown.is_empty(), "the program has no such message: {unknown:#?}");
}

#[test]
fn the_rules_of_the_page_can_fail() {
    let source = r#"Failure::failed("one", x); Failure::new(Kind::Refused, "two", y); refused("three", z); usage("four", w)"#;
    assert_eq!(codes(source), ["one", "three", "two"].map(str::to_owned).into());
    let page = "| message | code |\n|---|---|\n| `It … failed.` | `one` |\n| `a`, `b` | `two` |\n| no message | `x` |\n";
    assert_eq!(messages(page), ["It … failed.", "a", "b"]);
}
