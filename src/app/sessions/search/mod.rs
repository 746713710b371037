//! Search: where words, or what a regular expression describes, stand in the archive, with a redacted snippet.

mod query;
mod regex_candidates;
mod snippet;

use std::collections::{BTreeMap, HashMap};

use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::Engine;
use crate::store::{DocKind, DocKinds, Hit, Inbox, SearchQuery, Sort, doc_text};
use crate::trace::{Message, SessionKey, Timestamp};

use crate::app::{App, Failure, text::sanitize};
use snippet::Finder;

/// A search that must look into sessions reads at most so many bytes of normal form a page: about half a second.
const READ_BYTES: u64 = 64 << 20;

/// Candidates that are looked into at a time.
const BATCH: u64 = 40;

/// What to look for.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchParams {
    /// Words, "a phrase", prefix*, AND OR NOT.
    pub query: String,
    /// The query is a regular expression (`^` and `$` match at lines; linear time).
    #[serde(default)]
    pub regex: bool,
    /// Agent id.
    pub agent: Option<String>,
    /// Project name or path.
    pub project: Option<String>,
    /// Kind of text.
    #[schemars(with = "Option<DocKind>")]
    pub kind: Option<String>,
    /// `user`, `assistant`, `thinking`, `tool` or `system`.
    #[schemars(skip)]
    pub role: Option<String>,
    /// Calls of this tool.
    pub tool: Option<String>,
    /// Sessions that ended at or after this time.
    pub since: Option<Timestamp>,
    /// Sessions that started before this time.
    #[schemars(skip)]
    pub until: Option<Timestamp>,
    /// Maximum number of hits (default 10).
    pub limit: Option<u64>,
    /// `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

/// A hit.
#[derive(Debug, Clone, Serialize)]
pub struct SearchHit {
    /// Session.
    pub key: SessionKey,
    /// Index of the message in the session.
    pub message: u32,
    /// Kind of text.
    pub kind: DocKind,
    /// Project's display name.
    pub project: Option<String>,
    /// Title, redacted.
    pub title: Option<String>,
    /// When the session started.
    pub started: Option<Timestamp>,
    /// The words with their surroundings, redacted. Untrusted text.
    pub snippet: String,
    /// Continues the search after this hit.
    #[serde(skip)]
    pub cursor: String,
}

/// A page of hits, best first.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SearchPage {
    /// Hits.
    pub hits: Vec<SearchHit>,
    /// Give this as `cursor` for the next page.
    pub next_cursor: Option<String>,
    /// What was not looked at, and how to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What has to be found out about a candidate before it is a hit, and how its snippet is made.
struct Look<'a> {
    finder: Finder,
    /// The pattern that the text must match, where the index could not decide.
    regex: Option<Regex>,
    tool: Option<&'a str>,
    kinds: DocKinds,
}

impl Look<'_> {
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
        let text = message.map(|m| snippet::shown(m, h.kind, self.tool)).unwrap_or_default();
        Ok(SearchHit {
            snippet: sanitize(self.finder.snippet(engine, &text).trim()),
            title: h.title.as_deref().map(sanitize),
            key: h.key,
            message: h.message,
            kind: h.kind,
            project: h.project,
            started: h.started,
            cursor,
        })
    }
}

fn bad_cursor() -> Failure {
    Failure::usage("bad_cursor", "The cursor is not one this clawgate gave; leave it out to start over.")
}

