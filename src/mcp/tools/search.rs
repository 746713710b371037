//! `search`: where words stand in the archive.

use serde_json::{Value, json as value};

use super::{Args, Hints, Tool, UNTRUSTED, nonce, params};
use crate::app::sessions::SearchParams;
use crate::app::text::fence;
use crate::app::{App, Failure};
use crate::mcp::answer::{ROOM, clip, size};
use crate::mcp::schema::{self, choice, count, flag, text};

pub(super) struct Search;

impl Tool for Search {
    fn name(&self) -> &'static str {
        "search"
    }

    fn title(&self) -> &'static str {
        "Search sessions"
    }

    fn description(&self) -> &'static str {
        "Full-text search. A hit has the session `key`, the `message` index (`from` in read_session) and a \
         redacted, fenced, untrusted snippet."
    }

    fn input(&self) -> Value {
        schema::object(
            &[
                ("query", text("Words, \"a phrase\", prefix*, AND OR NOT.")),
                ("regex", flag("Query is a regex.")),
                ("agent", text("Agent.")),
                ("project", text("Name/path.")),
                ("tool", text("Calls of this tool.")),
                ("since", text("Day or RFC 3339.")),
                (
                    "kind",
                    choice("Kind of text.", &["prompt", "answer", "thinking", "tool_input", "tool_output"]),
                ),
                ("limit", count("Default: 8 KB.")),
                ("cursor", text("Next page.")),
            ],
            &["query"],
        )
    }

    fn output(&self) -> Value {
        schema::answer(&[("hits", "array"), ("next_cursor", "string")])
    }

    fn hints(&self) -> Hints {
        Hints::READ
    }

    fn call(&self, app: &mut App, args: Args) -> Result<Value, Failure> {
        let p: SearchParams = params(args)?;
        let mut ask = p.clone();
        for limit in [10, 6, 3, 1] {
            ask.limit = Some(p.limit.unwrap_or(limit));
            let page = app.search(&ask)?;
            let nonce = nonce()?;
            let hits: Vec<Value> = page
                .hits
                .into_iter()
                .map(|h| {
                    value!({
                        "key": h.key,
                        "message": h.message,
                        "kind": h.kind,
                        "project": h.project,
                        "title": h.title.map(|t| clip(&t, 80)),
                        "started": h.started,
                        "snippet": fence(&nonce, &h.snippet),
                    })
                })
                .collect();
            let mut out = value!({ "hits": hits, "next_cursor": page.next_cursor, "integrity": UNTRUSTED });
            if let Some(note) = page.note {
                out["note"] = value!(note);
            }
            if p.limit.is_some() || limit == 1 || size(&out) <= ROOM {
                return Ok(out);
            }
        }
        Ok(value!({}))
    }
}
