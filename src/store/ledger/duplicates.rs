//! Requests that several records share: they are collected while the ledger is read, and resolved at its end.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::rc::Rc;

use crate::store::StoreError;
use crate::trace::UsageRow;
use crate::usage::{CountedRow, RecordLocation, RequestCopy, ToolShare, resolve_duplicate, split_by_session};

use super::codec::{RowPosition, SegmentEntry, SegmentReader};

/// One record of a request that may have others. A history can have very many, so only its position is kept, and the
/// record is read again when its request is resolved.
struct StoredCopy<'a> {
    hash: u64,
    /// Index of its segment.
    segment: usize,
    position: RowPosition<'a>,
    tools: Vec<ToolShare<'a>>,
}

/// A segment with such records.
struct SegmentWithCopies<'a> {
    file: i64,
    /// Whether the segment was asked for, and not only has records of the same requests.
    selected: bool,
    reader: SegmentReader<'a>,
}

/// A record that was read again.
#[derive(Default)]
struct Record<'r, 'a> {
    file: i64,
    selected: bool,
    tools: &'r [ToolShare<'a>],
    entry: SegmentEntry<'a>,
}

impl<'a> Record<'_, 'a> {
    fn key(&self) -> &'a str {
        self.entry.row.dedupe_key
    }

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
    segments: Vec<SegmentWithCopies<'a>>,
}

impl<'a> DuplicateRows<'a> {
    /// Adds a record of the segment that [`DuplicateRows::end_segment`] will add.
    pub(super) fn push(&mut self, hash: u64, position: RowPosition<'a>, tools: &[ToolShare<'a>]) {
        let segment = self.segments.len();
        self.copies.push(StoredCopy { hash, segment, position, tools: tools.to_vec() });
    }

    /// Adds the segment of the records since the last call. The reader must read keys: only equal keys make two records
    /// copies, because different keys may have the same hash.
    pub(super) fn end_segment(&mut self, file: i64, selected: bool, reader: SegmentReader<'a>) {
        self.segments.push(SegmentWithCopies { file, selected, reader });
    }

    /// Calls `each` once for every request that has a record in a selected segment.
    ///
    /// # Errors
    /// [`StoreError`] if a record cannot be read again.
    pub(super) fn resolve(
        mut self,
        devices: &HashMap<i64, Rc<str>>,
        each: &mut dyn FnMut(&CountedRow<'_>),
    ) -> Result<(), StoreError> {
        let mut order: Vec<(u64, usize)> = self.copies.iter().enumerate().map(|(n, c)| (c.hash, n)).collect();
        order.sort_unstable();
        let mut groups: Vec<&[(u64, usize)]> = order.chunk_by(|a, b| a.0 == b.0).collect();
        // In the order of the logs, because sums are faster if consecutive requests share their session, model and day.
        groups.sort_unstable_by_key(|group| group.first().map(|(_, n)| *n));
        // Reused from request to request, because copying a record costs as much as reading it.
        let mut records: Vec<Record<'_, 'a>> = Vec::new();
        for group in groups {
            if records.len() < group.len() {
                records.resize_with(group.len(), Record::default);
            }
            let records = &mut records[..group.len()];
            for (record, (_, n)) in records.iter_mut().zip(group) {
                let copy = &self.copies[*n];
                let segment = &mut self.segments[copy.segment];
                (record.file, record.selected, record.tools) = (segment.file, segment.selected, &copy.tools);
                segment.reader.read_at(copy.position, &mut record.entry)?;
            }
            // Two different keys may have the same hash, so the keys decide.
            records.sort_by(|a, b| a.key().cmp(b.key()));
            for same_key in records.chunk_by(|a, b| a.key() == b.key()) {
                if !same_key.iter().any(|record| record.selected) {
                    continue;
                }
                let copies: Vec<RequestCopy<'_>> = same_key.iter().map(Record::as_request_copy).collect();
                if same_key.first().is_some_and(|record| record.entry.row.has_position_key()) {
                    for request in split_by_session(&copies) {
                        let group: Vec<&Record<'_, '_>> = request.iter().map(|n| &same_key[*n]).collect();
                        let copies: Vec<_> = request.iter().map(|n| copies[*n].clone()).collect();
                        if group.iter().any(|record| record.selected) {
                            count_request(&group, &copies, devices, each);
                        }
                    }
                } else {
                    count_request(same_key, &copies, devices, each);
                }
            }
        }
        Ok(())
    }
}

/// Calls `each` with the request of some records: the figures of one, and the session, project, subagent, skill and
/// device of the owner, which may be another record.
fn count_request<'r, 'a: 'r>(
    group: &[impl Borrow<Record<'r, 'a>>],
    copies: &[RequestCopy<'_>],
    devices: &HashMap<i64, Rc<str>>,
    each: &mut dyn FnMut(&CountedRow<'_>),
) {
    let Some((owner, figures)) = resolve_duplicate(copies) else { return };
    let (Some(owner), Some(figures)) = (group.get(owner), group.get(figures)) else { return };
    let (owner, figures) = (owner.borrow(), figures.borrow());
    let owner_row = &owner.entry.row;
    let request = UsageRow {
        session: owner_row.session,
        subagent: owner_row.subagent,
        skill: owner_row.skill,
        ..figures.entry.row.clone()
    };
    let locations: Vec<RecordLocation<'_>> = if group.len() > 1 {
        group.iter().map(|record| record.borrow().location()).collect()
    } else {
        Vec::new()
    };
    each(&CountedRow {
        sum: None,
        request: &request,
        project: owner.entry.facts.project,
        device: devices.get(&owner.file).map(|device| &**device),
        tools: figures.tools,
        location: figures.location(),
        copies: &locations,
    });
}
