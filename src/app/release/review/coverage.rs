//! How much of a release was read, by whom, and the words for it that all interfaces use.
//!
//! A release has two sizes. Its text is the size of its rows, which is what a review reads. The size of its files
//! includes the dataset card and the metadata.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::pricing::{format_bytes, format_count, pluralize};

/// How much of a release was read, by whom.
///
/// Of a long row only the beginning, the middle and the end are served, so a row can be read in part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Rows in the release.
    pub rows_total: u64,
    /// Rows of which every byte was read.
    pub rows_read: u64,
    /// Rows of which only a part was read.
    pub rows_read_in_part: u64,
    /// Bytes of all rows: the text of the release.
    pub bytes_total: u64,
    /// Bytes that were read.
    pub bytes_read: u64,
    /// Bytes that people read.
    pub bytes_by_people: u64,
    /// Bytes that agents read.
    pub bytes_by_agents: u64,
}

impl Coverage {
    /// Whether the numbers agree with each other and with the number of rows.
    pub(crate) fn is_possible(&self, rows: u64) -> bool {
        let read_rows = self.rows_read.checked_add(self.rows_read_in_part);
        let read_bytes = self.bytes_by_people.checked_add(self.bytes_by_agents);
        self.rows_total == rows
            && read_rows.is_some_and(|n| n <= rows)
            && read_bytes == Some(self.bytes_read)
            && self.bytes_read <= self.bytes_total
    }

    /// Adds a row of `bytes`, of which people and agents read so much.
    pub(super) fn add_row(&mut self, bytes: u64, by_people: u64, by_agents: u64) {
        let read = by_people + by_agents;
        self.rows_total += 1;
        self.bytes_total += bytes;
        self.bytes_read += read;
        self.bytes_by_people += by_people;
        self.bytes_by_agents += by_agents;
        if read >= bytes && bytes > 0 {
            self.rows_read += 1;
        } else if read > 0 {
            self.rows_read_in_part += 1;
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = pluralize(self.rows_total, "row");
        write!(
            f,
            "{} of {} of text read: {} of {rows} completely",
            format_bytes(self.bytes_read),
            format_bytes(self.bytes_total),
            format_count(self.rows_read)
        )?;
        if self.rows_read_in_part > 0 {
            write!(f, ", {} in part", format_count(self.rows_read_in_part))?;
        }
        match (self.bytes_by_people, self.bytes_by_agents) {
            (0, 0) => Ok(()),
            (_, 0) => f.write_str("; by people"),
            (0, _) => f.write_str("; by agents"),
            (people, agents) => {
                write!(f, "; {} by people, {} by agents", format_bytes(people), format_bytes(agents))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_which_a_part_was_read_is_never_called_read() {
        let mut c = Coverage::default();
        c.add_row(542_000, 0, 52_000);
        assert!(c.is_possible(1) && !c.is_possible(2));
        let impossible = [
            Coverage { rows_total: 0, ..c },
            Coverage { rows_read: 9, ..c },
            Coverage { rows_read: u64::MAX, ..c },
            Coverage { bytes_total: 0, ..c },
            Coverage { bytes_read: 1 << 63, bytes_by_agents: 1 << 63, ..c },
            Coverage { bytes_by_people: u64::MAX, ..c },
        ];
        assert!(impossible.iter().all(|c| !c.is_possible(1)));
        assert_eq!(
            c.to_string(),
            "52.0 kB of 542.0 kB of text read: 0 of 1 row completely, 1 in part; by agents"
        );
        c.add_row(1_000, 1_000, 0);
        c.add_row(7_000, 0, 0);
        assert_eq!(
            c.to_string(),
            "53.0 kB of 550.0 kB of text read: 1 of 3 rows completely, 1 in part; 1.0 kB by people, 52.0 kB by agents"
        );
        assert_eq!(Coverage::default().to_string(), "0 B of 0 B of text read: 0 of 0 rows completely");
        let mut whole = Coverage::default();
        whole.add_row(900, 900, 0);
        assert_eq!(whole.to_string(), "900 B of 900 B of text read: 1 of 1 row completely; by people");
    }
}
