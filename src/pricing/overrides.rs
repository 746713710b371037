//! Custom prices from the configuration. They take precedence over the price tables.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::row::{PriceError, PriceRow, RawRow};

/// A decimal in the configuration, written as a number or as text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Decimal(pub String);

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Decimal;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal number")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Decimal, E> {
                Ok(Decimal(v.to_owned()))
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Decimal, E> {
                Ok(Decimal(v.to_string()))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Decimal, E> {
                Ok(Decimal(v.to_string()))
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Decimal, E> {
                // The shortest text that parses to the same number is the text that was written.
                Ok(Decimal(v.to_string()))
            }
        }
        d.deserialize_any(V)
    }
}

/// A custom price in USD per million tokens. `web_search` is in USD per search.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CustomPrice {
    /// The exact model id; every model of the provider if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The provider; every provider if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Path of the project; every project if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    pub input: Decimal,
    pub output: Decimal,
    /// Cache reads; the price of input if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Decimal>,
    /// Writes to the five-minute cache; the price of input if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<Decimal>,
    /// Writes to the one-hour cache; the price of five-minute writes if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_search: Option<Decimal>,
}

impl CustomPrice {
    /// Names the models that the price applies to: `glm-4.7`, `nvidia/*`.
    pub fn scope(&self) -> String {
        let model = self.model.as_deref().unwrap_or("*");
        match self.provider.as_deref() {
            Some(provider) => format!("{provider}/{model}"),
            None => model.to_owned(),
        }
    }
}

impl PriceRow {
    /// Converts a custom price to a row.
    ///
    /// # Errors
    /// [`PriceError::Value`] with the field that is not a price.
    pub fn custom(p: &CustomPrice) -> Result<PriceRow, PriceError> {
        let text = |d: &Option<Decimal>| d.as_ref().map(|d| d.0.clone());
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

#[derive(Debug, Clone)]
struct Override {
    model: Option<String>,
    provider: Option<String>,
    project: Option<String>,
    row: PriceRow,
}

/// All custom prices. A price for a project takes precedence over one without a project. Then a price for a model and a
/// provider takes precedence over a price for a model, and that over a price for a provider.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    all: Vec<Override>,
}

impl Overrides {
    /// Checks and collects custom prices.
    ///
    /// # Errors
    /// [`PriceError`] if one has neither model nor provider, or is not a price.
    pub fn new(prices: &[CustomPrice]) -> Result<Self, PriceError> {
        let mut all = Vec::with_capacity(prices.len());
        for p in prices {
            if p.model.is_none() && p.provider.is_none() {
                return Err(PriceError::Value {
                    model: "*".to_owned(),
                    field: "model",
                    value: "(neither model nor provider)".to_owned(),
                });
            }
            all.push(Override {
                model: p.model.clone(),
                provider: p.provider.clone(),
                project: p.project.clone(),
                row: PriceRow::custom(p)?,
            });
        }
        Ok(Overrides { all })
    }

    /// Returns whether a price applies to one project only, so that look-ups depend on the project.
    pub fn by_project(&self) -> bool {
        self.all.iter().any(|o| o.project.is_some())
    }

    /// Finds the custom price of a model from a provider in a project.
    pub fn find(&self, model: &str, provider: Option<&str>, project: Option<&str>) -> Option<&PriceRow> {
        // 2: equal; 1: the custom price applies to any value; `None`: different.
        let fits = |custom: Option<&str>, wanted: Option<&str>| match custom {
            None => Some(1u8),
            custom if custom == wanted => Some(2),
            _ => None,
        };
        let rank = |o: &Override| {
            Some((
                fits(o.project.as_deref(), project)?,
                fits(o.model.as_deref(), Some(model))?,
                fits(o.provider.as_deref(), provider)?,
            ))
        };
        // Of several prices with the same rank, the last one in the configuration wins.
        self.all.iter().filter_map(|o| Some((rank(o)?, &o.row))).max_by_key(|(r, _)| *r).map(|(_, row)| row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(model: Option<&str>, provider: Option<&str>, project: Option<&str>, usd: &str) -> CustomPrice {
        CustomPrice {
            model: model.map(Into::into),
            provider: provider.map(Into::into),
            project: project.map(Into::into),
            input: Decimal(usd.to_owned()),
            output: Decimal(usd.to_owned()),
            ..CustomPrice::default()
        }
    }

    #[test]
    fn a_project_takes_precedence_and_then_the_more_specific_price() {
        let o = Overrides::new(&[
            over(None, Some("nvidia"), None, "0"),
            over(Some("m"), None, None, "1"),
            over(Some("m"), Some("nvidia"), None, "2"),
            over(None, Some("nvidia"), Some("/p"), "3"),
            over(Some("n"), None, Some("/p"), "4"),
            over(Some("n"), None, None, "5"),
            over(Some("n"), None, None, "6"),
        ])
        .unwrap();
        let rate = |m, p, w| o.find(m, p, w).and_then(|r| r.rates.input).map(|r| r / 1_000_000);
        assert_eq!(rate("m", Some("nvidia"), None), Some(2));
        assert_eq!(rate("m", Some("other"), None), Some(1));
        assert_eq!(rate("m", None, Some("/q")), Some(1));
        assert_eq!(rate("x", Some("nvidia"), None), Some(0));
        assert_eq!(rate("m", Some("nvidia"), Some("/p")), Some(3));
        assert_eq!(rate("n", None, Some("/p")), Some(4));
        assert_eq!(rate("n", None, Some("/q")), Some(6));
        assert_eq!(rate("x", None, Some("/p")), None);
        assert!(o.by_project() && !Overrides::default().by_project());
    }

    #[test]
    fn a_custom_price_takes_numbers_or_text_and_rejects_other_values() {
        let own: CustomPrice =
            serde_json::from_str(r#"{"model":"m","input":0.6,"output":"2.2","cache_read":1}"#).unwrap();
        let row = PriceRow::custom(&own).unwrap();
        assert_eq!(
            (row.rates.input, row.rates.output, row.rates.cache_read, row.rates.cache_write_5m),
            (Some(600_000), Some(2_200_000), Some(1_000_000), None)
        );
        assert_eq!(row.id, "m@config.toml");
        for bad in
            [over(None, None, None, "1"), over(Some("m"), None, None, "-1"), over(Some("m"), None, None, "")]
        {
            assert!(Overrides::new(&[bad]).is_err());
        }
        assert_eq!(over(None, Some("nvidia"), None, "1").scope(), "nvidia/*");
    }
}
