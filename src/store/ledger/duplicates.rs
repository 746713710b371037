//! Requests that several records share: they are collected while the ledger is read, and resolved at its end.

use std::collections::HashMap;
use std::rc::Rc;

use crate::trace::UsageRow;
use crate::usage::{CountedRow, RecordLocation, RequestCopy, ToolShare, resolve_duplicate};

use super::codec::SegmentEntry;

/// One record of a request that may have others.
struct StoredCopy<'a> {
    hash: u64,
    file: i64,
    /// Whether the record is in a segment that was asked for, and not only in one with copies of its requests.
    selected: bool,
    entry: SegmentEntry<'a>,
    tools: Vec<ToolShare<'a>>,
}

impl<'a> StoredCopy<'a> {
    fn location(&self) -> RecordLocation<'a> {
        let row = &self.entry.row;
        RecordLocation { file: self.file, offset: row.offset, session: row.session.0 }
    }

    fn as_request_copy(&self) -> RequestCopy<'a> {
        let SegmentEntry { row, facts } = &self.entry;
        RequestCopy {
            session: row.session.0,
            session_started: facts.started,
            session_ended: facts.ended,
            output: row.tokens.output,
            tokens: row.tokens.total(),
            at: row.at,
            copied: row.copied,
        }
    }
}

/// Records whose key hash occurs more than once.
#[derive(Default)]
pub(super) struct DuplicateRows<'a> {
    copies: Vec<StoredCopy<'a>>,
}

impl<'a> DuplicateRows<'a> {
    pub(super) fn push(
        &mut self,
        hash: u64,
        file: i64,
        selected: bool,
        entry: &SegmentEntry<'a>,
        tools: &[ToolShare<'a>],
    ) {
        self.copies.push(StoredCopy { hash, file, selected, entry: entry.clone(), tools: tools.to_vec() });
    }

    /// Calls `each` once for every request that has a record in a selected segment.
    pub(super) fn resolve(&self, devices: &HashMap<i64, Rc<str>>, each: &mut dyn FnMut(&CountedRow<'_>)) {
        let mut order: Vec<(u64, usize)> = self.copies.iter().enumerate().map(|(n, c)| (c.hash, n)).collect();
        order.sort_unstable();
        let key = |(_, n): &(u64, usize)| self.copies.get(*n).map(|copy| copy.entry.row.dedupe_key);
        let mut groups: Vec<&[(u64, usize)]> = Vec::new();
        for same_hash in order.chunk_by_mut(|a, b| a.0 == b.0) {
            // Two different keys may have the same hash, so the keys decide.
            same_hash.sort_by(|a, b| key(a).cmp(&key(b)));
            groups.extend(same_hash.chunk_by(|a, b| key(a) == key(b)));
        }
        // In the order of the logs, because sums are faster if consecutive requests share their session, model and day.
        groups.sort_unstable_by_key(|group| group.first().map(|(_, n)| *n));
        let (mut records, mut copies, mut locations) = (Vec::new(), Vec::new(), Vec::new());
        for group in groups {
            records.clear();
            records.extend(group.iter().filter_map(|(_, n)| self.copies.get(*n)));
            if !records.iter().any(|copy| copy.selected) {
                continue;
            }
            copies.clear();
            copies.extend(records.iter().map(|copy| copy.as_request_copy()));
            locations.clear();
            if records.len() > 1 {
                locations.extend(records.iter().map(|copy| copy.location()));
            }
            let Some((owner, figures)) = resolve_duplicate(&copies) else { continue };
            let (Some(owner), Some(figures)) = (records.get(owner), records.get(figures)) else { continue };
            let owner_row = &owner.entry.row;
            // The figures are those of one record; session, project, subagent, skill and device are those of the owner,
            // which may be another record.
            let request = UsageRow {
                session: owner_row.session,
                subagent: owner_row.subagent,
                skill: owner_row.skill,
                ..figures.entry.row.clone()
            };
            each(&CountedRow {
                request: &request,
                project: owner.entry.facts.project,
                device: devices.get(&owner.file).map(|device| &**device),
                tools: &figures.tools,
                location: figures.location(),
                copies: &locations,
            });
        }
    }
}
