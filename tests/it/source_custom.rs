//! Custom rows: exported sessions can be read again, and wrong rows are reported.

use clawgate::export::{self, ContentOptions, RowMeta};
use clawgate::sources::{self, ReadOptions};
use clawgate::trace::{Env, Part, Session, SessionKey};

use crate::sources::{Found, fixtures, read_bytes};

fn key(k: &SessionKey) -> SessionKey {
    SessionKey::new("custom", k.native())
}

/// Returns a session as it is after an export: without ids of messages and calls, and with joined texts.
fn as_row(mut s: Session) -> Session {
    s.key = key(&s.key);
    "custom".clone_into(&mut s.agent);
    s.title = None;
    s.forked_from = None;
    s.parent = s.parent.as_ref().map(key);
    let main = s.models().first().cloned();
    s.messages
        .retain(|m| m.parts.iter().any(|p| !matches!(p, Part::Text { text } if text.trim().is_empty())));
    for m in &mut s.messages {
        m.id = None;
        let model = matches!(m.role, clawgate::trace::Role::Assistant).then(|| main.clone()).flatten();
        m.model = model;
        let text = |p: &Part| match p {
            Part::Text { text } => Some(text.clone()),
            _ => None,
        };
        let joined: Vec<String> = m.parts.iter().filter_map(text).filter(|t| !t.trim().is_empty()).collect();
        let thoughts: Vec<String> = m
            .parts
            .iter()
            .filter_map(|p| match p {
                Part::Thinking { text } => Some(text.clone()),
                _ => None,
            })
            .collect();
        let rest: Vec<Part> = m
            .parts
            .iter()
            .filter(|p| !matches!(p, Part::Text { .. } | Part::Thinking { .. }))
            .cloned()
            .collect();
        m.parts.clear();
        if !thoughts.is_empty() {
            m.parts.push(Part::Thinking { text: thoughts.join("\n\n") });
        }
        if !joined.is_empty() {
            m.parts.push(Part::Text { text: joined.join("\n\n") });
        }
        m.parts.extend(rest);
        for p in &mut m.parts {
            if let Part::Tool(call) = p {
                call.id.clear();
                call.media_bytes = 0;
                call.subagent = call.subagent.as_ref().map(key);
            }
        }
    }
    s
}

#[test]
fn an_exported_session_can_be_read_again() {
    let claude = sources::by_agent("claude").unwrap();
    let format = export::format(export::FormatId::Rows);
    let found = Found::scan(claude, &fixtures().join("claude-2.1.329/HOME"));
    let (mut lines, mut want) = (Vec::new(), Vec::new());
    for session in found.sessions().filter(|s| s.models().len() <= 1) {
        let meta = RowMeta { project: session.project.clone(), ..RowMeta::default() };
        let mut session = session.clone();
        export::trim(&mut session, ContentOptions::default());
        lines.extend(format.document(&session, &meta).unwrap().json.into_bytes());
        if lines.last() != Some(&b'\n') {
            lines.push(b'\n');
        }
        want.push(as_row(session.clone()));
    }
    assert!(want.len() > 5);
    let custom = sources::by_agent("custom").unwrap();
    let mut read = read_bytes(custom, std::path::Path::new("x.jsonl"), &lines, &ReadOptions::default());
    assert_eq!(read.skipped_lines.total, 0, "{:?}", read.skipped_lines);
    for s in &mut read.sessions {
        for m in &mut s.messages {
            for p in &mut m.parts {
                if let Part::Tool(call) = p {
                    call.id.clear();
                }
            }
        }
    }
    for (got, want) in read.sessions.iter().zip(&want) {
        assert_eq!(got.messages.len(), want.messages.len(), "{}", want.key);
        for (a, b) in got.messages.iter().zip(&want.messages) {
            assert_eq!(a.role, b.role, "{}", want.key);
            assert_eq!(a.origin, b.origin, "{}", want.key);
            assert_eq!(a.parts, b.parts, "{}", want.key);
        }
        assert_eq!((&got.key, &got.project, &got.parent), (&want.key, &want.project, &want.parent));
        assert_eq!((got.started, got.ended), (want.started, want.ended));
    }
    assert_eq!(read.sessions.len(), want.len());
}

#[test]
fn wrong_rows_are_reported_and_the_others_are_read() {
    let custom = sources::by_agent("custom").unwrap();
    let text = "{\"session_id\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}\nno json\n{\"session_id\":\"b\"}\n{\"messages\":[]}\n{\"session_id\":\"c\",\"messages\":[{\"role\":\"user\",\"content\":\"y\"},{\"role\":\"assistant\",\"content\":\"z\",\"model\":\"m\",\"usage\":{\"input\":3,\"output\":4,\"cost_usd\":0.5,\"request_id\":\"r\"}}]}\n";
    let read = read_bytes(custom, std::path::Path::new("x.jsonl"), text.as_bytes(), &ReadOptions::default());
    let lines: Vec<u64> = read.skipped_lines.first.iter().map(|(n, _)| *n).collect();
    assert_eq!((lines, read.sessions.len()), (vec![2, 3, 4], 2));
    let row = &read.usage[0];
    assert_eq!(
        (row.dedupe_key.as_str(), row.tokens.input, row.reported_picousd),
        ("custom:r", 3, Some(500_000_000_000))
    );
    assert_eq!(read.bytes_read, text.len() as u64);
}

#[test]
fn rows_are_found_in_both_directories() {
    let dir = tempfile::tempdir().unwrap();
    for d in ["cg/custom", "mine"] {
        std::fs::create_dir_all(dir.path().join(d)).unwrap();
    }
    let mut env = Env::bare(dir.path(), dir.path().join("cg"));
    env.vars.insert("CLAWGATE_CUSTOM_DIR".to_owned(), dir.path().join("mine").display().to_string());
    let roots = sources::by_agent("custom").unwrap().roots(&env);
    assert_eq!(roots, [dir.path().join("cg/custom"), dir.path().join("mine")]);
}
