//! Searches the archive for words or a regular expression, and returns redacted snippets.
//!
//! A query becomes an FTS5 expression if possible (`query`, `regex_candidates`). The index decides plain words alone. For
//! a regular expression or a tool name it only yields candidates, and the message's text decides. A pattern from which
//! no word can be derived is matched against every session, newest first.

mod query;
mod regex_candidates;
mod snippet;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::Engine;
use crate::store::{DocKind, DocKinds, Hit, Inbox, SearchQuery, Sort, doc_text};
use crate::trace::{Message, SessionKey, Timestamp};

use crate::app::redaction::{AgentView, Reader};
use crate::app::scan::redact_line;
use crate::app::{App, Failure, text::sanitize};

use super::bad_cursor;
use snippet::Finder;

/// Maximum size of the sessions that a search reads for one page, in bytes of normal form. Reading them takes about half a
/// second.
const READ_BYTES: u64 = 64 << 20;

/// Number of candidates, or of sessions, that are loaded at a time.
const BATCH: u64 = 40;

/// Default and maximum number of hits on a page.
const DEFAULT_LIMIT: u64 = 10;
const MAX_LIMIT: u64 = 100;

/// What to search for.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchParams {
    /// Words, "a phrase", prefix*, AND OR NOT; or a regular expression, if `regex` is set.
    #[schemars(description = "Words, \"a phrase\", prefix*, AND OR NOT.")]
    pub query: String,
    /// Whether `query` is a regular expression.
    #[schemars(description = "Regular expression.")]
    #[serde(default)]
    pub regex: bool,
    /// Agent id. All agents by default.
    #[schemars(description = "Agent id.")]
    pub agent: Option<String>,
    /// Name, path or glob of projects.
    #[schemars(description = "Name, path or glob.")]
    pub project: Option<String>,
    /// Kind of text that is searched. All kinds by default.
    #[schemars(description = "Kind of text.")]
    pub kind: Option<DocKind>,
    /// Role whose text is searched.
    #[schemars(skip)]
    pub role: Option<SearchRole>,
    /// Only the input and output of this tool.
    #[schemars(description = "Tool name.")]
    pub tool: Option<String>,
    /// Only sessions with activity at or after this time.
    #[schemars(description = "Only activity since this time.")]
    pub since: Option<Timestamp>,
    /// Sessions that started before this time.
    #[schemars(skip)]
    pub until: Option<Timestamp>,
    /// Maximum number of hits, 10 by default.
    #[schemars(description = "Default 10.")]
    pub limit: Option<u64>,
    /// Where the hits continue: `next_cursor` of the page before.
    #[schemars(description = "From `next_cursor`.")]
    pub cursor: Option<String>,
    /// Who reads the hits.
    #[serde(skip)]
    pub reader: Reader,
}

/// A role in a session. Unlike [`DocKind`], it joins inputs and outputs of tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SearchRole {
    User,
    Assistant,
    Thinking,
    Tool,
    System,
}

impl SearchRole {
    fn kinds(self) -> DocKinds {
        match self {
            SearchRole::User => DocKinds::of(&[DocKind::Prompt]),
            SearchRole::Assistant => DocKinds::of(&[DocKind::Answer]),
            SearchRole::Thinking => DocKinds::of(&[DocKind::Thinking]),
            SearchRole::Tool => DocKinds::of(&[DocKind::ToolInput, DocKind::ToolOutput]),
            SearchRole::System => DocKinds::of(&[DocKind::Notice]),
        }
    }
}

/// A message, or an input or output of a tool, that matches.
#[derive(Debug, Clone, Serialize)]
pub struct SearchHit {
    pub key: SessionKey,
    /// Index of the message in the session.
    pub message: u32,
    pub kind: DocKind,
    /// Display name of the project.
    pub project: Option<String>,
    /// Redacted title.
    pub title: Option<String>,
    /// Start of the session.
    pub started: Option<Timestamp>,
    /// The session that started this one, if it is a subagent.
    pub parent: Option<SessionKey>,
    /// The match with its context, redacted. Untrusted text.
    pub snippet: String,
    /// Cursor that continues the search after this hit.
    #[serde(skip)]
    pub cursor: String,
}

