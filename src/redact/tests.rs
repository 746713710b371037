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
    let pass = ["walnut7", "Secret"].concat();
    let text = format!("DATABASE_URL=postgresql://app:{pass}@81.2.69.77:5432/prod");
    let done = redactor().redact_text(&text);
    assert!(!done.text.contains(&pass) && !done.text.contains("81.2.69"), "{}", done.text);
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
fn the_name_in_a_mail_address_is_an_account() {
    let done =
        redactor().redact_text("mail ada.lovelace7@analytical.dev\nowner: ada.lovelace7, support staff");
    assert!(!done.text.contains("lovelace7"), "{}", done.text);
    let done = redactor().redact_text("mail support@analytical.dev, our support staff");
    assert!(done.text.contains("our support staff"), "{}", done.text);
}

#[test]
fn custom_strings_and_usernames() {
    let policy =
        Policy { custom: vec!["Copperfield".into()], usernames: vec!["bob".into()], ..Policy::default() };
    let mut r = Redactor::new(Engine::builtin().unwrap(), policy, [7; 32]);
    let done = r.redact_text("COPPERFIELD bob bobsled");
    assert!(done.text.contains("bobsled") && done.text.starts_with("[CUSTOM_"), "{}", done.text);
    assert!(!done.text.contains(" bob "), "{}", done.text);
}

mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::rules::{Classes, StreamScanner};

    /// Pieces that rules react to, glued at random.
    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ -~]{0,24}",
            any::<String>().prop_map(|s| s.chars().take(12).collect()),
            (0usize..40).prop_map(token),
            (0usize..40).prop_map(|n| format!("API_KEY={}", &token(n)[4..30])),
            (0usize..40).prop_map(|n| format!("postgres://app:{}@db.host.io/x", &token(n)[4..16])),
            Just("\"password\": \"".to_owned()),
            Just("\\\"secret\\\": \\\"".to_owned()),
            Just("ada.lovelace@analytical.dev".to_owned()),
            Just("/home/pvintergren/src".to_owned()),
            Just("+49 30 1234 5678".to_owned()),
            Just("81.2.69.142".to_owned()),
            Just("\n".to_owned()),
            Just("\\n".to_owned()),
            Just("\"".to_owned()),
            Just("\\".to_owned()),
            Just("\u{1b}[31m".to_owned()),
            Just("\u{1b}[".to_owned()),
            Just("\u{0}".to_owned()),
            Just("-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEAx7Zb3PqL\n".to_owned()),
            Just("Authorization: Bearer ".to_owned()),
            Just("Cookie: session=".to_owned()),
            Just("[EMAIL_abcdef]".to_owned()),
            Just("   12→".to_owned()),
            Just("%3D%22".to_owned()),
            Just("I am Teresa Almodovar".to_owned()),
        ]
    }

    fn text() -> impl Strategy<Value = String> {
        prop::collection::vec(piece(), 0..14).prop_map(|p| p.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn redacting_twice_changes_nothing(t in text()) {
            let once = redactor().redact_text(&t).text;
            let twice = redactor().redact_text(&once).text;
            prop_assert_eq!(once, twice);
        }

        #[test]
        fn redacting_twice_changes_nothing_in_realistic_style_either(t in text()) {
            let policy = Policy {
                options: Options { pseudonyms: Pseudonyms::Realistic, ..Options::default() },
                ..Policy::default()
            };
            let redact = |t: &str| {
                Redactor::new(Engine::builtin().unwrap(), policy.clone(), [7; 32]).redact_text(t).text
            };
            let once = redact(&t);
            prop_assert_eq!(&once, &redact(&once));
        }

        #[test]
        fn lines_stay_and_offsets_fit(t in text()) {
            let done = redactor().redact_text(&t);
            prop_assert_eq!(t.matches('\n').count(), done.text.matches('\n').count());
            let mut last = 0;
            for s in &done.spans {
                prop_assert!(s.start >= last && s.start < s.end && s.end <= t.len());
                prop_assert!(t.is_char_boundary(s.start) && t.is_char_boundary(s.end));
                last = s.end;
            }
            let kept: String = {
                let mut out = String::new();
                let mut at = 0;
                for s in &done.spans {
                    out.push_str(&t[at..s.start]);
                    out.push_str(&s.placeholder);
                    at = s.end;
                }
                out.push_str(&t[at..]);
                out
            };
            prop_assert_eq!(kept.replace('"', ""), done.text.replace('"', ""));
        }

        #[test]
        fn json_stays_json(t in text(), n in 0usize..3, number in any::<u64>()) {
            let mut v = serde_json::json!({ "content": t, "n": number, "password": t });
            for _ in 0..n {
                v = serde_json::json!({ "out": v.to_string(), "ok": true });
            }
            let done = redactor().redact_text(&v.to_string()).text;
            prop_assert!(serde_json::from_str::<serde_json::Value>(&done).is_ok(), "{}", done);
        }

        #[test]
        fn no_token_survives(t in text(), n in 0usize..40) {
            let secret = token(n);
            let done = redactor().redact_text(&format!("{t} {secret} {t}")).text;
            prop_assert!(!done.contains(&secret[4..]), "{}", done);
        }

        #[test]
        fn the_order_of_sessions_does_not_matter(texts in prop::collection::vec(text(), 2..5)) {
            use crate::trace::{Message, Origin, Part, Role, Session};
            let sessions: Vec<Session> = texts.iter().enumerate().map(|(n, t)| {
                let mut s = Session::empty("claude", &n.to_string());
                s.messages.push(Message {
                    id: None,
                    role: Role::User,
                    origin: Origin::Human,
                    at: None,
                    model: None,
                    parts: vec![Part::Text { text: t.clone() }],
                });
                s
            }).collect();
            let redacted = |order: &mut dyn Iterator<Item = &Session>| {
                let mut r = redactor();
                order.for_each(|s| r.collect(s));
                r.redact_session(&sessions[0]).session
            };
            let forward = redacted(&mut sessions.iter());
            let backward = redacted(&mut sessions.iter().rev());
            prop_assert_eq!(format!("{forward:?}"), format!("{backward:?}"));
        }

        #[test]
        fn stream_equals_whole(parts in prop::collection::vec(text(), 1..40), fill in 0usize..4000) {
            let engine = Engine::builtin().unwrap();
            let gap = "lorem ipsum dolor sit amet\n".repeat(fill);
            let parts: Vec<String> = parts.into_iter().map(|p| p + &gap + "\n").collect();
            let whole = parts.concat();
            let mut scanner = StreamScanner::new(engine, Classes::ALL);
            let mut found = Vec::new();
            for p in &parts {
                found.extend(scanner.push(p));
            }
            found.extend(scanner.finish());
            prop_assert_eq!(found, engine.scan(&whole, Classes::ALL));
        }
    }
}

