//! Splits a long session at idle gaps.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::trace::{Message, SessionKey, Timestamp, Tokens, active_periods};

use crate::app::sessions::show::gap_millis;
use crate::app::{App, Failure};

/// Which session to split, and at which gaps.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SegmentParams {
    /// Session key, native id, or the beginning of one.
    pub session: String,
    /// Idle minutes that end a segment (default 30).
    pub gap_minutes: Option<u64>,
}

/// A part of a session between idle gaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SegmentItem {
    /// Number, counted from 1: `clawgate show KEY --segment N`.
    pub segment: u64,
    /// Index of its first message.
    pub from: u64,
    /// Index after its last message.
    pub to: u64,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub messages: u64,
    /// Number of human prompts.
    pub user_messages: u64,
    pub tool_calls: u64,
    /// Tokens of the session's requests between the start of this segment and the start of the next one.
    pub usage: Tokens,
    /// Sum of the tokens in `usage`.
    pub tokens: u64,
}

/// The segments of a session, in order. Each message is in exactly one of them.
#[derive(Debug, Clone, Serialize)]
pub struct SegmentReport {
    pub key: SessionKey,
    /// Idle minutes that end a segment.
    pub gap_minutes: u64,
    /// Number of messages in the session.
    pub message_count: u64,
    pub segments: Vec<SegmentItem>,
}

impl App {
    /// Splits a session at idle gaps.
    ///
    /// # Errors
    /// [`Failure`] if no session or several sessions match, or the archive cannot be read.
    pub fn segments(&self, p: &SegmentParams) -> Result<SegmentReport, Failure> {
        let key = self.resolve(&p.session)?;
        let Some(session) = self.archive.load(key.as_str(), None)? else {
            return Err(Failure::usage("no_such_session", "There is no such session.").hint("clawgate inbox"));
        };
        let gap = gap_millis(p.gap_minutes);
        let found = active_periods(session.messages.iter().map(|m| m.at), gap);
        let mut segments: Vec<SegmentItem> = Vec::with_capacity(found.len());
        for (n, s) in (1..).zip(&found) {
            let messages = session.messages.get(s.from..s.to).unwrap_or_default();
            segments.push(SegmentItem {
                segment: n,
                from: s.from as u64,
                to: s.to as u64,
                started: s.started,
                ended: s.ended,
                messages: messages.len() as u64,
                user_messages: messages.iter().filter(|m| m.is_prompt()).count() as u64,
                tool_calls: messages.iter().flat_map(Message::tool_calls).count() as u64,
                usage: Tokens::default(),
                tokens: 0,
            });
        }
        self.archive.for_each_request_of(&HashSet::from([key.as_str()]), &mut |row| {
            // The time of a request is that of its last record, which can be later than the last message of the segment.
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
