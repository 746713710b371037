//! A row of prices, and how it is parsed.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

use crate::trace::Timestamp;

use super::money::{Fraction, parse_usd, rate_per_token};

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
    Value { model: String, field: &'static str, value: String },
    /// The rows of a model overlap or are not in order.
    #[error(
        "price of {model}: its rows must be adjacent and in the order of `from`, and only the first row may omit `from`"
    )]
    Order { model: String },
    /// The target of an alias has no row.
    #[error("alias {alias} refers to {target}, which has no price row")]
    Alias {
        alias: String,
        /// The model that it refers to.
        target: String,
    },
}

/// Prices of a model in pico-USD per token. `None` means unknown, not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    pub input: Option<i64>,
    /// Output, reasoning included.
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

/// A price row as price files contain it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRow {
    pub(super) model: String,
    #[serde(default)]
    pub(super) provider: String,
    pub(super) input: Option<String>,
    pub(super) output: Option<String>,
    pub(super) reasoning: Option<String>,
    pub(super) cache_read: Option<String>,
    pub(super) cache_write_5m: Option<String>,
    pub(super) cache_write_1h: Option<String>,
    #[serde(default)]
    pub(super) tiers: Vec<RawTier>,
    #[serde(default)]
    pub(super) service: BTreeMap<String, RawRates>,
    pub(super) fast: Option<String>,
    pub(super) geo_us: Option<String>,
    pub(super) web_search: Option<String>,
    pub(super) from: Option<String>,
    pub(super) as_of: Option<String>,
    pub(super) url: Option<String>,
    pub(super) deprecated: Option<String>,
    #[serde(default)]
    pub(super) retired: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTier {
    above: u64,
    input: Option<String>,
    output: Option<String>,
    cache_read: Option<String>,
    cache_write_5m: Option<String>,
    cache_write_1h: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRates {
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
    ($model:expr, $raw:ident) => {
        Rates {
            input: field($model, "input", $raw.input, rate_per_token)?,
            output: field($model, "output", $raw.output, rate_per_token)?,
            cache_read: field($model, "cache_read", $raw.cache_read, rate_per_token)?,
            cache_write_5m: field($model, "cache_write_5m", $raw.cache_write_5m, rate_per_token)?,
            cache_write_1h: field($model, "cache_write_1h", $raw.cache_write_1h, rate_per_token)?,
        }
    };
}

impl RawRow {
    pub(super) fn into_row(self, table_as_of: &str) -> Result<PriceRow, PriceError> {
        let m = self.model.as_str();
        let day = |d: &str| Timestamp::parse(&format!("{d}T00:00:00Z"));
        let amount = |t: &str| parse_usd(t).filter(|v| *v >= 0);
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
        let rates = rates!(m, self);
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
