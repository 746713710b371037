//! Lists: projects, and sessions page by page.

use std::collections::{HashMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::store::{Inbox, Mark, ProjectRow, SessionRow, Sort};
use crate::trace::{SessionKey, Timestamp, Tokens};

use crate::app::{App, Failure};

/// All projects.
#[derive(Debug, Clone, Serialize)]
pub struct ProjectList {
    /// Projects, the one with the newest session first.
    pub projects: Vec<ProjectRow>,
}

/// Which sessions to list.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InboxParams {
    /// Agent id.
    pub agent: Option<String>,
    /// Project name or path.
    pub project: Option<String>,
    /// Triage mark.
    #[schemars(with = "Option<Mark>")]
    pub status: Option<String>,
    /// Sessions that ended at or after this time.
    pub since: Option<Timestamp>,
    /// Sessions that started before this time.
    #[schemars(skip)]
    pub until: Option<Timestamp>,
    /// Sessions in which this model answered, or a model whose name starts with it.
    #[schemars(skip)]
    pub model: Option<String>,
    /// Badge: `name` or `name:value`.
    pub badge: Option<String>,
    /// Subagents of this session.
    #[schemars(skip)]
    pub parent: Option<String>,
    /// Sessions that are not subagents.
    #[schemars(skip)]
    pub roots: bool,
    /// Whether the agent's log must be gone (true) or present (false).
    #[schemars(skip)]
    pub gone: Option<bool>,
    /// Order, highest first (default started).
    #[schemars(with = "Option<SortKey>")]
    pub sort: Option<String>,
    /// Lists sessions that are not subagents, each followed by its subagents.
    #[schemars(skip)]
    pub tree: bool,
    /// Maximum number of sessions (default 20).
    pub limit: Option<u64>,
    /// `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

/// The names of the orders, for the schema of `sort`.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum SortKey {
    Started,
    Ended,
    Cost,
    Tokens,
    Tools,
    Messages,
    Size,
    Score,
}

/// A session as the inbox shows it.
#[derive(Debug, Clone, Serialize)]
pub struct SessionItem {
    /// Key.
    pub key: SessionKey,
    /// Agent id.
    pub agent: String,
    /// Project's display name.
    pub project: Option<String>,
    /// Title, redacted.
    pub title: Option<String>,
    /// Models that answered.
    pub models: Vec<String>,
    /// First instant.
    pub started: Option<Timestamp>,
    /// Last instant.
    pub ended: Option<Timestamp>,
    /// Human prompts.
    pub user_messages: u64,
    /// Model answers with text.
    pub assistant_messages: u64,
    /// Tool calls.
    pub tool_calls: u64,
    /// Tool calls that failed.
    pub failed_tool_calls: u64,
    /// Tokens of the requests the session owns.
    pub usage: Tokens,
    /// Their cost in pico-USD, without unpriced requests.
    pub cost_picousd: i64,
    /// Triage mark.
    pub status: &'static str,
    /// Whether the session changed since it was marked.
    pub changed_since: bool,
    /// Score 1 to 5.
    pub score: Option<i64>,
    /// Badges.
    pub badges: Vec<String>,
    /// Parent, for a subagent.
    pub parent: Option<SessionKey>,
    /// The session that it was forked from or goes on with.
    pub forked_from: Option<SessionKey>,
    /// Its subagents.
    pub children: Vec<SessionKey>,
    /// How many sessions stand above it; in a tree only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
    /// Size of the normal form.
    pub bytes: u64,
    /// Whether the agent's own file is gone.
    pub source_gone: bool,
    /// Continues the list after this session.
    #[serde(skip)]
    pub cursor: String,
}

/// A page of sessions.
#[derive(Debug, Clone, Serialize)]
pub struct InboxPage {
    /// Sessions, in the order that was asked for.
    pub sessions: Vec<SessionItem>,
    /// Give this as `cursor` for the next page.
    pub next_cursor: Option<String>,
}

