//! The row that all counting works on: one provider request, counted once, or the sum of several.

use crate::trace::UsageRow;

/// The part of a request's prompt that comes from the results of one tool, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ToolShare<'a> {
    pub tool: &'a str,
    /// Prompt tokens that its results added since the previous request.
    pub fresh: u64,
    /// Prompt tokens of its earlier results, which the prompt still contains.
    pub carried: u64,
}

/// Where a record of a request is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordLocation<'a> {
    /// The archive's id of the file.
    pub file: i64,
    /// Byte offset of the record in the file; the position of the row in a database.
    pub offset: u64,
    /// Key of the session that contains the record.
    pub session: &'a str,
}

/// The requests that a row sums. They have the same rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestSum {
    pub requests: u64,
    /// Tokens in the largest prompt, which select the rates.
    pub largest_prompt: u64,
}

/// One provider request, counted once, or the sum of several whose difference does not matter to a report. It borrows
/// everything, so that reading the ledger does not allocate per row.
#[derive(Debug, Clone, Copy)]
pub struct CountedRow<'a> {
    /// The request with the figures that count. Session, subagent and skill are those of the session that owns it.
    pub request: &'a UsageRow<&'a str>,
    /// What was summed, if the row is a sum.
    pub sum: Option<RequestSum>,
    /// Working directory or project name, if the log has one.
    pub project: Option<&'a str>,
    /// The machine that the request was imported from; `None` is this machine.
    pub device: Option<&'a str>,
    /// The parts of the prompt that come from tool results; empty if they are not known or were not asked for.
    pub tools: &'a [ToolShare<'a>],
    /// Where the record is stored whose figures count.
    pub location: RecordLocation<'a>,
    /// Where all records of the request are stored; empty if there is only one.
    pub copies: &'a [RecordLocation<'a>],
}

impl<'a> CountedRow<'a> {
    /// Makes a row of a request without a project and without tools, on this machine.
    pub fn of(request: &'a UsageRow<&'a str>) -> Self {
        let location = RecordLocation { file: 0, offset: request.offset, session: request.session.0 };
        CountedRow { request, sum: None, project: None, device: None, tools: &[], location, copies: &[] }
    }

    /// Returns the number of requests.
    pub fn requests(&self) -> u64 {
        self.sum.map_or(1, |sum| sum.requests)
    }

    /// Returns the id of the agent.
    pub fn agent(&self) -> &'a str {
        self.session().split_once(':').map_or("", |(agent, _)| agent)
    }

    /// Returns the key of the session that owns the request.
    pub fn session(&self) -> &'a str {
        self.request.session.0
    }
}

/// Makes a row for tests, with text that lives as long as the test process.
#[cfg(test)]
pub(crate) fn test_row(request: UsageRow<&'static str>) -> CountedRow<'static> {
    CountedRow::of(Box::leak(Box::new(request)))
}
