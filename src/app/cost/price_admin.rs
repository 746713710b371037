//! Shows, sets, imports and checks prices.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::gate::SignerKey;
use crate::pricing::{
    CustomPrice, Lookup, Overrides, PriceRow, PriceTable, Rates, Resolution, format_usd, pluralize,
};
use crate::store::UsageFilter;
use crate::trace::Timestamp;

use crate::app::config::edit::edit_price;
use crate::app::cost::price_sources::IMPORTED_TABLE;
use crate::app::fs::{read_bounded, write_private};
use crate::app::{App, Failure};

/// Maximum size of a price file, in MiB.
const MAX_FILE_MIB: u64 = 16;

/// Age in days after which the check reports the price table as old.
const MAX_TABLE_AGE_DAYS: i64 = 120;

/// Requests and tokens by model and provider.
type UsedModels = BTreeMap<(String, Option<String>), (u64, u64)>;

/// A price row in USD per million tokens, as decimal text. An absent price is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PriceLine {
    /// The id of the row: `<model>@<as_of>`.
    pub id: String,
    /// First instant at which the row applies; from the beginning if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// The provider that charges the price.
    pub provider: String,
    /// Rates at the base context length.
    #[serde(flatten)]
    pub rates: RateText,
    /// Rates of longer prompts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<TierText>,
    /// The provider's page of prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Rates as decimal text, USD per million tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RateText {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<String>,
    /// Writes to the five-minute cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<String>,
    /// Writes to the one-hour cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<String>,
}

impl RateText {
    fn of(r: &Rates) -> Self {
        // One pico-USD per token is one micro-USD per million tokens.
        let text = |n: Option<i64>| {
            let t = format_usd(n?.saturating_mul(1_000_000), 6);
            Some(t.trim_end_matches('0').trim_end_matches('.').to_owned())
        };
        RateText {
            input: text(r.input),
            output: text(r.output),
            cache_read: text(r.cache_read),
            cache_write_5m: text(r.cache_write_5m),
            cache_write_1h: text(r.cache_write_1h),
        }
    }
}

/// Rates of a context tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TierText {
    /// The rates apply to requests with more prompt tokens than this.
    pub above: u64,
    #[serde(flatten)]
    pub rates: RateText,
}

impl PriceLine {
    fn of(row: &PriceRow) -> Self {
        PriceLine {
            id: row.id.clone(),
            from: row.from,
            provider: row.provider.clone(),
            rates: RateText::of(&row.rates),
            tiers: row
                .tiers
                .iter()
                .map(|t| TierText { above: t.above, rates: RateText::of(&t.rates) })
                .collect(),
            url: row.url.clone(),
        }
    }
}

/// A model and its price, if it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelPrice {
    /// Model id as it is in the logs.
    pub model: String,
    /// The provider, if the log names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Number of requests in the ledger.
    pub requests: u64,
    /// Tokens of those requests.
    pub tokens: u64,
    /// `priced`, `unpriced` or `no_request`.
    pub status: &'static str,
    /// The rule that found the price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found_by: Option<&'static str>,
    /// The price rows, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<PriceLine>,
    /// The day on which the provider retires the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<String>,
}

/// The prices in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PricingReport {
    /// The date of the table.
    pub as_of: String,
    /// The source of its prices.
    pub source: String,
    /// Whether an imported table takes precedence over the built-in one.
    pub imported: bool,
    /// Prices from the user's configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<CustomPrice>,
    /// The requested model, or all models of the ledger, most tokens first.
    pub models: Vec<ModelPrice>,
}

/// Result of a check of the prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PricingCheck {
    /// Whether every request of the ledger has a price.
    pub ok: bool,
    /// The date of the table.
    pub as_of: String,
    /// Models of the ledger without a price.
    pub unpriced: Vec<ModelPrice>,
    /// Other remarks, for example about retired models.
    pub notes: Vec<String>,
}

/// A custom price to set or remove.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct SetPriceParams {
    pub price: CustomPrice,
    /// Whether to remove the price of this model, provider and project.
    pub remove: bool,
}

/// A price file to import.
#[derive(Debug, Clone, Default)]
pub struct ImportPricesParams {
    pub file: PathBuf,
    /// The file of its signature; `<file>.sig` by default.
    pub signature: Option<PathBuf>,
    /// The signer's public key; by default any trusted key of the configuration.
    pub key: Option<String>,
    /// Whether an older table may replace a newer one.
    pub older: bool,
}

/// An imported price table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportedPrices {
    /// The date of the table.
    pub as_of: String,
    /// The source of its prices.
    pub source: String,
    /// Number of price rows.
    pub rows: u64,
    /// The key that signed it, in hex.
    pub signed_by: String,
}

