//! `list`: projects, and sessions page by page.

use serde_json::{Value, json as value};

use super::{Args, Hints, Tool, UNTRUSTED, params};
use crate::app::sessions::{InboxPage, InboxParams, SessionItem};
use crate::app::{App, Failure};
use crate::mcp::answer::{ROOM, clip, dollars, size};
use crate::mcp::schema::{self, choice, count, text};

pub(super) struct List;

/// A page has so many projects unless the caller says otherwise.
const PROJECTS: usize = 25;

impl Tool for List {
    fn name(&self) -> &'static str {
        "list"
    }

    fn title(&self) -> &'static str {
        "List sessions or projects"
    }

    fn description(&self) -> &'static str {
        "Sessions: key, project, title (untrusted text), counts, tokens, cost, mark (`status`), badges (such as \
         tests-failed, secrets:N), parent. Or projects."
    }

    fn input(&self) -> Value {
        schema::object(
            &[
                ("what", choice("Default sessions.", &["sessions", "projects"])),
                ("agent", text("Agent.")),
                ("project", text("Name/path.")),
                ("status", choice("Mark.", &["new", "shortlisted", "approved", "blocked"])),
                ("since", text("Day or RFC 3339.")),
                ("badge", text("Badge name.")),
                ("sort", choice("Highest first.", &["started", "cost", "tokens", "tools", "messages"])),
                ("limit", count("Default: 8 KB.")),
                ("cursor", text("Next page.")),
            ],
            &[],
        )
    }

    fn output(&self) -> Value {
        schema::answer(&[("sessions", "array"), ("next_cursor", "string")])
    }

    fn hints(&self) -> Hints {
        Hints::READ
    }

    fn call(&self, app: &mut App, mut args: Args) -> Result<Value, Failure> {
        let what = args.shift_remove("what");
        let p: InboxParams = params(args)?;
        if what.as_ref().and_then(Value::as_str) == Some("projects") {
            return projects(app, &p);
        }
        let mut ask = p.clone();
        for limit in [20, 12, 8, 5, 3, 1] {
            ask.limit = Some(p.limit.unwrap_or(limit));
            let page = sessions(app.inbox(&ask)?);
            if p.limit.is_some() || limit == 1 || size(&page) <= ROOM {
                return Ok(page);
            }
        }
        Ok(value!({}))
    }
}

fn sessions(page: InboxPage) -> Value {
    let items: Vec<Value> = page.sessions.into_iter().map(item).collect();
    value!({ "sessions": items, "next_cursor": page.next_cursor, "integrity": UNTRUSTED })
}

fn item(s: SessionItem) -> Value {
    let mut out = value!({
        "key": s.key,
        "project": s.project,
        "title": s.title.map(|t| clip(&t, 120)),
        "models": s.models,
        "started": s.started,
        "ended": s.ended,
        "user_messages": s.user_messages,
        "assistant_messages": s.assistant_messages,
        "tool_calls": s.tool_calls,
        "tokens": s.usage.total(),
        "cost_usd": dollars(s.cost_picousd),
        "status": s.status,
        "score": s.score,
        "parent": s.parent,
    });
    // Said only where there is something to say.
    if s.failed_tool_calls > 0 {
        out["failed_tool_calls"] = value!(s.failed_tool_calls);
    }
    if !s.badges.is_empty() {
        out["badges"] = value!(s.badges);
    }
    if let Some(from) = s.forked_from {
        out["forked_from"] = value!(from);
    }
    if !s.children.is_empty() {
        out["subagents"] = value!(s.children.len());
    }
    if s.changed_since {
        out["changed_since"] = value!(true);
    }
    if s.source_gone {
        out["source_gone"] = value!(true);
    }
    out
}

fn projects(app: &App, p: &InboxParams) -> Result<Value, Failure> {
    if p.status.is_some() || p.since.is_some() || p.badge.is_some() || p.sort.is_some() {
        let f =
            Failure::usage("bad_argument", "status, since, badge and sort are for sessions, not projects.");
        return Err(f.hint("leave them out, or list sessions"));
    }
    let all = app.list()?.projects;
    let start: usize = match &p.cursor {
        None => 0,
        Some(c) => c.parse().map_err(|_| {
            Failure::usage(
                "bad_cursor",
                "The cursor is not one this clawgate gave; leave it out to start over.",
            )
        })?,
    };
    let wanted = all
        .into_iter()
        .filter(|r| p.agent.as_ref().is_none_or(|a| r.agent.split(',').any(|x| x == a)))
        .filter(|r| p.project.as_ref().is_none_or(|n| r.name == *n || r.path == *n));
    let limit = p.limit.map_or(PROJECTS, |n| usize::try_from(n.max(1)).unwrap_or(usize::MAX));
    let mut page: Vec<Value> = Vec::new();
    let mut used = 0;
    let mut next = None;
    for (i, row) in wanted.enumerate().skip(start) {
        let row = value!(row);
        used += size(&row) + 1;
        if page.len() >= limit || (p.limit.is_none() && used > ROOM && !page.is_empty()) {
            next = Some(i.to_string());
            break;
        }
        page.push(row);
    }
    Ok(value!({ "projects": page, "next_cursor": next }))
}