#[test]
fn nul_bytes_and_cut_colours_hide_nothing() {
    let t = token(9);
    let log = format!("{}\u{0}{}{t}\n{}", "x y z\n".repeat(1500), "line\n".repeat(900), "tail\n".repeat(200));
    assert!(!redactor().redact_text(&log).text.contains(&t[4..]));
    let coloured = format!("\u{1b}[1mTOKEN\u{1b}[0m=\u{1b}[33m{t}\u{1b}[0m");
    for cut in (0..coloured.len()).filter(|i| coloured.is_char_boundary(*i)) {
        let done = redactor().redact_text(&coloured[cut..]).text;
        let body = &t[4..];
        let at = coloured.find(body).unwrap();
        // cut inside the colour's own number the rest reads as part of the word, as it would for a person
        if cut <= at - 4 && !coloured[cut..].starts_with(|c: char| c.is_ascii_digit() || c == 'm') {
            assert!(!done.contains(body), "{cut}: {done:?}");
        }
    }
}

#[test]
fn sessions_lose_what_they_give_away_themselves() {
    use crate::trace::{Message, Origin, Part, Role, Session, ToolCall, ToolStatus};
    let secret = token(21);
    let mut s = Session::empty("claude", "one");
    s.project = Some("/home/talmodovar/work/ledger".into());
    let message =
        |parts| Message { id: None, role: Role::User, origin: Origin::Human, at: None, model: None, parts };
    s.messages.push(message(vec![Part::Text {
        text: "I am Teresa Almodovar, mail teresa@copperfield.dev".into(),
    }]));
    s.messages.push(message(vec![Part::Tool(ToolCall {
        name: "Bash".into(),
        input: serde_json::json!({ "command": format!("echo {secret} > /home/talmodovar/x"), "password": "Quartz-Falcon-58!" }),
        output: Some(format!("{} then Quartz-Falcon-58! by talmodovar", &secret[..20])),
        status: ToolStatus::Success,
        ..ToolCall::default()
    })]));
    let mut r = redactor();
    r.collect(&s);
    let done = r.redact_session(&s);
    let text = serde_json::to_string(&done.session).unwrap();
    for gone in ["talmodovar", "Almodovar", "copperfield.dev", "Falcon", &secret[4..14]] {
        assert!(!text.contains(gone), "{gone} in {text}");
    }
    assert!(text.contains("/work/ledger"));
    assert!(done.counts.values().sum::<u64>() >= 6);
    assert!(done.findings.iter().all(|f| !f.masked.contains("Falcon")));
    assert_eq!(r.sealed_scanner().scan(text.as_bytes()), vec![]);
    assert!(!r.sealed_scanner().scan(format!("{text}{secret}").as_bytes()).is_empty());
}

#[test]
fn the_filter_answers_every_line_in_order() {
    let engine = Engine::builtin().unwrap();
    let input = format!(
        "{}\nnot json\n{}\n",
        serde_json::json!({"id": 1, "text": token(2)}),
        serde_json::json!({"id": "b", "text": "plain"})
    );
    let mut out = Vec::new();
    filter(engine, &Policy::default(), [7; 32], &Detectors::default(), input.as_bytes(), &mut out).unwrap();
    let lines: Vec<serde_json::Value> =
        String::from_utf8(out).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["spans"][0]["end"], 40);
    assert_eq!(lines[0]["spans"][0]["type"], "GITHUB_TOKEN");
    assert!(lines[1]["error"].is_string());
    assert_eq!(lines[2], serde_json::json!({"id": "b", "text": "plain", "spans": []}));
}

#[test]
fn kept_and_reported_values() {
    let mut r = redactor();
    let id = r.value_id("EMAIL", "ada@lovelace.dev");
    let policy = Policy { keep: [id].into(), ..Policy::default() };
    let mut keeping = Redactor::new(Engine::builtin().unwrap(), policy, [7; 32]);
    assert_eq!(keeping.redact_text("mail Ada@lovelace.dev").text, "mail Ada@lovelace.dev");
    r.add_values(&[("codename".into(), "Project Kestrel".into())]);
    let done = r.redact_text("about project kestrel now").text;
    assert!(done.starts_with("about [CODENAME_"), "{done}");
}
