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

/// Digits of a date, with the year in four.
const DATE_DIGITS: usize = 8;

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
        Ok(Some(RowFilter {
            agents: matching("agent", p.agent, &agents, agents_named)?,
            projects: self.project_keys(p.project, &projects)?,
            models: matching("model", p.model, &models, models_named)?,
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

/// Returns the agents of this name, in any case.
fn agents_named<'k>(keys: &'k [String], asked: &str) -> Vec<&'k String> {
    keys.iter().filter(|key| key.eq_ignore_ascii_case(asked)).collect()
}

/// Returns the models that a text means: the one with this id and its dated versions, else those whose id begins with the
/// text, else those whose id has it behind a separator, as `opus` in `claude-opus-4-8`. In any case.
fn models_named<'k>(keys: &'k [String], asked: &str) -> Vec<&'k String> {
    let asked = asked.to_lowercase();
    let of = |is_match: &dyn Fn(&str) -> bool| -> Vec<&'k String> {
        keys.iter().filter(|key| is_match(&key.to_lowercase())).collect()
    };
    let exact = of(&|key| key == asked);
    if !exact.is_empty() {
        return of(&|key| key.strip_prefix(&asked).is_some_and(is_date_suffix));
    }
    let beginning = of(&|key| key.starts_with(&asked));
    if !beginning.is_empty() || asked.is_empty() {
        return beginning;
    }
    of(&|key| {
        key.match_indices(&asked).any(|(at, _)| key[..at].ends_with(|c: char| !c.is_ascii_alphanumeric()))
    })
}

/// Whether the end of a model's id is the date of its version, such as `-20250929` or `@2025-09-29`, or nothing.
fn is_date_suffix(rest: &str) -> bool {
    let date = rest.strip_prefix(['-', '@']).unwrap_or_default();
    rest.is_empty()
        || date.bytes().filter(u8::is_ascii_digit).count() == DATE_DIGITS
            && date.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

/// Returns the keys that the names match. `all` means every key.
fn matching(
    what: &str,
    asked: &[String],
    keys: &[String],
    named: for<'k> fn(&'k [String], &str) -> Vec<&'k String>,
) -> Result<HashSet<String>, Failure> {
    let mut out = HashSet::new();
    if asked.iter().any(|name| name == "all") {
        return Ok(out);
    }
    for name in asked {
        let found = named(keys, name);
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
        for asked in ["claude", "CLAUDE-Opus"] {
            let found = matching("model", &[asked.to_owned()], &keys, models_named).unwrap();
            assert_eq!(found.into_iter().collect::<Vec<_>>(), ["claude-opus-4-8"]);
        }
        let f = matching("model", &["gpt-5.2".to_owned()], &keys, models_named).unwrap_err();
        assert_eq!((f.code.as_str(), f.exit_code()), ("no_such_model", 2));
        assert!(f.message.contains("claude-opus-4-8, gpt-5.1"), "{}", f.message);
        assert_eq!(f.hints, ["did you mean `gpt-5.1`?"]);
        assert!(matching("model", &["all".to_owned()], &keys, models_named).unwrap().is_empty());
    }
    #[test]
    fn a_model_includes_its_dated_versions_and_can_be_named_by_a_word_of_its_id() {
        let ids = [
            "claude-sonnet-4-5",
            "claude-sonnet-4-5-20250929",
            "claude-sonnet-4-5@2025-09-29",
            "claude-opus-4-8",
            "gpt-5",
            "gpt-5-mini",
            "gpt-5-2025-08-07",
        ];
        let keys = ids.map(str::to_owned);
        let named = |asked: &str| models_named(&keys, asked);
        assert_eq!(named("claude-sonnet-4-5"), ids[..3].iter().collect::<Vec<_>>());
        assert_eq!(named("Sonnet"), ids[..3].iter().collect::<Vec<_>>());
        assert_eq!(named("GPT-5"), [&ids[4], &ids[6]]);
        assert_eq!(named("gpt"), [&ids[4], &ids[5], &ids[6]]);
        assert_eq!(named("opus"), [&ids[3]]);
        assert_eq!(named("pus"), [""; 0]);
    }
}