impl App {
    /// Finds words in the archive.
    ///
    /// # Errors
    /// [`Failure`] where the expression does not parse or the archive refuses.
    pub fn search(&self, p: &SearchParams) -> Result<SearchPage, Failure> {
        if p.query.trim().is_empty() {
            return Err(Failure::usage("empty_query", "Say what to look for.")
                .hint("clawgate search \"refactor auth\""));
        }
        let kinds = kinds(p)?;
        let limit = p.limit.unwrap_or(10).clamp(1, 100);
        let pattern = if p.regex { Some(p.query.clone()) } else { query::unspaced(&p.query) };
        let (expression, finder, regex) = if let Some(pattern) = pattern {
            let (regex, expression) = compile(&pattern)?;
            (expression, Finder::of_regex(regex.clone()), Some(regex))
        } else {
            let query = query::parse(&p.query)?;
            (Some(query.expression), Finder::of_words(&query.operands), None)
        };
        let look = Look { finder, regex, tool: p.tool.as_deref(), kinds };
        match expression {
            Some(text) => self.search_index(p, text, &look, limit),
            None => self.search_sessions(p, &look, limit),
        }
    }

    /// Through the index; candidates are looked into where the index cannot decide.
    fn search_index(
        &self,
        p: &SearchParams,
        text: String,
        look: &Look<'_>,
        limit: u64,
    ) -> Result<SearchPage, Failure> {
        let offset = p.cursor.as_deref().map(|c| c.parse().map_err(|_| bad_cursor())).transpose()?;
        let mut query = SearchQuery {
            text,
            agent: p.agent.clone(),
            project: p.project.clone(),
            kinds: look.kinds,
            tool: p.tool.clone(),
            since: p.since,
            until: p.until,
            limit: if look.must_read() { BATCH } else { limit + 1 },
            offset: offset.unwrap_or(0),
        };
        let mut page = SearchPage::default();
        let mut read = 0;
        loop {
            self.ctx.check()?;
            let mut found = self.archive.search(&query)?;
            let last = (found.len() as u64) < query.limit;
            if !look.must_read() {
                let more = found.len() as u64 > limit;
                found.truncate(limit as usize);
                page.next_cursor = more.then(|| (query.offset + limit).to_string());
            }
            let messages = self.messages_of(&found, &mut read)?;
            for (given, hit) in (1..).zip(found) {
                let message = messages.get(&(hit.key.clone(), hit.message));
                if look.must_read() {
                    if page.hits.len() as u64 == limit {
                        page.next_cursor = Some(query.offset.to_string());
                        return Ok(page);
                    }
                    query.offset += 1;
                    if !message.is_some_and(|m| look.accepts(m, hit.kind)) {
                        continue;
                    }
                }
                // A search that looks into sessions has counted this candidate already.
                let next = if look.must_read() { query.offset } else { query.offset + given };
                page.hits.push(look.hit(hit, message, next.to_string())?);
            }
            if last || !look.must_read() {
                return Ok(page);
            }
            if read > READ_BYTES {
                page.next_cursor = Some(query.offset.to_string());
                page.note = Some(format!(
                    "Not all was looked at: {} candidates so far. Go on with the cursor, or narrow the search by project, agent or date.",
                    query.offset
                ));
                return Ok(page);
            }
        }
    }

    /// The messages of these hits; each session is unpacked once. Adds what was read to `read`.
    fn messages_of(
        &self,
        hits: &[Hit],
        read: &mut u64,
    ) -> Result<HashMap<(SessionKey, u32), Message>, Failure> {
        let mut places: BTreeMap<&SessionKey, Vec<u32>> = BTreeMap::new();
        for hit in hits {
            places.entry(&hit.key).or_default().push(hit.message);
        }
        let mut out = HashMap::new();
        for (key, mut at) in places {
            at.sort_unstable();
            at.dedup();
            let found = self.archive.messages(key, &at)?;
            *read += found.session_bytes;
            out.extend(found.messages.into_iter().map(|(i, m)| ((key.clone(), i), m)));
        }
        Ok(out)
    }