impl App {
    /// Returns the prices of one model, or of all models of the ledger.
    ///
    /// # Errors
    /// [`Failure`] if a price is invalid or the archive refuses.
    pub fn pricing(&mut self, model: Option<&str>) -> Result<PricingReport, Failure> {
        let prices = self.prices()?;
        let used = self.models_used()?;
        let of = |model: &str, provider: Option<&str>, (requests, tokens): (u64, u64)| {
            let (status, found_by, rows): (_, _, &[PriceRow]) =
                match prices.table().resolve(model, provider, None, prices.overrides()) {
                    Resolution::Rows(rows, via) => ("priced", Some(via.words()), rows),
                    Resolution::NonBillable => ("no_request", None, &[]),
                    Resolution::Unpriced => ("unpriced", None, &[]),
                };
            ModelPrice {
                model: model.to_owned(),
                provider: provider.map(str::to_owned),
                requests,
                tokens,
                status,
                found_by,
                deprecated: rows.last().and_then(|r| r.deprecated.clone()),
                prices: rows.iter().map(PriceLine::of).collect(),
            }
        };
        let mut models: Vec<ModelPrice> = used
            .iter()
            .filter(|((m, _), _)| model.is_none_or(|asked| asked == m))
            .map(|((m, p), n)| of(m, p.as_deref(), *n))
            .collect();
        if let Some(asked) = model.filter(|_| models.is_empty()) {
            models.push(of(asked, None, (0, 0)));
        }
        models.sort_by(|a, b| (b.tokens, &a.model, &a.provider).cmp(&(a.tokens, &b.model, &b.provider)));
        Ok(PricingReport {
            as_of: prices.table().as_of().to_owned(),
            source: prices.table().source().to_owned(),
            imported: self.dir().join(IMPORTED_TABLE).is_file(),
            own: self.config.price.clone(),
            models,
        })
    }

    /// Counts the requests and tokens of each model and provider.
    fn models_used(&mut self) -> Result<UsedModels, Failure> {
        self.refresh_usage()?;
        let mut used = UsedModels::new();
        self.archive.for_each_request(UsageFilter::default(), &mut |row| {
            let r = row.request;
            let n = used.entry((r.model.to_owned(), r.provider.map(str::to_owned))).or_default();
            (n.0, n.1) = (n.0 + 1, n.1.saturating_add(r.tokens.total()));
        })?;
        Ok(used)
    }

    /// Checks whether every request has a price, and whether prices look outdated or wrong.
    ///
    /// # Errors
    /// As [`App::pricing`].
    pub fn check_pricing(&mut self) -> Result<PricingCheck, Failure> {
        let report = self.pricing(None)?;
        let mut notes = Vec::new();
        let made = Timestamp::parse(&format!("{}T00:00:00Z", report.as_of));
        let age = made.map(|m| (self.now().millis().saturating_sub(m.millis())) / 86_400_000);
        if let Some(days) = age.filter(|d| *d > MAX_TABLE_AGE_DAYS) {
            notes.push(format!(
                "The price table is {} old; import a newer one.",
                pluralize(days.unsigned_abs(), "day")
            ));
        }
        for m in report.models.iter().filter(|m| m.status == "priced") {
            if let Some(day) = &m.deprecated {
                let today = self.now().to_string();
                let verb = if day.as_str() <= &today[..10] { "was" } else { "is" };
                notes.push(format!("{} {verb} retired by its provider on {day}.", m.model));
            }
            let free = |p: &PriceLine| {
                p.rates.input.as_deref() == Some("0") && p.rates.output.as_deref() == Some("0")
            };
            if m.prices.iter().any(free) {
                notes.push(format!("{} has a price of zero.", m.model));
            }
        }
        // A model that several providers serve has one entry for each of them.
        let mut seen = std::collections::HashSet::new();
        notes.retain(|note| seen.insert(note.clone()));
        let unpriced: Vec<ModelPrice> =
            report.models.into_iter().filter(|m| m.status == "unpriced" && m.tokens > 0).collect();
        // A custom price may cover a model in some projects only, so the price depends on each request's project.
        let prices = self.prices()?;
        let unpriced = match prices.overrides().by_project() {
            false => unpriced,
            true => {
                let mut pricer = prices.pricer();
                let mut without = std::collections::HashSet::new();
                self.archive.for_each_request(UsageFilter::default(), &mut |row| {
                    let r = row.request;
                    let found = pricer.resolve(r.model, r.provider, row.project).at(r.at);
                    if matches!(found, Lookup::Unpriced) {
                        without.insert(r.model.to_owned());
                    }
                })?;
                unpriced.into_iter().filter(|m| without.contains(&m.model)).collect()
            }
        };
        Ok(PricingCheck { ok: unpriced.is_empty(), as_of: report.as_of, unpriced, notes })
    }