/// A page of hits, best first.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SearchPage {
    pub hits: Vec<SearchHit>,
    /// Value of `cursor` for the next page.
    pub next_cursor: Option<String>,
    /// Says which sessions were not searched, and how to continue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Decides whether a candidate is a hit, and makes its snippet.
struct HitMatcher<'a> {
    finder: Finder,
    /// Pattern that the text must match, if the index alone cannot decide.
    regex: Option<Regex>,
    tool: Option<&'a str>,
    kinds: DocKinds,
    agent: Option<String>,
    /// Names of the projects to search.
    projects: Option<Vec<String>>,
    /// What the reader sees; `None` if only the rules redact.
    view: RefCell<Option<AgentView>>,
}

impl HitMatcher<'_> {
    /// Returns whether the index yields candidates only, so that their messages must be read.
    fn must_read(&self) -> bool {
        self.regex.is_some() || self.tool.is_some()
    }

    fn accepts(&self, message: &Message, kind: DocKind) -> bool {
        if !self.must_read() {
            return true;
        }
        let text = doc_text(message, kind, self.tool);
        !text.is_empty() && self.regex.as_ref().is_none_or(|r| r.is_match(&text))
    }

    fn hit(&self, h: Hit, message: Option<&Message>, cursor: String) -> Result<SearchHit, Failure> {
        let engine = Engine::builtin()?;
        let text = message.map(|m| snippet::snippet_text(m, h.kind, self.tool)).unwrap_or_default();
        let mut view = self.view.borrow_mut();
        let mut redact = |text: &str| match &mut *view {
            Some(view) => view.name(&redact_line(engine, text)),
            None => redact_line(engine, text),
        };
        let snippet = sanitize(self.finder.snippet(&mut redact, &text).trim());
        let title = h.title.as_deref().map(|title| sanitize(&redact(title)));
        let mut name = |name: &str| view.as_mut().map_or_else(|| name.to_owned(), |view| view.name(name));
        let project = h.project.as_deref().map(&mut name);
        let mut key = |key: &SessionKey| {
            SessionKey(view.as_mut().map_or_else(|| key.0.clone(), |view| view.key(key.as_str())))
        };
        let parent = h.parent.as_ref().map(&mut key);
        let key = key(&h.key);
        Ok(SearchHit {
            snippet,
            title,
            key,
            message: h.message,
            kind: h.kind,
            project,
            started: h.started,
            parent,
            cursor,
        })
    }
}

impl App {
    /// Returns a page of hits.
    ///
    /// # Errors
    /// [`Failure`] if the query, the cursor, the agent or the project is invalid, or the archive cannot be read.
    pub fn search(&self, p: &SearchParams) -> Result<SearchPage, Failure> {
        if p.query.trim().is_empty() {
            let message = "The query is empty. Give words, a phrase in quotation marks, the beginning of a word with `*`, or a \
                           regular expression.";
            return Err(Failure::usage("empty_query", message).hint("clawgate search \"refactor auth\""));
        }
        let kinds = kinds(p)?;
        let (agent, projects) = self.filters(p.agent.as_deref(), p.project.as_deref())?;
        let limit = p.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
        let pattern = if p.regex { Some(p.query.clone()) } else { query::unspaced_pattern(&p.query) };
        let (expression, finder, regex) = if let Some(pattern) = pattern {
            let (regex, expression) = compile(&pattern)?;
            (expression, Finder::of_regex(regex.clone()), Some(regex))
        } else {
            let query = query::parse(&p.query)?;
            (Some(query.expression), Finder::of_operands(&query.operands), None)
        };
        let view = RefCell::new(self.view_for(p.reader)?);
        let matcher = HitMatcher { finder, regex, tool: p.tool.as_deref(), kinds, agent, projects, view };
        match expression {
            Some(text) => self.search_index(p, text, &matcher, limit),
            None => self.search_sessions(p, &matcher, limit),
        }
    }

