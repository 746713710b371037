//! Filters of the cost report: agents, projects and models.

use std::collections::HashSet;

use jiff::tz::TimeZone;

use crate::app::text::nearest;
use crate::app::{App, Failure};
use crate::sources;
use crate::store::UsageFilter;
use crate::usage::{CountedRow, Dimension, NONE_KEY};

use super::price_sources::Prices;

/// An error about an unknown name lists at most this many known ones.
const MAX_LISTED_NAMES: usize = 20;

/// Which requests a report adds up. An empty set takes all of its dimension.
#[derive(Debug, Default)]
pub(super) struct RowFilter {
    agents: HashSet<String>,
    projects: HashSet<String>,
    models: HashSet<String>,
}

impl RowFilter {
    pub(super) fn contains(&self, row: &CountedRow<'_>) -> bool {
        let takes = |set: &HashSet<String>, key: &str| set.is_empty() || set.contains(key);
        takes(&self.agents, row.agent())
            && takes(&self.models, row.request.model)
            && takes(&self.projects, row.project.unwrap_or(NONE_KEY))
    }
}

/// The names that a caller filters a report by.
pub(super) struct RequestedNames<'a> {
    pub agent: &'a [String],
    pub project: &'a [String],
    pub model: &'a [String],
}

impl App {
    /// Resolves the filters of a report to the keys of the ledger. `None` if the report has no filter.
    ///
    /// # Errors
    /// A usage [`Failure`] that lists the known names if a name matches nothing.
    pub(super) fn row_filter(
        &self,
        p: &RequestedNames<'_>,
        prices: &Prices,
    ) -> Result<Option<RowFilter>, Failure> {
        if p.agent.is_empty() && p.project.is_empty() && p.model.is_empty() {
            return Ok(None);
        }
        let dimensions = [Dimension::Agent, Dimension::Project, Dimension::Model];
        let reports = self.reports(&dimensions, UsageFilter::default(), &TimeZone::UTC, prices)?;
        let mut known =
            reports.into_iter().map(|r| r.rows.into_iter().map(|row| row.key).collect::<Vec<_>>());
        let mut next = || known.next().unwrap_or_default();
        let (mut agents, projects, models) = (next(), next(), next());
        agents.extend(sources::REGISTRY.iter().map(|s| s.agent().to_owned()));
        let names = self.project_names()?;
        let is_agent = |key: &str, asked: &str| key.eq_ignore_ascii_case(asked);
        let is_project = |key: &str, asked: &str| {
            let asked = asked.trim_end_matches('/');
            let below = key.strip_prefix(asked).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            let name = names.get(key).map_or_else(|| key.rsplit('/').next().unwrap_or(key), String::as_str);
            below || name.eq_ignore_ascii_case(asked)
        };
        let is_model = |key: &str, asked: &str| key.starts_with(asked);
        let shown = |key: &String| names.get(key).unwrap_or(key).clone();
        Ok(Some(RowFilter {
            agents: matching("agent", p.agent, &agents, &agents, &is_agent)?,
            projects: matching(
                "project",
                p.project,
                &projects,
                &projects.iter().map(shown).collect::<Vec<_>>(),
                &is_project,
            )?,
            models: matching("model", p.model, &models, &models, &is_model)?,
        }))
    }
}

/// Returns the keys that the names match. `all` means every key.
fn matching(
    what: &str,
    asked: &[String],
    keys: &[String],
    shown: &[String],
    is_match: &dyn Fn(&str, &str) -> bool,
) -> Result<HashSet<String>, Failure> {
    let mut out = HashSet::new();
    if asked.iter().any(|name| name == "all") {
        return Ok(out);
    }
    for name in asked {
        let exact = keys.iter().find(|key| *key == name);
        let found: Vec<&String> = match exact {
            Some(key) => vec![key],
            None => keys.iter().filter(|key| is_match(key, name)).collect(),
        };
        if found.is_empty() {
            return Err(unknown(what, name, shown));
        }
        out.extend(found.into_iter().cloned());
    }
    Ok(out)
}

fn unknown(what: &str, name: &str, known: &[String]) -> Failure {
    let mut names: Vec<&str> = known.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let more = match names.len().saturating_sub(MAX_LISTED_NAMES) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let listed = names.iter().take(MAX_LISTED_NAMES).copied().collect::<Vec<_>>().join(", ");
    let name: String = name.chars().take(80).collect();
    let failure = Failure::usage(
        &format!("no_such_{what}"),
        format!("No {what} with usage is called {name:?}. Known: {listed}{more}."),
    );
    match nearest(&name, names) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_matches_nothing_is_an_error_that_lists_the_known_ones() {
        let keys = ["claude-opus-4-8", "gpt-5.1"].map(str::to_owned);
        let prefix = |key: &str, asked: &str| key.starts_with(asked);
        let found = matching("model", &["claude".to_owned()], &keys, &keys, &prefix).unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["claude-opus-4-8"]);
        let f = matching("model", &["gpt-5.2".to_owned()], &keys, &keys, &prefix).unwrap_err();
        assert_eq!((f.code.as_str(), f.exit_code()), ("no_such_model", 2));
        assert!(f.message.contains("claude-opus-4-8, gpt-5.1"), "{}", f.message);
        assert_eq!(f.hints, ["did you mean `gpt-5.1`?"]);
        assert!(matching("model", &["all".to_owned()], &keys, &keys, &prefix).unwrap().is_empty());
    }
}