impl App {
    /// All projects with whether the configuration excludes them.
    ///
    /// # Errors
    /// [`Failure`] where the archive refuses.
    pub fn list(&self) -> Result<ProjectList, Failure> {
        Ok(ProjectList { projects: self.archive.projects(&|n, p| self.excludes(n, p))? })
    }

    /// A page of sessions.
    ///
    /// # Errors
    /// [`Failure`] where a word is unknown, the cursor is not one of ours, or the archive refuses.
    pub fn inbox(&self, p: &InboxParams) -> Result<InboxPage, Failure> {
        let order = Order::parse(p.sort.as_deref().unwrap_or("started"))?;
        if let Some(status) = p.status.as_deref()
            && Mark::parse(status).is_none()
        {
            return Err(Failure::usage(
                "bad_status",
                "Status is one of new, shortlisted, approved, blocked.",
            )
            .hint("clawgate inbox --status new"));
        }
        let limit = p.limit.unwrap_or(20).clamp(1, 1000);
        let after = p.cursor.as_deref().map(|c| decode_cursor(c, order)).transpose()?;
        let mut query = Inbox {
            agent: p.agent.clone(),
            project: p.project.clone(),
            status: p.status.clone(),
            since: p.since,
            until: p.until,
            model: p.model.clone(),
            badge: p.badge.clone(),
            parent: p.parent.as_deref().map(|key| self.resolve(key)).transpose()?,
            roots_only: p.roots || p.tree,
            gone: p.gone,
            limit: limit + 1,
            ..Inbox::default()
        };
        let mut rows: Vec<(i64, SessionRow)> = match order {
            Order::By(_, sort) => {
                query.sort = sort;
                query.after = after;
                self.archive.inbox(&query)?.into_iter().map(|r| (sort.value(&r), r)).collect()
            }
            // Money and tokens are the ledger's, which SQL cannot order by.
            Order::Cost | Order::Tokens => {
                query.limit = 0;
                let rows = self.archive.inbox(&query)?;
                let keys: Vec<&str> = rows.iter().map(|r| r.key.as_str()).collect();
                let usage = self.usage_of(&keys)?;
                let value = |r: &SessionRow| {
                    let (tokens, cost) = usage.get(r.key.as_str()).copied().unwrap_or_default();
                    let tokens = i64::try_from(tokens.total()).unwrap_or(i64::MAX);
                    if order == Order::Cost { cost } else { tokens }
                };
                let mut rows: Vec<_> = rows.into_iter().map(|r| (value(&r), r)).collect();
                rows.sort_by_key(|(value, row)| std::cmp::Reverse((*value, row.id)));
                rows.into_iter().filter(|(v, r)| after.is_none_or(|after| (*v, r.id) < after)).collect()
            }
        };
        let more = rows.len() as u64 > limit;
        rows.truncate(limit as usize);
        let cursor_after = |value: i64, id: i64| {
            data_encoding::BASE64URL_NOPAD.encode(format!("{}.{value}.{id}", order.name()).as_bytes())
        };
        let next_cursor = rows.last().filter(|_| more).map(|(value, r)| cursor_after(*value, r.id));
        let cursors: HashMap<i64, String> =
            rows.iter().map(|(value, r)| (r.id, cursor_after(*value, r.id))).collect();
        let mut listed: Vec<(SessionRow, Option<u32>)> = Vec::with_capacity(rows.len());
        for (_, row) in rows {
            if !p.tree {
                listed.push((row, None));
                continue;
            }
            let below = self.archive.descendant_rows(&row.key)?;
            grow(row, below, &mut listed);
        }
        let keys: Vec<&str> = listed.iter().map(|(r, _)| r.key.as_str()).collect();
        let usage = self.usage_of(&keys)?;
        let mut children = self.archive.children_of(&keys)?;
        let mut sessions = Vec::with_capacity(listed.len());
        for (row, depth) in listed {
            let cursor = cursors.get(&row.id).cloned().unwrap_or_default();
            let mut item = self.item(row, &usage);
            item.children = children.remove(item.key.as_str()).unwrap_or_default();
            (item.cursor, item.depth) = (cursor, depth);
            sessions.push(item);
        }
        Ok(InboxPage { sessions, next_cursor })
    }

