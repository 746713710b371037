//! Properties of the redactor as a whole.

use crate::rules::Engine;

use super::*;

fn redactor() -> Redactor<'static> {
    Redactor::new(Engine::builtin().unwrap(), Policy::default(), [7; 32])
}

/// A token assembled at run time.
fn token(seed: usize) -> String {
    let a = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let body: String = (0..36).map(|i| char::from(a[(seed * 31 + i * i * 7 + i * 13) % a.len()])).collect();
    ["gh", "p_"].concat() + &body
}

#[test]
fn nested_json_stays_json_and_loses_the_token() {
    let t = token(3);
    let inner = serde_json::json!({ "GITHUB_TOKEN": t, "n": 1 }).to_string();
    let text = serde_json::json!({ "type": "tool_result", "content": serde_json::json!({ "out": inner }).to_string() }).to_string();
    let done = redactor().redact_text(&text);
    assert!(!done.text.contains(&t[4..12]), "{}", done.text);
    serde_json::from_str::<serde_json::Value>(&done.text).unwrap();
}

#[test]
fn overlapping_findings_lose_nothing() {
    let pass = ["hunter2", "Secret"].concat();
    let text = format!("DATABASE_URL=postgresql://app:{pass}@54.12.33.10:5432/prod");
    let done = redactor().redact_text(&text);
    assert!(!done.text.contains(&pass) && !done.text.contains("54.12.33"), "{}", done.text);
}

#[test]
fn a_token_set_to_a_word_does_not_eat_the_word() {
    let done = redactor().redact_text("TOKEN=production\nNODE_ENV=production");
    assert!(done.text.contains("NODE_ENV=production"), "{}", done.text);
}

#[test]
fn repeats_without_context_go_too() {
    let v = ["kq7Zp2Xw9", "Rt4Lm6Nv8Bc3"].concat();
    let done = redactor().redact_text(&format!("API_TOKEN={v}\nthen argv {v} and {}...", &v[..12]));
    assert!(!done.text.contains(&v[..8]), "{}", done.text);
}

#[test]
fn custom_strings_and_usernames() {
    let policy =
        Policy { custom: vec!["Northwind".into()], usernames: vec!["bob".into()], ..Policy::default() };
    let mut r = Redactor::new(Engine::builtin().unwrap(), policy, [7; 32]);
    let done = r.redact_text("NORTHWIND bob bobsled");
    assert!(done.text.contains("bobsled") && done.text.starts_with("[CUSTOM_"), "{}", done.text);
    assert!(!done.text.contains(" bob "), "{}", done.text);
}