    /// Without the index: session by session, newest first.
    fn search_sessions(&self, p: &SearchParams, look: &Look<'_>, limit: u64) -> Result<SearchPage, Failure> {
        let (mut after, mut skip) = match p.cursor.as_deref() {
            None => (None, 0),
            Some(c) => place(c).ok_or_else(bad_cursor)?,
        };
        let cursor = |after: Option<(i64, i64)>, skip: u64| {
            let (value, id) = after.unwrap_or((i64::MAX, i64::MAX));
            format!("{value}.{id}.{skip}")
        };
        let mut page = SearchPage::default();
        let (mut read, mut sessions) = (0, 0u64);
        loop {
            let rows = self.archive.inbox(&Inbox {
                agent: p.agent.clone(),
                project: p.project.clone(),
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
                        "Only {sessions} sessions (newest first, {} MiB) were looked at: the index cannot narrow this \
                         pattern. Go on with the cursor; narrow by project, agent or date; or begin the pattern with \
                         a whole word (\\bword).",
                        read >> 20
                    ));
                    return Ok(page);
                }
                let Some(session) = self.archive.load(row.key.as_str(), None)? else { continue };
                read += row.bytes;
                sessions += 1;
                let mut given = 0;
                for (i, message) in (0u32..).zip(&session.messages) {
                    for kind in look.kinds.iter().filter(|k| look.accepts(message, *k)) {
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
                        };
                        page.hits.push(look.hit(hit, Some(message), cursor(after, given))?);
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

/// Where a search without the index goes on: after which session, and how many hits of the next were given.
fn place(cursor: &str) -> Option<(Option<(i64, i64)>, u64)> {
    let mut parts = cursor.split('.');
    let place = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let skip = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some((Some(place), skip))
}

/// The kinds of text to look in.
fn kinds(p: &SearchParams) -> Result<DocKinds, Failure> {
    let mut kinds = DocKinds::ALL;
    if let Some(kind) = p.kind.as_deref() {
        let kind = DocKind::parse(kind).ok_or_else(|| {
            Failure::usage("bad_kind", "Kind is one of prompt, answer, thinking, tool_input, tool_output.")
        })?;
        kinds = DocKinds::of(&[kind]);
    }
    if let Some(role) = p.role.as_deref() {
        let of: &[DocKind] = match role {
            "user" => &[DocKind::Prompt],
            "assistant" => &[DocKind::Answer],
            "thinking" => &[DocKind::Thinking],
            "tool" => &[DocKind::ToolInput, DocKind::ToolOutput],
            "system" => &[DocKind::Notice],
            _ => {
                let message = "Role is one of user, assistant, thinking, tool, system.";
                return Err(Failure::usage("bad_role", message).hint("clawgate search --role user WORDS"));
            }
        };
        kinds = kinds.and(DocKinds::of(of));
    }
    if let Some(tool) = p.tool.as_deref() {
        if query::words(tool).is_empty() {
            return Err(Failure::usage("bad_tool", "A tool has a name, such as Bash.").hint("--tool Bash"));
        }
        kinds = kinds.and(DocKinds::of(&[DocKind::ToolInput, DocKind::ToolOutput]));
    }
    if kinds.iter().next().is_none() {
        let message = "No text is of this kind, this role and this tool at once.";
        return Err(Failure::usage("bad_kind", message).hint("leave kind and role out where a tool is given"));
    }
    Ok(kinds)
}

/// A regular expression made ready, and what it lets the index name as candidates.
fn compile(pattern: &str) -> Result<(Regex, Option<String>), Failure> {
    let bad = |what: &str| {
        Failure::usage("bad_regex", format!("The regular expression does not work: {what}."))
            .hint("escape what is meant as it stands (\\. \\( \\[); there is no look-around and no \\1")
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
        let message = "The pattern matches the empty text, so it matches everywhere.";
        return Err(
            Failure::usage("bad_regex", message).hint("ask for one character at least: + instead of *")
        );
    }
    Ok((regex, regex_candidates::candidates(&hir)))
}

/// What is wrong with a pattern, in one line.
fn reason(e: &regex_syntax::Error) -> String {
    match e {
        regex_syntax::Error::Parse(e) => e.kind().to_string(),
        regex_syntax::Error::Translate(e) => e.kind().to_string(),
        _ => "it does not parse".to_owned(),
    }
}