    /// A session as the inbox shows it, without its children; `usage` as [`App::usage_of`] gives it.
    pub(crate) fn item(&self, r: SessionRow, usage: &HashMap<String, (Tokens, i64)>) -> SessionItem {
        let (usage, cost_picousd) = usage.get(r.key.as_str()).copied().unwrap_or_default();
        SessionItem {
            agent: r.agent,
            project: r.project,
            title: r.title.as_deref().map(crate::app::text::sanitize),
            models: r.models,
            started: r.started,
            ended: r.ended,
            user_messages: r.user_messages,
            assistant_messages: r.assistant_messages,
            tool_calls: r.tool_calls,
            failed_tool_calls: r.failed_tool_calls,
            usage,
            cost_picousd,
            status: r.status.as_str(),
            changed_since: r.changed_since,
            score: r.score,
            badges: r.badges,
            parent: r.parent,
            forked_from: r.forked_from,
            children: Vec::new(),
            depth: None,
            cursor: String::new(),
            bytes: r.bytes,
            source_gone: r.gone,
            key: r.key,
        }
    }
}

/// Puts a session and those below it into the order of a tree, each with its depth.
fn grow(root: SessionRow, below: Vec<SessionRow>, out: &mut Vec<(SessionRow, Option<u32>)>) {
    let mut by_parent: HashMap<String, Vec<SessionRow>> = HashMap::new();
    // The last one is taken first.
    for row in below.into_iter().rev() {
        let parent = row.parent.as_ref().map(|p| p.0.clone()).unwrap_or_default();
        by_parent.entry(parent).or_default().push(row);
    }
    let mut seen = HashSet::new();
    let mut next = vec![(root, 0)];
    while let Some((row, depth)) = next.pop() {
        if !seen.insert(row.id) {
            continue;
        }
        let children = by_parent.remove(row.key.as_str()).unwrap_or_default();
        next.extend(children.into_iter().map(|child| (child, depth + 1)));
        out.push((row, Some(depth)));
    }
}

/// What a list is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    By(&'static str, Sort),
    Cost,
    Tokens,
}

impl Order {
    fn parse(name: &str) -> Result<Self, Failure> {
        Ok(match name {
            "started" => Order::By("started", Sort::Started),
            "ended" => Order::By("ended", Sort::Ended),
            "tools" => Order::By("tools", Sort::Tools),
            "messages" => Order::By("messages", Sort::Messages),
            "size" => Order::By("size", Sort::Size),
            "score" => Order::By("score", Sort::Score),
            "cost" => Order::Cost,
            "tokens" => Order::Tokens,
            _ => {
                return Err(Failure::usage(
                    "bad_sort",
                    "Sort is one of started, ended, cost, tokens, tools, messages, size, score.",
                )
                .hint("clawgate inbox --sort cost"));
            }
        })
    }

    fn name(self) -> &'static str {
        match self {
            Order::By(name, _) => name,
            Order::Cost => "cost",
            Order::Tokens => "tokens",
        }
    }
}

fn decode_cursor(text: &str, order: Order) -> Result<(i64, i64), Failure> {
    let bad = || {
        Failure::usage("bad_cursor", "The cursor is not one this clawgate gave; leave it out to start over.")
    };
    let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| bad())?;
    let text = String::from_utf8(bytes).map_err(|_| bad())?;
    let mut parts = text.split('.');
    let (Some(name), Some(value), Some(id), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(bad());
    };
    if Order::parse(name).map_err(|_| bad())? != order {
        let other =
            format!("The cursor goes on with another order: add --sort {name}, or leave the cursor out.");
        return Err(Failure::usage("bad_cursor", other));
    }
    Ok((value.parse().map_err(|_| bad())?, id.parse().map_err(|_| bad())?))
}
