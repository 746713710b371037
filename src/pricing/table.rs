//! The price table: rows with effective dates, aliases, and model names that are never billed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::OnceLock;

use serde::Deserialize;
use thiserror::Error;

use crate::trace::Timestamp;

use super::money::{Fraction, rate_per_token, usd_to_picousd};
use super::overrides::CustomPrice;

/// The built-in price table.
const BUILTIN: &str = include_str!("data/prices.json");

/// Why a price file or a custom price is invalid.
#[derive(Debug, Error)]
pub enum PriceError {
    /// Not JSON of the expected shape.
    #[error("the price file does not parse: {0}")]
    Syntax(#[from] serde_json::Error),
    /// A field of a row is not a price, date or multiplier.
    #[error(
        "price of {model}: {field} is {value:?}; expected a decimal string, at most six decimals for a price"
    )]
    Value {
        /// The row's model.
        model: String,
        /// The field.
        field: &'static str,
        /// What stood there.
        value: String,
    },
    /// The rows of a model overlap or are not in order.
    #[error(
        "price of {model}: its rows must be adjacent and in the order of `from`, and only the first row may omit `from`"
    )]
    Order {
        /// The rows' model.
        model: String,
    },
    /// An alias leads to no row.
    #[error("alias {alias} leads to {target}, which has no price row")]
    Alias {
        /// The alias.
        alias: String,
        /// The model that it refers to.
        target: String,
    },
}

/// Prices of a model in pico-USD per token. `None` means unknown, not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    pub input: Option<i64>,
    /// Output including reasoning.
    pub output: Option<i64>,
    pub cache_read: Option<i64>,
    /// Writes to the five-minute cache.
    pub cache_write_5m: Option<i64>,
    /// Writes to the one-hour cache.
    pub cache_write_1h: Option<i64>,
}

/// Rates of requests with long prompts. They apply to the entire request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// The rates apply if the prompt (input, cache reads and writes) has more tokens than this.
    pub above: u64,
    /// The rates that differ from the base rates.
    pub rates: Rates,
}

/// Rates of a service tier at the base context length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `batch`, `flex`, `priority`, `ultrafast`.
    pub name: String,
    /// The known rates.
    pub rates: Rates,
}

/// Prices of a model during a period of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRow {
    /// The id of the row in reports: `<model>@<as_of>`.
    pub id: String,
    /// The provider's id of the model.
    pub model: String,
    /// The provider that charges the price.
    pub provider: String,
    /// The first instant at which the row applies. `None` means from the beginning.
    pub from: Option<Timestamp>,
    /// Rates at the base context length.
    pub rates: Rates,
    /// A different rate for reasoning. It only marks such costs as estimates.
    pub reasoning: Option<i64>,
    /// Context tiers, in the order of their thresholds.
    pub tiers: Vec<Tier>,
    pub service: Vec<Service>,
    /// Multiplier of fast mode.
    pub fast: Option<Fraction>,
    /// Multiplier for inference that is restricted to the US.
    pub geo_us: Option<Fraction>,
    /// Pico-USD per web search.
    pub web_search: Option<i64>,
    /// The date of the price, or its month.
    pub as_of: String,
    /// The provider's page of prices, if the source names one.
    pub url: Option<String>,
    /// The day on which the provider retires the model.
    pub deprecated: Option<String>,
    /// Whether the model is no longer available.
    pub retired: bool,
}

