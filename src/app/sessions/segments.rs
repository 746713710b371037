//! Segment: a long session split where nobody did anything for a while.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::trace::{Origin, Part, Role, SessionKey, Timestamp, Tokens, active_periods};

use crate::app::sessions::show::gap_millis;
use crate::app::{App, Failure};

/// Which session, and how long a gap splits it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SegmentParams {
    /// Key, native id, or an unambiguous beginning of either.
    pub session: String,
    /// Idle minutes that end a segment; 30 unless said otherwise.
    pub gap_minutes: Option<u64>,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SegmentItem {
    /// Its number, from 1: `clawgate show KEY --segment N`.
    pub segment: u64,
    /// Index of its first message.
    pub from: u64,
    /// Index after its last message.
    pub to: u64,
    /// First instant.
    pub started: Option<Timestamp>,
    /// Last instant.
    pub ended: Option<Timestamp>,
    /// Messages.
    pub messages: u64,
    /// Human prompts.
    pub user_messages: u64,
    /// Tool calls.
    pub tool_calls: u64,
    /// Tokens of the session's requests that were made from its start to the next one's.
    pub usage: Tokens,
    /// The sum of its tokens.
    pub tokens: u64,
}

/// A session's segments, in order: together they hold each message once.
#[derive(Debug, Clone, Serialize)]
pub struct SegmentReport {
    /// Session.
    pub key: SessionKey,
    /// Idle minutes that end a segment.
    pub gap_minutes: u64,
    /// Messages in the session.
    pub message_count: u64,
    /// Segments.
    pub segments: Vec<SegmentItem>,
}

impl App {
    /// Splits a session at idle gaps.
    ///
    /// # Errors
    /// [`Failure`] where no session or several match, or the archive refuses.
    pub fn segments(&self, p: &SegmentParams) -> Result<SegmentReport, Failure> {
        let key = self.resolve(&p.session)?;
        let Some(session) = self.archive.load(key.as_str(), None)? else {
            return Err(Failure::usage("no_such_session", "No such session.").hint("clawgate inbox"));
        };
        let gap = gap_millis(p.gap_minutes);
        let found = active_periods(session.messages.iter().map(|m| m.at), gap);
        let mut segments: Vec<SegmentItem> = Vec::with_capacity(found.len());
        for (n, s) in (1..).zip(&found) {
            let messages = session.messages.get(s.from..s.to).unwrap_or_default();
            let tools = |p: &&Part| matches!(p, Part::Tool(_));
            segments.push(SegmentItem {
                segment: n,
                from: s.from as u64,
                to: s.to as u64,
                started: s.started,
                ended: s.ended,
                messages: messages.len() as u64,
                user_messages: messages
                    .iter()
                    .filter(|m| m.role == Role::User && m.origin == Origin::Human)
                    .count() as u64,
                tool_calls: messages.iter().flat_map(|m| &m.parts).filter(tools).count() as u64,
                usage: Tokens::default(),
                tokens: 0,
            });
        }
        self.archive.for_each_request_of(&HashSet::from([key.as_str()]), &mut |row| {
            // A request is known by its last record, which may be later than any message's time.
            let own =
                segments.iter().rposition(|s| s.started.is_some_and(|at| at <= row.request.at)).unwrap_or(0);
            if let Some(s) = segments.get_mut(own) {
                s.usage += row.request.tokens;
                s.tokens = s.usage.total();
            }
        })?;
        let gap_minutes = (gap / 60_000).unsigned_abs();
        Ok(SegmentReport { key, gap_minutes, message_count: session.messages.len() as u64, segments })
    }
}
