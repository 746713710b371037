//! Search: where words stand in the archive, with a redacted snippet.

use serde::{Deserialize, Serialize};

use crate::rules::Engine;
use crate::store::{DocKind, Hit, SearchQuery};
use crate::trace::{Message, Part, SessionKey, Timestamp};

use super::scan::redact_line;
use super::{App, Failure, sanitize};

/// What to look for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SearchParams {
    /// Words, `"phrases"`, `prefix*`, AND OR NOT.
    pub query: String,
    /// Agent id.
    pub agent: Option<String>,
    /// Project name or path.
    pub project: Option<String>,
    /// `prompt`, `answer`, `thinking`, `tool_input` or `tool_output`.
    pub kind: Option<String>,
    /// Only sessions that ended at or after this instant.
    pub since: Option<Timestamp>,
    /// At most so many hits; 10 unless said otherwise.
    pub limit: Option<u64>,
    /// Where the previous page ended.
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
}

/// A page of hits, best first.
#[derive(Debug, Clone, Serialize)]
pub struct SearchPage {
    /// Hits.
    pub hits: Vec<SearchHit>,
    /// Give this as `cursor` for the next page.
    pub next_cursor: Option<String>,
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
        let kind = match p.kind.as_deref() {
            None => None,
            Some(k) => Some(DocKind::parse(k).ok_or_else(|| {
                Failure::usage(
                    "bad_kind",
                    "Kind is one of prompt, answer, thinking, tool_input, tool_output.",
                )
            })?),
        };
        let limit = p.limit.unwrap_or(10).clamp(1, 100);
        let offset = match &p.cursor {
            None => 0,
            Some(c) => c.parse().map_err(|_| {
                Failure::usage(
                    "bad_cursor",
                    "The cursor is not one this clawgate gave; leave it out to start over.",
                )
            })?,
        };
        let mut query = SearchQuery {
            text: p.query.clone(),
            agent: p.agent.clone(),
            project: p.project.clone(),
            kind,
            since: p.since,
            limit: limit + 1,
            offset,
        };
        let mut hits = match self.archive.search(&query) {
            // A query with stray punctuation is looked for as words.
            Err(crate::store::StoreError::Query(_)) => {
                query.text = words(&p.query);
                self.archive.search(&query)?
            }
            other => other?,
        };
        let more = hits.len() as u64 > limit;
        hits.truncate(limit as usize);
        let terms: Vec<String> = words(&query.text)
            .split('"')
            .map(str::trim)
            .filter(|w| !w.is_empty())
            .map(str::to_lowercase)
            .collect();
        let engine = Engine::builtin()?;
        let hits = hits.into_iter().map(|h| self.hit(h, &terms, engine)).collect::<Result<_, _>>()?;
        Ok(SearchPage { hits, next_cursor: more.then(|| (offset + limit).to_string()) })
    }

    fn hit(&self, h: Hit, terms: &[String], engine: &Engine) -> Result<SearchHit, Failure> {
        let session = self.archive.load(h.key.as_str(), None)?;
        let text = session
            .and_then(|s| s.messages.into_iter().nth(h.message as usize))
            .map(|m| text_of(&m, h.kind))
            .unwrap_or_default();
        // Redacted whole, then cut: a cut first could leave half a secret that no rule knows.
        let window = around(&text, terms, 1200);
        let snippet = around(&redact_line(engine, window), terms, 240).to_owned();
        Ok(SearchHit {
            snippet: sanitize(snippet.trim()),
            title: h.title.as_deref().map(sanitize),
            key: h.key,
            message: h.message,
            kind: h.kind,
            project: h.project,
            started: h.started,
        })
    }
}

/// Each word of a query as an FTS5 string.
fn words(query: &str) -> String {
    let words = query.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    words
        .filter(|w| !matches!(*w, "AND" | "OR" | "NOT" | "NEAR"))
        .map(|w| format!("\"{w}\""))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The text of a message that a kind of document covers.
fn text_of(message: &Message, kind: DocKind) -> String {
    let mut out: Vec<String> = Vec::new();
    for part in &message.parts {
        match (part, kind) {
            (Part::Text { text }, DocKind::Prompt | DocKind::Answer | DocKind::Notice)
            | (Part::Thinking { text }, DocKind::Thinking) => out.push(text.clone()),
            (Part::Attachment { name, text }, DocKind::Prompt) => out.push(format!("{name}\n{text}")),
            (Part::Tool(call), DocKind::ToolInput) => out.push(format!("{} {}", call.name, call.input)),
            (Part::Tool(call), DocKind::ToolOutput) => out.extend(call.output.clone()),
            _ => {}
        }
    }
    out.join("\n")
}

/// About `width` bytes of text around the first of the terms, cut at character borders.
fn around<'a>(text: &'a str, terms: &[String], width: usize) -> &'a str {
    let lower = text.to_ascii_lowercase();
    let at = terms.iter().filter_map(|t| lower.find(t.as_str())).min().unwrap_or(0);
    let floor = |mut i: usize| {
        i = i.min(text.len());
        while !text.is_char_boundary(i) {
            i -= 1;
        }
        i
    };
    let start = floor(at.saturating_sub(width / 3));
    &text[start..floor(start + width)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snippets_are_cut_at_character_borders() {
        let text = "é".repeat(500) + "needle" + &"ü".repeat(500);
        let cut = around(&text, &["needle".into()], 101);
        assert!(cut.contains("needle") && cut.len() <= 101);
        assert_eq!(around("", &["x".into()], 10), "");
    }

    #[test]
    fn stray_punctuation_becomes_words() {
        assert_eq!(words("foo-bar: (baz) AND \"q"), "\"foo\" \"bar\" \"baz\" \"q\"");
    }
}
