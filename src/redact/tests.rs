//! Tests of the redactor as a whole.

use crate::rules::Engine;

use super::*;

pub(super) fn redactor() -> Redactor<'static> {
    Redactor::new(Engine::builtin().unwrap(), Policy::default(), [7; 32])
}

/// Makes a token at run time, so that no token is in the source.
pub(super) fn token(seed: usize) -> String {
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
fn an_account_with_a_dot_is_known_in_folder_names_too() {
    let done =
        redactor().redact_text("cd /home/marit.solheim/x; ls ~/.claude/projects/-home-marit-solheim-api");
    assert!(!done.text.contains("marit") && !done.text.contains("solheim"), "{}", done.text);
    assert!(done.text.ends_with("-api"), "{}", done.text);
}

#[test]
fn overlapping_findings_lose_nothing() {
    let pass = ["walnut7", "Secret"].concat();
    let text = format!("DATABASE_URL=postgresql://app:{pass}@81.2.69.77:5432/prod");
    let done = redactor().redact_text(&text);
    assert!(!done.text.contains(&pass) && !done.text.contains("81.2.69"), "{}", done.text);
}

#[test]
fn a_word_that_a_token_is_set_to_stays_elsewhere() {
    let done = redactor().redact_text("TOKEN=production\nNODE_ENV=production");
    assert!(done.text.contains("NODE_ENV=production"), "{}", done.text);
}

#[test]
fn a_known_value_is_removed_without_context_and_cut_short() {
    let v = ["kq7Zp2Xw9", "Rt4Lm6Nv8Bc3"].concat();
    let done = redactor().redact_text(&format!("API_TOKEN={v}\nthen argv {v} and {}...", &v[..12]));
    assert!(!done.text.contains(&v[..8]), "{}", done.text);
}

#[test]
fn the_local_part_of_a_mail_address_is_an_account_name() {
    let done =
        redactor().redact_text("mail ada.lovelace7@analytical.dev\nowner: ada.lovelace7, support staff");
    assert!(!done.text.contains("lovelace7"), "{}", done.text);
    let done = redactor().redact_text("mail support@analytical.dev, our support staff");
    assert!(done.text.contains("our support staff"), "{}", done.text);
}

#[test]
fn custom_strings_are_removed_everywhere_and_user_names_as_words() {
    let policy =
        Policy { custom: vec!["Copperfield".into()], usernames: vec!["bob".into()], ..Policy::default() };
    let mut r = Redactor::new(Engine::builtin().unwrap(), policy, [7; 32]);
    let done = r.redact_text("COPPERFIELD bob bobsled");
    assert!(done.text.contains("bobsled") && done.text.starts_with("[CUSTOM_"), "{}", done.text);
    assert!(!done.text.contains(" bob "), "{}", done.text);
}

#[test]
fn nul_bytes_and_cut_colours_hide_no_token() {
    let t = token(9);
    let log = format!("{}\u{0}{}{t}\n{}", "x y z\n".repeat(1500), "line\n".repeat(900), "tail\n".repeat(200));
    assert!(!redactor().redact_text(&log).text.contains(&t[4..]));
    let coloured = format!("\u{1b}[1mTOKEN\u{1b}[0m=\u{1b}[33m{t}\u{1b}[0m");
    for cut in (0..coloured.len()).filter(|i| coloured.is_char_boundary(*i)) {
        let done = redactor().redact_text(&coloured[cut..]).text;
        let body = &t[4..];
        let at = coloured.find(body).unwrap();
        // If the cut is inside the number of the colour, its rest reads as part of the word, as it would for a person.
        if cut <= at - 4 && !coloured[cut..].starts_with(|c: char| c.is_ascii_digit() || c == 'm') {
            assert!(!done.contains(body), "{cut}: {done:?}");
        }
    }
}

#[test]
fn a_value_that_one_field_reveals_is_removed_from_the_whole_session() {
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
    assert_eq!(r.sealed_scanner().unwrap().scan(text.as_bytes()), vec![]);
    assert!(!r.sealed_scanner().unwrap().scan(format!("{text}{secret}").as_bytes()).is_empty());
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
    let detectors = Detectors::default();
    let filter = RedactFilter::new(engine, Policy::default(), [7; 32], &detectors);
    filter.filter_lines(input.as_bytes(), &mut out).unwrap();
    let lines: Vec<serde_json::Value> =
        String::from_utf8(out).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["spans"][0]["end"], 40);
    assert_eq!(lines[0]["spans"][0]["type"], "GITHUB_TOKEN");
    assert!(lines[1]["error"].is_string());
    assert_eq!(lines[2], serde_json::json!({"id": "b", "text": "plain", "spans": []}));
}

