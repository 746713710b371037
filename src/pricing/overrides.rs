//! Prices the person sets, before any table is asked.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::table::{PriceError, PriceRow};

/// A decimal as a person writes it in a configuration: a number or text.
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
                // The shortest text that reads back as the same number: what was written.
                Ok(Decimal(v.to_string()))
            }
        }
        d.deserialize_any(V)
    }
}

/// One price of the person's own, USD per million tokens (`web_search`: USD per search).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OwnPrice {
    /// Model id it holds for, exactly; without one every model of the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Provider it holds for; without one whatever the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Project (path) it holds in; without one everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Uncached input.
    pub input: Decimal,
    /// Output.
    pub output: Decimal,
    /// Cache reads; as input where not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Decimal>,
    /// Writes to the five-minute cache; as input where not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<Decimal>,
    /// Writes to the one-hour cache; as five-minute writes where not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Decimal>,
    /// A web search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_search: Option<Decimal>,
}

impl OwnPrice {
    /// What it holds for, in a word: `glm-4.7`, `nvidia/*`.
    pub fn holds_for(&self) -> String {
        let model = self.model.as_deref().unwrap_or("*");
        match self.provider.as_deref() {
            Some(provider) => format!("{provider}/{model}"),
            None => model.to_owned(),
        }
    }
}

#[derive(Debug, Clone)]
struct Override {
    model: Option<String>,
    provider: Option<String>,
    project: Option<String>,
    row: PriceRow,
}

/// The person's prices; those of a project win over those without one, then model and provider over model over
/// provider alone.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    all: Vec<Override>,
}

impl Overrides {
    /// Takes prices in.
    ///
    /// # Errors
    /// [`PriceError`] where one holds for everything or is no price.
    pub fn new(prices: &[OwnPrice]) -> Result<Self, PriceError> {
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
                row: PriceRow::own(p)?,
            });
        }
        Ok(Overrides { all })
    }

    /// Whether any price holds in some project only: then look-ups differ by project.
    pub fn by_project(&self) -> bool {
        self.all.iter().any(|o| o.project.is_some())
    }

    /// The price of a model of a provider in a project, if the person set one.
    pub fn find(&self, model: &str, provider: Option<&str>, project: Option<&str>) -> Option<&PriceRow> {
        // 2 = says so and fits, 1 = does not say, none = does not fit.
        let fits = |own: Option<&str>, asked: Option<&str>| match own {
            None => Some(1u8),
            own if own == asked => Some(2),
            _ => None,
        };
        let rank = |o: &Override| {
            Some((
                fits(o.project.as_deref(), project)?,
                fits(o.model.as_deref(), Some(model))?,
                fits(o.provider.as_deref(), provider)?,
            ))
        };
        // The last of equals, since what is written later was meant to change what stands before.
        self.all.iter().filter_map(|o| Some((rank(o)?, &o.row))).max_by_key(|(r, _)| *r).map(|(_, row)| row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(model: Option<&str>, provider: Option<&str>, project: Option<&str>, usd: &str) -> OwnPrice {
        OwnPrice {
            model: model.map(Into::into),
            provider: provider.map(Into::into),
            project: project.map(Into::into),
            input: Decimal(usd.to_owned()),
            output: Decimal(usd.to_owned()),
            ..OwnPrice::default()
        }
    }

    #[test]
    fn the_project_wins_then_the_most_exact() {
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
    fn numbers_and_texts_are_decimals_and_broken_ones_are_named() {
        let own: OwnPrice =
            serde_json::from_str(r#"{"model":"m","input":0.6,"output":"2.2","cache_read":1}"#).unwrap();
        let row = PriceRow::own(&own).unwrap();
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
        assert_eq!(over(None, Some("nvidia"), None, "1").holds_for(), "nvidia/*");
    }
}