    /// Searches with the index. Reads the messages of the candidates if the index alone cannot decide.
    fn search_index(
        &self,
        p: &SearchParams,
        text: String,
        matcher: &HitMatcher<'_>,
        limit: u64,
    ) -> Result<SearchPage, Failure> {
        let offset = p.cursor.as_deref().map(|c| c.parse().map_err(|_| bad_cursor())).transpose()?;
        let mut query = SearchQuery {
            text,
            agent: matcher.agent.clone(),
            projects: matcher.projects.clone(),
            kinds: matcher.kinds,
            tool: p.tool.clone(),
            since: p.since,
            until: p.until,
            limit: if matcher.must_read() { BATCH } else { limit + 1 },
            offset: offset.unwrap_or(0),
        };
        let mut page = SearchPage::default();
        let mut read = 0;
        loop {
            self.ctx.check()?;
            let mut found = self.archive.search(&query)?;
            let last = (found.len() as u64) < query.limit;
            if !matcher.must_read() {
                let more = found.len() as u64 > limit;
                found.truncate(limit as usize);
                page.next_cursor = more.then(|| (query.offset + limit).to_string());
            }
            let messages = self.messages_of(&found, &mut read)?;
            for (given, hit) in (1..).zip(found) {
                let message = messages.get(&(hit.key.clone(), hit.message));
                if matcher.must_read() {
                    if page.hits.len() as u64 == limit {
                        page.next_cursor = Some(query.offset.to_string());
                        return Ok(page);
                    }
                    query.offset += 1;
                    if !message.is_some_and(|m| matcher.accepts(m, hit.kind)) {
                        continue;
                    }
                }
                // `query.offset` already counts this candidate if it was read.
                let next = if matcher.must_read() { query.offset } else { query.offset + given };
                page.hits.push(matcher.hit(hit, message, next.to_string())?);
            }
            if last || !matcher.must_read() {
                return Ok(page);
            }
            if read > READ_BYTES {
                page.next_cursor = Some(query.offset.to_string());
                page.note = Some(format!(
                    "The search stopped after {} candidates. Continue with the cursor, or narrow the search by project, agent or date.",
                    query.offset
                ));
                return Ok(page);
            }
        }
    }

    /// Loads the messages of these hits and decompresses each session once. Adds the sizes of the sessions to `read_bytes`.
    fn messages_of(
        &self,
        hits: &[Hit],
        read_bytes: &mut u64,
    ) -> Result<HashMap<(SessionKey, u32), Message>, Failure> {
        let mut indices: BTreeMap<&SessionKey, Vec<u32>> = BTreeMap::new();
        for hit in hits {
            indices.entry(&hit.key).or_default().push(hit.message);
        }
        let mut out = HashMap::new();
        for (key, mut at) in indices {
            at.sort_unstable();
            at.dedup();
            let found = self.archive.messages(key, &at)?;
            *read_bytes += found.session_bytes;
            out.extend(found.messages.into_iter().map(|(i, m)| ((key.clone(), i), m)));
        }
        Ok(out)
    }