#[test]
fn a_kept_value_stays_and_a_reported_value_is_removed() {
    let mut r = redactor();
    let id = r.value_id("EMAIL", "ada@lovelace.dev");
    let policy = Policy { keep: [id].into(), ..Policy::default() };
    let mut keeping = Redactor::new(Engine::builtin().unwrap(), policy, [7; 32]);
    assert_eq!(keeping.redact_text("mail Ada@lovelace.dev").text, "mail Ada@lovelace.dev");
    r.add_values(&[("codename".into(), "Project Kestrel".into())]);
    let done = r.redact_text("about project kestrel now").text;
    assert!(done.starts_with("about [CODENAME_"), "{done}");
}

fn realistic() -> Redactor<'static> {
    let policy = Policy {
        options: Options { placeholder_style: PlaceholderStyle::Realistic, ..Options::default() },
        ..Policy::default()
    };
    Redactor::new(Engine::builtin().unwrap(), policy, [7; 32])
}

/// Regressions that the property tests found.
#[test]
fn texts_that_once_changed_when_redacted_twice_do_not() {
    for text in ["\\\"secret\\\": \\\"81.2.69.142[EMAIL_abcdef]Authorization: Bearer "] {
        for make in [redactor, realistic] {
            let once = make().redact_text(text).text;
            assert_eq!(once, make().redact_text(&once).text, "{text:?}");
        }
    }
}

#[test]
fn a_colour_that_spans_json_strings_leaves_valid_json() {
    let text =
        serde_json::json!({ "content": "<password>\u{1b}[", "n": 100_000, "password": "<password>\u{1b}[" });
    let done = redactor().redact_text(&text.to_string()).text;
    assert!(serde_json::from_str::<serde_json::Value>(&done).is_ok(), "{done}");
}

#[test]
fn a_token_inside_a_passphrase_is_known_as_a_value_of_its_own() {
    let t = token(32);
    let text = format!("ada@analytical.dev{t}\"password\": \" {t} ada@analytical.dev{t}\"");
    let done = redactor().redact_text(&text).text;
    assert!(!done.contains(&t[4..]), "{done}");
}

#[test]
fn no_two_values_share_a_realistic_placeholder() {
    let phones: Vec<String> = (0..400).map(|n| format!("+49 30 {:07}", 1_234_567 + n * 7919)).collect();
    let hosts: Vec<String> = (0..600).map(|n| format!("81.2.{}.{}", n / 200 + 60, n % 200 + 7)).collect();
    let text = phones.iter().chain(&hosts).map(|v| format!("at {v} now\n")).collect::<String>();
    let done = realistic().redact_text(&text).text;
    let (mut seen, mut plain) = (std::collections::HashSet::new(), 0);
    for line in done.lines() {
        assert!(seen.insert(line), "{line}");
        plain += usize::from(!line.contains('['));
    }
    assert_eq!(seen.len(), 1000);
    assert!(plain > 500, "only {plain} are realistic");
}

fn session_of(texts: &[&str]) -> crate::trace::Session {
    use crate::trace::{Message, Origin, Part, Role, Session};
    let message = |text: &&str| Message {
        id: None,
        role: Role::User,
        origin: Origin::Human,
        at: None,
        model: None,
        parts: vec![Part::Text { text: (*text).to_owned() }],
    };
    Session { messages: texts.iter().map(message).collect(), ..Session::empty("claude", "one") }
}

#[test]
fn no_realistic_placeholder_is_equal_to_a_literal_of_the_release() {
    let values = ["81.2.69.142", "+49 30 1234567", "ada.lovelace@mill.fi"];
    let placeholders = values.map(|v| realistic().redact_text(&format!("at {v} now")).text);
    let literals: Vec<&str> = placeholders.iter().map(|t| &t[3..t.len() - 4]).collect();
    let first = session_of(&values.map(|v| format!("at {v} now")).each_ref().map(String::as_str));
    let second = crate::trace::Session {
        key: crate::trace::SessionKey::new("claude", "two"),
        ..session_of(&literals)
    };
    let mut r = realistic();
    r.collect(&first);
    r.collect(&second);
    let done = serde_json::to_string(&r.redact_session(&first).session.messages).unwrap();
    for (value, literal) in values.iter().zip(&literals) {
        assert!(!done.contains(value) && !done.contains(literal), "{literal} in {done}");
    }
    let kept = serde_json::to_string(&r.redact_session(&second).session.messages).unwrap();
    assert!(literals.iter().all(|literal| kept.contains(literal)), "{kept}");
}

