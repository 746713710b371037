//! How many rows of a release were read completely, by whom.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::gate::RowsRead;

use super::OpenRelease;

/// Rows whose served parts one reader read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReaderRows {
    /// `person`, `agent`, or `agent:` and the name of its client.
    pub by: String,
    pub rows: u64,
}

/// The rows that each reader read completely.
pub(super) fn readers(open: &OpenRelease) -> Vec<ReaderRows> {
    let mut by: BTreeMap<&str, u64> = BTreeMap::new();
    for row in open.release.rows.values() {
        if let Some(read) = open.release.read.get(&row.sha256) {
            *by.entry(&read.by).or_default() += 1;
        }
    }
    by.into_iter().map(|(by, rows)| ReaderRows { by: by.to_owned(), rows }).collect()
}

/// The figures of the readers, by people and by agents.
pub(super) fn rows_read(by: &[ReaderRows], rows_total: u64) -> RowsRead {
    let sum = |person: bool| by.iter().filter(|r| (r.by == "person") == person).map(|r| r.rows).sum();
    let (rows_read_by_people, rows_read_by_agents): (u64, u64) = (sum(true), sum(false));
    RowsRead {
        rows_total,
        rows_read: rows_read_by_people + rows_read_by_agents,
        rows_read_by_people,
        rows_read_by_agents,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_people_and_by_agents() {
        let by = |by: &str, rows| ReaderRows { by: by.to_owned(), rows };
        let read = rows_read(&[by("person", 2), by("agent", 3), by("agent:claude", 1)], 9);
        assert_eq!((read.rows_total, read.rows_read), (9, 6));
        assert_eq!((read.rows_read_by_people, read.rows_read_by_agents), (2, 4));
    }
}
