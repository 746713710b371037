//! The dimensions of reports, and the keys of their lines.

use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::day::DayCache;
use super::row::CountedRow;

/// The key of requests without a subagent, skill, tool or provider.
pub const NONE_KEY: &str = "(none)";

/// The key of requests without a project, and the name of the row for the sessions whose logs record no working directory.
pub const NO_PROJECT: &str = "(no project)";

/// The key of the requests that were made on this machine.
pub const HERE_KEY: &str = "(this machine)";

/// The property that rows are summed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// One row for everything.
    Total,
    Agent,
    /// Model id as the logs have it.
    Model,
    Project,
    Session,
    /// Calendar day in the report's zone, `YYYY-MM-DD`.
    Day,
    /// ISO week in the report's zone, `YYYY-Www`.
    Week,
    /// Calendar month in the report's zone, `YYYY-MM`.
    Month,
    /// Tool whose results are in the prompt.
    Tool,
    Subagent,
    Skill,
    /// Provider, if the log names one.
    Provider,
    /// Five-hour block, by its start.
    Block,
    /// Machine that made the request.
    Device,
}

impl Dimension {
    /// Every dimension with its name, in the order of the documentation.
    pub const ALL: &[(&str, Dimension)] = &[
        ("total", Dimension::Total),
        ("agent", Dimension::Agent),
        ("model", Dimension::Model),
        ("project", Dimension::Project),
        ("session", Dimension::Session),
        ("day", Dimension::Day),
        ("week", Dimension::Week),
        ("month", Dimension::Month),
        ("tool", Dimension::Tool),
        ("subagent", Dimension::Subagent),
        ("skill", Dimension::Skill),
        ("provider", Dimension::Provider),
        ("block", Dimension::Block),
        ("device", Dimension::Device),
    ];

    /// Returns the name that commands and JSON use.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, d)| *d == self).map_or("", |(n, _)| n)
    }

    /// Returns whether the lines of a report are ordered by time.
    pub fn is_time(self) -> bool {
        matches!(self, Dimension::Day | Dimension::Week | Dimension::Month | Dimension::Block)
    }

    /// Returns the key of the day, week or month that contains a calendar day.
    pub(super) fn key_of(self, day: Date) -> String {
        match self {
            Dimension::Week => {
                let week = day.iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Dimension::Month => format!("{:04}-{:02}", day.year(), day.month()),
            _ => day.to_string(),
        }
    }
}

impl FromStr for Dimension {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL.iter().find(|(n, _)| *n == s).map(|(_, d)| *d).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|(n, _)| *n).collect();
            format!("no dimension {s:?}; one of {}", names.join(", "))
        })
    }
}

/// Tells whether a request belongs to a line of a report, without making the report.
#[derive(Debug)]
pub struct LineMatcher<'z> {
    by: Dimension,
    days: DayCache<'z>,
}

impl<'z> LineMatcher<'z> {
    /// Makes a matcher for the lines of one dimension.
    pub fn new(by: Dimension, zone: &'z TimeZone) -> Self {
        LineMatcher { by, days: DayCache::new(zone) }
    }

    /// Returns whether a row counts in the line of this key. One row does not tell its five-hour block: for blocks every
    /// row matches, and the caller limits the time.
    pub fn matches(&mut self, row: &CountedRow<'_>, key: &str) -> bool {
        match self.by {
            Dimension::Total | Dimension::Block => true,
            Dimension::Agent => row.agent() == key,
            Dimension::Model => row.request.model == key,
            Dimension::Session => row.session() == key,
            Dimension::Project => row.project.unwrap_or(NO_PROJECT) == key,
            Dimension::Subagent => row.request.subagent.unwrap_or(NONE_KEY) == key,
            Dimension::Skill => row.request.skill.unwrap_or(NONE_KEY) == key,
            Dimension::Provider => row.request.provider.unwrap_or(NONE_KEY) == key,
            Dimension::Device => row.device.unwrap_or(HERE_KEY) == key,
            Dimension::Tool => key == NONE_KEY || row.tools.iter().any(|t| t.tool == key),
            Dimension::Day | Dimension::Week | Dimension::Month => {
                self.by.key_of(self.days.day(row.request.at)) == key
            }
        }
    }
}
