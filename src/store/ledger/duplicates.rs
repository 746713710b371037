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
        // Two different keys may have the same hash, so the keys decide.
        let key = |copy: &StoredCopy<'a>| copy.entry.row.dedupe_key;
        let mut order: Vec<(u64, usize, &StoredCopy<'a>)> =
            self.copies.iter().enumerate().map(|(n, copy)| (copy.hash, n, copy)).collect();
        order.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| key(a.2).cmp(key(b.2))).then_with(|| a.1.cmp(&b.1))
        });
        let mut group: Vec<&StoredCopy<'a>> = Vec::new();
        for same_key in order.chunk_by(|a, b| a.0 == b.0 && key(a.2) == key(b.2)) {
            group.clear();
            group.extend(same_key.iter().map(|(.., copy)| *copy));
            if group.iter().any(|copy| copy.selected) {
                resolve_group(&group, devices, each);
            }
        }
    }
}

/// Calls `each` with the request of some records: the figures of one, and the session, project, subagent, skill and
/// device of the owner, which may be another record.
fn resolve_group(
    group: &[&StoredCopy<'_>],
    devices: &HashMap<i64, Rc<str>>,
    each: &mut dyn FnMut(&CountedRow<'_>),
) {
    let copies: Vec<RequestCopy<'_>> = group.iter().map(|copy| copy.as_request_copy()).collect();
    let Some((owner, figures)) = resolve_duplicate(&copies) else { return };
    let (Some(owner), Some(figures)) = (group.get(owner), group.get(figures)) else { return };
    let owner_row = &owner.entry.row;
    let request = UsageRow {
        session: owner_row.session,
        subagent: owner_row.subagent,
        skill: owner_row.skill,
        ..figures.entry.row.clone()
    };
    let locations: Vec<RecordLocation<'_>> =
        if group.len() > 1 { group.iter().map(|copy| copy.location()).collect() } else { Vec::new() };
    each(&CountedRow {
        request: &request,
        project: owner.entry.facts.project,
        device: devices.get(&owner.file).map(|device| &**device),
        tools: &figures.tools,
        location: figures.location(),
        copies: &locations,
    });
}
