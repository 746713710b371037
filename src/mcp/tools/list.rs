//! `list`: sessions page by page, or projects.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Hints, Tool};
use crate::app::sessions::{InboxParams, Mark, SessionItem};
use crate::app::{App, Failure};
use crate::mcp::result::{MAX_REPORT_BYTES, Page};
use crate::mcp::untrusted::Untrusted;
use crate::store::ProjectRow;
use crate::trace::{SessionKey, Timestamp, is_zero};

pub(super) struct List;

/// Default number of projects in a page.
const DEFAULT_PROJECTS: u64 = 25;
/// Maximum length of a title in a result, in characters.
const MAX_TITLE_CHARS: usize = 120;

#[derive(Deserialize, JsonSchema)]
pub(super) struct Input {
    /// Default sessions.
    what: Option<ListKind>,
    #[serde(flatten)]
    inbox: InboxParams,
}

#[derive(Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum ListKind {
    Sessions,
    Projects,
}

#[derive(Default, Serialize)]
pub(super) struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<Vec<SessionLine>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    projects: Option<Vec<ProjectRow>>,
    next_cursor: Option<String>,
}

/// A session. Fields that would say nothing are left out.
#[derive(Serialize)]
struct SessionLine {
    key: SessionKey,
    project: Option<String>,
    title: Option<String>,
    models: Vec<String>,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    user_messages: u64,
    assistant_messages: u64,
    tool_calls: u64,
    cost_picousd: i64,
    #[serde(skip_serializing_if = "is_zero")]
    unpriced_tokens: u64,
    status: Mark,
    score: Option<i64>,
    parent: Option<SessionKey>,
    #[serde(skip_serializing_if = "is_zero")]
    failed_tool_calls: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    badges: Vec<String>,
    forked_from: Option<SessionKey>,
    #[serde(skip_serializing_if = "is_zero")]
    subagents: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    excluded: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    changed_since: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    source_gone: bool,
}

impl Tool for List {
    type Input = Input;
    type Output = Output;

    const NAME: &'static str = "list";
    const TITLE: &'static str = "List";
    const DESCRIPTION: &'static str =
        "Lists projects, or sessions with untrusted titles and badges such as secrets:N.";
    const HINTS: Hints = Hints::READ;

    fn call(app: &mut App, input: Input) -> Result<Output, Failure> {
        match input.what {
            Some(ListKind::Projects) => projects(app, &input.inbox),
            _ => sessions(app, &input.inbox),
        }
    }
}

fn sessions(app: &App, p: &InboxParams) -> Result<Output, Failure> {
    let page = app.inbox(p)?;
    let mut untrusted = Untrusted::new(app)?;
    let mut fitted = Page::new(MAX_REPORT_BYTES);
    for item in page.sessions {
        let cursor = item.cursor.clone();
        if !fitted.push(line(item, &mut untrusted), cursor) {
            break;
        }
    }
    let (sessions, cut) = fitted.finish();
    Ok(Output { sessions: Some(sessions), next_cursor: cut.or(page.next_cursor), ..Output::default() })
}

fn line(s: SessionItem, untrusted: &mut Untrusted) -> SessionLine {
    SessionLine {
        key: s.key,
        project: s.project,
        title: s.title.map(|t| untrusted.title(&t, MAX_TITLE_CHARS)),
        models: s.models,
        started: s.started,
        ended: s.ended,
        user_messages: s.user_messages,
        assistant_messages: s.assistant_messages,
        tool_calls: s.tool_calls,
        cost_picousd: s.cost_picousd,
        unpriced_tokens: s.unpriced_tokens,
        status: s.status,
        score: s.score,
        parent: s.parent,
        failed_tool_calls: s.failed_tool_calls,
        badges: s.badges,
        forked_from: s.forked_from,
        subagents: s.children.len() as u64,
        excluded: s.excluded,
        changed_since: s.changed_since,
        source_gone: s.source_gone,
    }
}

fn projects(app: &App, p: &InboxParams) -> Result<Output, Failure> {
    if p.status.is_some() || p.since.is_some() || p.badge.is_some() || p.sort.is_some() {
        let f = Failure::usage(
            "bad_argument",
            "status, since, badge and sort apply to sessions, not to projects.",
        );
        return Err(f.hint("leave them out, or list sessions"));
    }
    let start: usize = match &p.cursor {
        None => 0,
        Some(c) => c.parse().map_err(|_| {
            Failure::usage("bad_cursor", "The cursor is not from this clawgate. Leave it out to start over.")
        })?,
    };
    let wanted = app.list(p.agent.as_deref(), p.project.as_deref())?.projects.into_iter();
    let limit = p.limit.unwrap_or(DEFAULT_PROJECTS).max(1);
    let mut fitted = Page::new(MAX_REPORT_BYTES);
    let mut next = None;
    for (i, row) in wanted.enumerate().skip(start) {
        if fitted.len() as u64 >= limit {
            next = Some(i.to_string());
            break;
        }
        if !fitted.push(row, (i + 1).to_string()) {
            break;
        }
    }
    let (projects, cut) = fitted.finish();
    Ok(Output { projects: Some(projects), next_cursor: cut.or(next), ..Output::default() })
}
