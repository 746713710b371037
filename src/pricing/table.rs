//! The price table: rows with effective dates, aliases, and model names that are never billed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::OnceLock;

use serde::Deserialize;

use super::row::{PriceError, PriceRow, RawRow};

/// The built-in price table.
const BUILTIN: &str = include_str!("data/prices.json");

#[derive(Debug, Clone, Default)]
pub struct PriceTable {
    pub(super) rows: Vec<PriceRow>,
    /// The range of each model's rows.
    pub(super) by_model: HashMap<String, (usize, usize)>,
    pub(super) aliases: HashMap<String, Option<String>>,
    pub(super) non_billable: HashSet<String>,
    as_of: String,
    source: String,
}

impl PriceTable {
    /// Returns the built-in table. The first call parses it.
    pub fn builtin() -> &'static PriceTable {
        static TABLE: OnceLock<PriceTable> = OnceLock::new();
        // A test ensures that the data file parses. If it did not, every model would be unpriced.
        TABLE.get_or_init(|| PriceTable::parse(BUILTIN).unwrap_or_default())
    }

    /// Returns the text of the built-in table.
    pub fn builtin_text() -> &'static str {
        BUILTIN
    }

    /// Parses a price file in the format of `data/prices.json`.
    pub fn parse(text: &str) -> Result<PriceTable, PriceError> {
        let file: RawFile = serde_json::from_str(text)?;
        let mut table = PriceTable { as_of: file.as_of, source: file.source, ..PriceTable::default() };
        table.rows.reserve(file.rows.len());
        for raw in file.rows {
            let row = raw.into_row(&table.as_of)?;
            let at = table.rows.len();
            match table.by_model.get_mut(&row.model) {
                Some((_, end)) if *end == at && row.from > table.rows[at - 1].from => *end = at + 1,
                None if row.from.is_none() => {
                    table.by_model.insert(row.model.clone(), (at, at + 1));
                }
                _ => return Err(PriceError::Order { model: row.model }),
            }
            table.rows.push(row);
        }
        for (alias, target) in file.aliases {
            if let Some(t) = target.as_ref().filter(|t| !table.by_model.contains_key(*t)) {
                return Err(PriceError::Alias { target: t.clone(), alias });
            }
            table.aliases.insert(alias, target);
        }
        table.non_billable = file.non_billable.into_iter().collect();
        Ok(table)
    }

    /// Adds the models and aliases of `base` that this table does not have.
    #[must_use]
    pub fn over(self, base: &PriceTable) -> PriceTable {
        let mut out = self;
        for row in &base.rows {
            let at = out.rows.len();
            match out.by_model.get_mut(&row.model) {
                // The rows of a model are adjacent in the base. A model of this table keeps only its own rows.
                Some((_, end)) if *end == at && out.rows.get(at - 1).is_some_and(|r| base.contains(r)) => {
                    *end = at + 1;
                }
                Some(_) => continue,
                None => {
                    out.by_model.insert(row.model.clone(), (at, at + 1));
                }
            }
            out.rows.push(row.clone());
        }
        for (alias, target) in &base.aliases {
            out.aliases.entry(alias.clone()).or_insert_with(|| target.clone());
        }
        out.non_billable.extend(base.non_billable.iter().cloned());
        out
    }

    fn contains(&self, row: &PriceRow) -> bool {
        let own = self.by_model.get(&row.model).and_then(|(from, to)| self.rows.get(*from..*to));
        own.is_some_and(|rows| rows.contains(row))
    }

    /// Returns the aliases and their target models, sorted. An alias without a target has no price.
    pub fn aliases(&self) -> Vec<(&str, Option<&str>)> {
        let mut out: Vec<_> = self.aliases.iter().map(|(a, t)| (a.as_str(), t.as_deref())).collect();
        out.sort_unstable();
        out
    }

    /// Returns every row. The rows of a model are adjacent and in the order of time.
    pub fn rows(&self) -> &[PriceRow] {
        &self.rows
    }

    /// Returns the prompt sizes above which some model has other rates, in tokens, in rising order.
    pub fn context_thresholds(&self) -> Vec<u64> {
        let all: BTreeSet<u64> = self.rows.iter().flat_map(|row| &row.tiers).map(|tier| tier.above).collect();
        all.into_iter().collect()
    }

    /// Returns the date of the table.
    pub fn as_of(&self) -> &str {
        &self.as_of
    }

    /// Returns the source of the prices.
    pub fn source(&self) -> &str {
        &self.source
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default, rename = "about")]
    _about: Option<String>,
    source: String,
    as_of: String,
    #[serde(default)]
    non_billable: Vec<String>,
    #[serde(default)]
    aliases: BTreeMap<String, Option<String>>,
    rows: Vec<RawRow>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(rows: &str) -> String {
        format!(r#"{{"source":"test","as_of":"2026-01-01","aliases":{{}},"rows":[{rows}]}}"#)
    }

    #[test]
    fn the_builtin_table_parses_and_is_complete() {
        let t = PriceTable::parse(BUILTIN).unwrap();
        assert!(t.by_model.len() >= 377, "{}", t.by_model.len());
        assert!(t.rows.len() > t.by_model.len(), "dated rows are there");
        assert!(t.aliases.len() >= 48);
        let ids: HashSet<_> = t.rows.iter().map(|r| &r.id).collect();
        assert_eq!(ids.len(), t.rows.len(), "row ids are unique");
        assert!(t.non_billable.contains("<synthetic>"));
        assert_eq!(t.as_of(), "2026-11-20");
    }

    #[test]
    fn an_absent_rate_is_unknown_and_not_zero() {
        let t = PriceTable::builtin();
        let row = &t.rows[t.by_model["gpt-6-sol"].0];
        assert_eq!(row.rates.cache_write_1h, None);
        assert_eq!(row.rates.cache_write_5m, Some(2_500_000));
        assert_eq!(row.tiers[0].above, 272_000);
    }

    #[test]
    fn a_table_over_another_keeps_only_its_own_rows_of_its_models() {
        let own = file(
            r#"{"model":"claude-opus-5","input":"9","output":"9"},{"model":"new","input":"1","output":"1"},
               {"model":"new","input":"2","output":"2","from":"2026-06-01"}"#,
        );
        let t = PriceTable::parse(&own).unwrap().over(PriceTable::builtin());
        let rows = |m: &str| t.by_model.get(m).map(|(a, b)| &t.rows[*a..*b]).unwrap();
        assert_eq!(rows("claude-opus-5").len(), 1);
        assert_eq!(rows("claude-opus-5")[0].rates.input, Some(9_000_000));
        assert_eq!(rows("new").len(), 2);
        for (model, (a, b)) in &PriceTable::builtin().by_model {
            if model != "claude-opus-5" {
                assert_eq!(rows(model), &PriceTable::builtin().rows[*a..*b], "{model}");
            }
        }
        assert!(t.aliases().iter().any(|(a, t)| *a == "glm4.7" && *t == Some("glm-4.7")));
        assert!(t.non_billable.contains("<synthetic>"));
    }

    #[test]
    fn an_invalid_file_is_rejected_with_the_reason() {
        let ok = r#"{"model":"a","provider":"p","input":"1","output":"2"}"#;
        assert!(PriceTable::parse(&file(ok)).is_ok());
        for (rows, part) in [
            (r#"{"model":"a","input":"one","output":"2"}"#, "input"),
            (r#"{"model":"a","input":"1"}"#, "output"),
            (r#"{"model":"a","input":"1","output":"2","fast":"x"}"#, "fast"),
            (r#"{"model":"a","input":"1","output":"2","surprise":1}"#, "surprise"),
            (&format!("{ok},{ok}"), "order"),
            (r#"{"model":"a","input":"1","output":"2","from":"2026-01-01"}"#, "order"),
        ] {
            let e = PriceTable::parse(&file(rows)).unwrap_err().to_string();
            assert!(e.contains(part), "{e}");
        }
        let alias = r#"{"source":"s","as_of":"d","aliases":{"x":"gone"},"rows":[]}"#;
        assert!(matches!(PriceTable::parse(alias), Err(PriceError::Alias { .. })));
        assert!(matches!(PriceTable::parse("{"), Err(PriceError::Syntax(_))));
    }
}