#[test]
fn different_ids_of_messages_and_calls_stay_different() {
    use crate::trace::{Part, ToolCall};
    let policy = Policy { custom: vec!["Acme Works".to_owned()], ..Policy::default() };
    let mut r = Redactor::new(Engine::builtin().unwrap(), policy, [7; 32]);
    let with = r.redact_text("acme works").text;
    let mut s = session_of(&["a", "b", "c", "d"]);
    let ids = ["acme-works", "AcmeWorks", "acme-works", &format!("{with}-2")];
    for (message, id) in s.messages.iter_mut().zip(ids) {
        message.id = Some(id.to_owned());
        let call = |id: &str| Part::Tool(ToolCall { id: id.to_owned(), ..ToolCall::default() });
        message.parts = vec![call(&format!("toolu_{id}"))];
    }
    let done = r.redact_session(&s).session;
    let ids: Vec<&str> = done.messages.iter().filter_map(|m| m.id.as_deref()).collect();
    assert_eq!(ids, [&with, &format!("{with}-3"), &with, &format!("{with}-2")]);
    let calls: Vec<&str> = done
        .messages
        .iter()
        .flat_map(|m| &m.parts)
        .filter_map(|p| if let Part::Tool(call) = p { Some(call.id.as_str()) } else { None })
        .collect();
    assert!(calls[0] == calls[2] && calls[0] != calls[1], "{calls:?}");
}

#[test]
fn custom_strings_that_touch_keep_their_placeholders() {
    let policy =
        Policy { custom: ["Acme", "Globex", "Zürich"].map(str::to_owned).into(), ..Policy::default() };
    let mut r = Redactor::new(Engine::builtin().unwrap(), policy, [7; 32]);
    let [acme, globex, zurich] = ["Acme", "Globex", "Zürich"].map(|name| r.redact_text(name).text);
    let encoded = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    for text in
        ["AcmeGlobex", "ACMEGLOBEX", "Acm%65%47lobex", "Acm\\u0065\\u0047lobex", &encoded("AcmeGlobex")]
    {
        assert_eq!(r.redact_text(text).text, format!("{acme}{globex}"), "{text}");
    }
    for text in ["GlobexZürich", &encoded("GlobexZürich"), "Globe%78%5a%c3%bcrich", "Globex&#90;&uuml;rich"]
    {
        assert_eq!(r.redact_text(text).text, format!("{globex}{zurich}"), "{text}");
    }
}

#[test]
fn no_known_value_is_left_in_a_session() {
    use crate::trace::{Message, Origin, Part, Role, Session, ToolCall};
    let pass = ["fzXJJX", "zfZh3d"].concat();
    let hex = data_encoding::HEXLOWER.encode(format!("API_KEY={pass}").as_bytes());
    for (text, make) in [
        // encoded, inside a longer run of letters
        (format!("{hex}zz_top postgres://app:{pass}@db.host.io/x"), redactor as fn() -> Redactor<'static>),
        // a name next to a character that is not a letter
        ("\u{1f600}pvintergren@build7:~$ /home/pvintergren/src".to_owned(), redactor),
        // a placeholder that reads as a number because its plus is a diff prefix
        ("\n@@ -1,2 +1,2 @@\n+1-202-555-0143[EMAIL_abcdef]".to_owned(), realistic),
        // a name in the position of its value
        ("\\u003d\\u003dPGPASSWORD='\\u003dPGPASSWORD='".to_owned(), redactor),
        // placeholders after an escape, and next to each other
        ("\\n+1-202-555-0143\n@@ -1,2 +1,2 @@\n+1-202-555-0143+1-202-555-0143".to_owned(), realistic),
    ] {
        let mut s = Session::empty("claude", "one");
        s.messages.push(Message {
            id: None,
            role: Role::User,
            origin: Origin::Human,
            at: None,
            model: None,
            parts: vec![Part::Text { text: text.clone() }],
        });
        let mut r = make();
        let done = serde_json::to_string(&r.redact_session(&s).session.messages).unwrap();
        assert_eq!(r.sealed_scanner().unwrap().scan(done.as_bytes()), vec![], "{done}");
    }
    // A long value is read together with the name of its field, before and after it was shortened.
    let blob = data_encoding::BASE64.encode(format!("API_KEY={}", &token(1)[4..30]).as_bytes());
    let text = format!("%3D%22{}", blob.repeat(11));
    let mut s = Session::empty("claude", "two");
    s.messages.push(Message {
        id: None,
        role: Role::User,
        origin: Origin::Human,
        at: None,
        model: None,
        parts: vec![Part::Tool(ToolCall {
            input: serde_json::json!({ "password": text }),
            ..ToolCall::default()
        })],
    });
    let once = redactor().redact_session(&s).session;
    assert_eq!(format!("{once:?}"), format!("{:?}", redactor().redact_session(&once).session));
}

#[test]
fn nothing_is_redacted_or_sealed_if_a_search_could_not_be_built() {
    let mut r = redactor();
    r.add_values(&[("ORG".into(), "Harbourline".into())]);
    r.build();
    r.check().unwrap();
    r.values.fail();
    assert!(matches!(r.check(), Err(RedactError::Search)));
    assert!(matches!(r.sealed_scanner(), Err(RedactError::Search)));
}