/// A price table.
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

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRow {
    model: String,
    #[serde(default)]
    provider: String,
    input: Option<String>,
    output: Option<String>,
    reasoning: Option<String>,
    cache_read: Option<String>,
    cache_write_5m: Option<String>,
    cache_write_1h: Option<String>,
    #[serde(default)]
    tiers: Vec<RawTier>,
    #[serde(default)]
    service: BTreeMap<String, RawRates>,
    fast: Option<String>,
    geo_us: Option<String>,
    web_search: Option<String>,
    from: Option<String>,
    as_of: Option<String>,
    url: Option<String>,
    deprecated: Option<String>,
    #[serde(default)]
    retired: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTier {
    above: u64,
    input: Option<String>,
    output: Option<String>,
    cache_read: Option<String>,
    cache_write_5m: Option<String>,
    cache_write_1h: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRates {
    input: Option<String>,
    output: Option<String>,
    cache_read: Option<String>,
    cache_write_5m: Option<String>,
    cache_write_1h: Option<String>,
}

/// Parses an optional field. The error names the field.
fn field<T>(
    model: &str,
    field: &'static str,
    value: Option<String>,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, PriceError> {
    match value {
        None => Ok(None),
        Some(v) => match read(&v) {
            Some(x) => Ok(Some(x)),
            None => Err(PriceError::Value { model: model.to_owned(), field, value: v }),
        },
    }
}

macro_rules! rates {
    ($model:expr, $raw:expr) => {{
        let (m, r) = ($model, $raw);
        Rates {
            input: field(m, "input", r.input, rate_per_token)?,
            output: field(m, "output", r.output, rate_per_token)?,
            cache_read: field(m, "cache_read", r.cache_read, rate_per_token)?,
            cache_write_5m: field(m, "cache_write_5m", r.cache_write_5m, rate_per_token)?,
            cache_write_1h: field(m, "cache_write_1h", r.cache_write_1h, rate_per_token)?,
        }
    }};
}

impl RawRow {
    pub(super) fn into_row(self, table_as_of: &str) -> Result<PriceRow, PriceError> {
        let m = self.model.as_str();
        let day = |d: &str| Timestamp::parse(&format!("{d}T00:00:00Z"));
        let amount = |t: &str| usd_to_picousd(t).filter(|v| *v >= 0);
        let as_of = self.as_of.unwrap_or_else(|| table_as_of.to_owned());
        let mut tiers = Vec::with_capacity(self.tiers.len());
        for t in self.tiers {
            tiers.push(Tier { above: t.above, rates: rates!(m, t) });
        }
        tiers.sort_by_key(|t| t.above);
        let mut service = Vec::with_capacity(self.service.len());
        for (name, r) in self.service {
            service.push(Service { name, rates: rates!(m, r) });
        }
        let reasoning = field(m, "reasoning", self.reasoning, rate_per_token)?;
        let fast = field(m, "fast", self.fast, Fraction::parse)?;
        let geo_us = field(m, "geo_us", self.geo_us, Fraction::parse)?;
        let web_search = field(m, "web_search", self.web_search, amount)?;
        let from = field(m, "from", self.from, day)?;
        let rates = Rates {
            input: field(m, "input", self.input, rate_per_token)?,
            output: field(m, "output", self.output, rate_per_token)?,
            cache_read: field(m, "cache_read", self.cache_read, rate_per_token)?,
            cache_write_5m: field(m, "cache_write_5m", self.cache_write_5m, rate_per_token)?,
            cache_write_1h: field(m, "cache_write_1h", self.cache_write_1h, rate_per_token)?,
        };
        for (name, rate) in [("input", rates.input), ("output", rates.output)] {
            if rate.is_none() {
                return Err(PriceError::Value { model: self.model, field: name, value: String::new() });
            }
        }
        Ok(PriceRow {
            id: format!("{m}@{as_of}"),
            provider: self.provider,
            from,
            rates,
            reasoning,
            tiers,
            service,
            fast,
            geo_us,
            web_search,
            as_of,
            url: self.url,
            deprecated: self.deprecated,
            retired: self.retired,
            model: self.model,
        })
    }
}

impl PriceRow {
    /// Converts a custom price to a row.
    ///
    /// # Errors
    /// [`PriceError::Value`] with the field that is not a price.
    pub fn custom(p: &CustomPrice) -> Result<PriceRow, PriceError> {
        let text = |d: &Option<super::overrides::Decimal>| d.as_ref().map(|d| d.0.clone());
        let raw = RawRow {
            model: p.scope(),
            provider: p.provider.clone().unwrap_or_default(),
            input: Some(p.input.0.clone()),
            output: Some(p.output.0.clone()),
            cache_read: text(&p.cache_read),
            cache_write_5m: text(&p.cache_write_5m),
            cache_write_1h: text(&p.cache_write_1h),
            web_search: text(&p.web_search),
            ..RawRow::default()
        };
        raw.into_row("config.toml")
    }
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