    /// Sets or removes a custom price in the configuration file and keeps the file's comments.
    ///
    /// # Errors
    /// [`Failure`] if the price is invalid, the price to remove does not exist, or the file cannot be written.
    pub fn set_price(&mut self, p: &SetPriceParams) -> Result<PricingReport, Failure> {
        let price = &p.price;
        if price.model.is_none() && price.provider.is_none() {
            return Err(Failure::usage("bad_price", "A price needs a model, a provider, or both."));
        }
        if !p.remove {
            Overrides::new(std::slice::from_ref(price))
                .map_err(|e| Failure::usage("bad_price", e.to_string()))?;
        }
        let config = self.lock_config()?.edit(|doc| edit_price(doc, price, p.remove))?;
        if let Some(config) = config {
            self.config = config;
            let details = serde_json::json!({ "price": price.scope(), "removed": p.remove });
            self.audit("config_changed", None, details)?;
        }
        self.pricing(price.model.as_deref())
    }

    /// Imports a signed price table from a file.
    ///
    /// # Errors
    /// [`Failure`] if no trusted key signed the file, or if the table is invalid or older than the one in force.
    pub fn import_prices(&mut self, p: &ImportPricesParams) -> Result<ImportedPrices, Failure> {
        let bytes = read_bounded(&p.file, MAX_FILE_MIB)?;
        let signature = match &p.signature {
            Some(path) => path.clone(),
            None => {
                let mut name = p.file.clone().into_os_string();
                name.push(".sig");
                PathBuf::from(name)
            }
        };
        let signature = read_bounded(&signature, MAX_FILE_MIB)
            .map_err(|f| f.hint("a price file needs a signature; pass it with --signature FILE"))?;
        let named: Vec<&String> = match &p.key {
            Some(key) => vec![key],
            None => self.config.pricing.trusted_keys.iter().collect(),
        };
        if named.is_empty() {
            return Err(Failure::usage("no_key", "No key is trusted to sign prices.")
                .hint("name the signer's public key with --key KEY")
                .hint("or set trusted_keys under [pricing] in config.toml"));
        }
        let mut keys = Vec::new();
        for key in named {
            let text = match std::fs::read_to_string(key) {
                Ok(text) if key.contains(['.', '/']) => text,
                _ => key.clone(),
            };
            keys.push(SignerKey::parse(&text).ok_or_else(|| {
                Failure::usage("bad_key", "A key is an Ed25519 public key in hex, base64 or PEM.")
            })?);
        }
        let signer = keys.iter().find(|k| k.signed(&bytes, &signature)).ok_or_else(|| {
            Failure::failed("bad_signature", "No trusted key signed this price file; nothing was imported.")
        })?;
        let text = std::str::from_utf8(&bytes).map_err(|_| {
            Failure::failed("bad_prices", "The price file is not UTF-8; nothing was imported.")
        })?;
        let table = PriceTable::parse(text)
            .map_err(|e| Failure::failed("bad_prices", format!("{e}; nothing was imported")))?;
        let current_as_of = match self.prices() {
            Ok(prices) => prices.table().as_of().to_owned(),
            // The import replaces an imported table that cannot be read.
            Err(_) => String::new(),
        };
        if table.as_of() < current_as_of.as_str() && !p.older {
            let message = format!(
                "The price file is dated {}, older than the prices in force ({current_as_of}).",
                table.as_of()
            );
            return Err(Failure::usage("older_prices", message).hint("add --older to import it anyway"));
        }
        write_private(&self.dir().join(IMPORTED_TABLE), &bytes)?;
        let out = ImportedPrices {
            as_of: table.as_of().to_owned(),
            source: table.source().to_owned(),
            rows: table.rows().len() as u64,
            signed_by: signer.hex(),
        };
        self.audit("prices_imported", None, serde_json::json!({ "as_of": out.as_of, "key": out.signed_by }))?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_shown_in_usd_per_million_tokens_without_trailing_zeros() {
        let rates = Rates {
            input: Some(5_000_000),
            output: Some(12_500_000),
            cache_read: Some(0),
            cache_write_5m: Some(1),
            cache_write_1h: None,
        };
        let text = RateText::of(&rates);
        assert_eq!(text.input.as_deref(), Some("5"));
        assert_eq!(text.output.as_deref(), Some("12.5"));
        assert_eq!(text.cache_read.as_deref(), Some("0"));
        assert_eq!(text.cache_write_5m.as_deref(), Some("0.000001"));
        assert_eq!(text.cache_write_1h, None);
    }
}
