//! Filters of the cost report: agents, projects and models.

use std::collections::{HashMap, HashSet};

use jiff::tz::TimeZone;

use crate::app::projects::{Projects, no_such_project};
use crate::app::text::unknown_name;
use crate::app::{App, Failure};
use crate::sources;
use crate::store::{ProjectRow, UsageFilter};
use crate::usage::{CountedRow, Dimension, NO_PROJECT};

use super::clawtrace::short_names;
use super::price_sources::Prices;

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
            && takes(&self.projects, row.project.unwrap_or(NO_PROJECT))
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
        let is_agent = |key: &str, asked: &str| key.eq_ignore_ascii_case(asked);
        Ok(Some(RowFilter {
            agents: matching("agent", p.agent, &agents, &is_agent)?,
            projects: self.project_keys(p.project, &projects)?,
            models: matching("model", p.model, &models, &is_model_prefix)?,
        }))
    }

    /// Returns the keys of the projects that the texts select. `all` means every key. `keys` are those of the ledger, which
    /// also has the usage of projects whose sessions were forgotten.
    fn project_keys(&self, asked: &[String], keys: &[String]) -> Result<HashSet<String>, Failure> {
        if asked.is_empty() || asked.iter().any(|text| text == "all") {
            return Ok(HashSet::new());
        }
        let mut projects = self.archive.projects()?;
        let known: HashMap<String, String> =
            projects.iter().map(|p| (p.path.clone(), p.name.clone())).collect();
        let names = short_names(keys.iter(), &known);
        for key in keys.iter().filter(|key| !known.contains_key(*key)) {
            let name = names.get(key).unwrap_or(key).clone();
            projects.push(ProjectRow { name, path: key.clone(), ..ProjectRow::default() });
        }
        let (mut out, mut mismatches) = (HashSet::new(), Vec::new());
        let known = Projects::new(&projects, &self.ctx.env.home);
        for text in asked {
            match known.select(text) {
                Ok(names) => out.extend(names),
                Err(mismatch) => mismatches.push((text.clone(), mismatch)),
            }
        }
        if !mismatches.is_empty() {
            return Err(no_such_project(&mismatches, &known));
        }
        Ok(projects.into_iter().filter(|p| out.contains(&p.name)).map(|p| p.path).collect())
    }
}

/// Whether a text is the beginning of a model's id, in any case.
fn is_model_prefix(key: &str, asked: &str) -> bool {
    key.to_lowercase().starts_with(&asked.to_lowercase())
}

/// Returns the keys that the names match. `all` means every key.
fn matching(
    what: &str,
    asked: &[String],
    keys: &[String],
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
            let mut known: Vec<&str> = keys.iter().map(String::as_str).collect();
            known.sort_unstable();
            known.dedup();
            return Err(unknown_name(what, &format!("no_such_{what}"), name, &known));
        }
        out.extend(found.into_iter().cloned());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_matches_nothing_is_an_error_that_lists_the_known_ones() {
        let keys = ["claude-opus-4-8", "gpt-5.1"].map(str::to_owned);
        let prefix = is_model_prefix;
        for asked in ["claude", "CLAUDE-Opus"] {
            let found = matching("model", &[asked.to_owned()], &keys, &prefix).unwrap();
            assert_eq!(found.into_iter().collect::<Vec<_>>(), ["claude-opus-4-8"]);
        }
        let f = matching("model", &["gpt-5.2".to_owned()], &keys, &prefix).unwrap_err();
        assert_eq!((f.code.as_str(), f.exit_code()), ("no_such_model", 2));
        assert!(f.message.contains("claude-opus-4-8, gpt-5.1"), "{}", f.message);
        assert_eq!(f.hints, ["did you mean `gpt-5.1`?"]);
        assert!(matching("model", &["all".to_owned()], &keys, &prefix).unwrap().is_empty());
    }
}