    /// Searches without the index: matches every session, newest first.
    ///
    /// A page ends after [`READ_BYTES`], so that a caller gets an answer soon even if nothing matches. The cursor has the
    /// last session that was searched whole, and the number of hits that were returned from the one after it.
    fn search_sessions(
        &self,
        p: &SearchParams,
        matcher: &HitMatcher<'_>,
        limit: u64,
    ) -> Result<SearchPage, Failure> {
        let (mut after, mut skip) = match p.cursor.as_deref() {
            None => (None, 0),
            Some(c) => parse_position(c).ok_or_else(bad_cursor)?,
        };
        let cursor = |after: Option<(i64, i64)>, skip: u64| {
            let (value, id) = after.unwrap_or((i64::MAX, i64::MAX));
            format!("{value}.{id}.{skip}")
        };
        let mut page = SearchPage::default();
        let (mut read, mut sessions) = (0, 0u64);
        loop {
            let rows = self.archive.inbox(&Inbox {
                agent: matcher.agent.clone(),
                projects: matcher.projects.clone(),
                since: p.since,
                until: p.until,
                sort: Sort::Started,
                limit: BATCH,
                after,
                ..Inbox::default()
            })?;
            let last = (rows.len() as u64) < BATCH;
            for row in rows {
                self.ctx.check()?;
                if read > READ_BYTES {
                    page.next_cursor = Some(cursor(after, skip));
                    page.note = Some(format!(
                        "The search stopped after the newest {sessions} sessions ({} MiB), because the index cannot narrow \
                         this pattern. Continue with the cursor, narrow the search by project, agent or date, or start \
                         the pattern with a whole word (\\bword).",
                        read >> 20
                    ));
                    return Ok(page);
                }
                let Some(session) = self.archive.load(row.key.as_str(), None)? else { continue };
                read += row.bytes;
                sessions += 1;
                let mut given = 0;
                for (i, message) in (0u32..).zip(&session.messages) {
                    for kind in matcher.kinds.iter().filter(|k| matcher.accepts(message, *k)) {
                        given += 1;
                        if given <= skip {
                            continue;
                        }
                        if page.hits.len() as u64 == limit {
                            page.next_cursor = Some(cursor(after, given - 1));
                            return Ok(page);
                        }
                        let hit = Hit {
                            key: row.key.clone(),
                            message: i,
                            kind,
                            title: row.title.clone(),
                            project: row.project.clone(),
                            started: row.started,
                            parent: row.parent.clone(),
                        };
                        page.hits.push(matcher.hit(hit, Some(message), cursor(after, given))?);
                    }
                }
                (after, skip) = (Some((Sort::Started.value(&row), row.id)), 0);
            }
            if last {
                return Ok(page);
            }
        }
    }
}

/// Parses the cursor of a search without the index: the sort value and row id of the last session that was searched
/// whole, and the number of hits that were returned from the next one.
fn parse_position(cursor: &str) -> Option<(Option<(i64, i64)>, u64)> {
    let mut parts = cursor.split('.');
    let place = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let skip = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some((Some(place), skip))
}

/// Returns the kinds of text to search.
fn kinds(p: &SearchParams) -> Result<DocKinds, Failure> {
    let mut kinds = DocKinds::ALL;
    if let Some(kind) = p.kind {
        kinds = DocKinds::of(&[kind]);
    }
    if let Some(role) = p.role {
        kinds = kinds.and(role.kinds());
    }
    if let Some(tool) = p.tool.as_deref() {
        if query::words(tool).is_empty() {
            return Err(Failure::usage("bad_tool", "The tool name has no letter or digit.")
                .hint("name a tool, such as Bash"));
        }
        kinds = kinds.and(DocKinds::of(&[DocKind::ToolInput, DocKind::ToolOutput]));
    }
    if kinds.iter().next().is_none() {
        let message = "No text has this kind, this role and this tool at the same time.";
        return Err(Failure::usage("bad_kind", message).hint("leave out kind and role if you name a tool"));
    }
    Ok(kinds)
}

/// Compiles a regular expression. Also returns an FTS5 expression that finds all candidates, if there is one.
fn compile(pattern: &str) -> Result<(Regex, Option<String>), Failure> {
    let bad = |what: &str| {
        Failure::usage("bad_regex", format!("The regular expression is invalid: {what}.")).hint(
            "escape literal characters (\\. \\( \\[); look-around and back-references are not supported",
        )
    };
    let hir = regex_syntax::ParserBuilder::new()
        .multi_line(true)
        .nest_limit(100)
        .build()
        .parse(pattern)
        .map_err(|e| bad(&reason(&e)))?;
    let regex = RegexBuilder::new(pattern)
        .multi_line(true)
        .nest_limit(100)
        .size_limit(4 << 20)
        .build()
        .map_err(|_| bad("it is too large"))?;
    if regex.is_match("") {
        let message = "The pattern matches the empty string, so it matches everywhere.";
        return Err(
            Failure::usage("bad_regex", message).hint("require at least one character: + instead of *")
        );
    }
    Ok((regex, regex_candidates::candidates(&hir)))
}

/// Describes the error in a pattern in one line.
fn reason(e: &regex_syntax::Error) -> String {
    match e {
        regex_syntax::Error::Parse(e) => e.kind().to_string(),
        regex_syntax::Error::Translate(e) => e.kind().to_string(),
        _ => "it does not parse".to_owned(),
    }
}
