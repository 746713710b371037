//! Prices the person sets, before any table is asked.

use super::table::PriceRow;

/// One price of the person's own.
#[derive(Debug, Clone)]
pub struct Override {
    /// Model id it holds for, exactly; `None` = every model of the provider.
    pub model: Option<String>,
    /// Provider it holds for; `None` = whatever the provider.
    pub provider: Option<String>,
    /// The price.
    pub row: PriceRow,
}

/// Overrides in layers; an earlier layer (project) wins over a later one (device).
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    layers: Vec<Vec<Override>>,
}

impl Overrides {
    /// Adds a layer below those already there.
    pub fn push_layer(&mut self, layer: Vec<Override>) {
        self.layers.push(layer);
    }

    /// The override for a model: within a layer model and provider, then model, then provider alone.
    pub fn find(&self, model: &str, provider: Option<&str>) -> Option<&PriceRow> {
        let rank = |o: &Override| -> Option<u8> {
            let provider_fits = match (o.provider.as_deref(), provider) {
                (None, _) => None,
                (Some(a), Some(b)) if a == b => Some(()),
                _ => return None,
            };
            match (o.model.as_deref(), provider_fits) {
                (Some(m), Some(())) if m == model => Some(0),
                (Some(m), None) if m == model => Some(1),
                (None, Some(())) => Some(2),
                _ => None,
            }
        };
        self.layers.iter().find_map(|layer| {
            let hits = layer.iter().filter_map(|o| Some((rank(o)?, &o.row)));
            hits.min_by_key(|(r, _)| *r).map(|(_, row)| row)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::PriceTable;

    fn price(usd: &str) -> PriceRow {
        let text = format!(
            r#"{{"source":"s","as_of":"d","rows":[{{"model":"own","input":"{usd}","output":"{usd}"}}]}}"#
        );
        PriceTable::parse(&text).unwrap().rows()[0].clone()
    }

    fn over(model: Option<&str>, provider: Option<&str>, usd: &str) -> Override {
        Override { model: model.map(Into::into), provider: provider.map(Into::into), row: price(usd) }
    }

    #[test]
    fn the_most_exact_override_of_the_first_layer_wins() {
        let mut o = Overrides::default();
        o.push_layer(vec![
            over(None, Some("nvidia"), "0"),
            over(Some("m"), None, "1"),
            over(Some("m"), Some("nvidia"), "2"),
        ]);
        o.push_layer(vec![over(Some("m"), Some("nvidia"), "3"), over(Some("n"), None, "4")]);
        let rate = |m, p| o.find(m, p).and_then(|r| r.rates.input);
        assert_eq!(rate("m", Some("nvidia")), Some(2_000_000));
        assert_eq!(rate("m", Some("other")), Some(1_000_000));
        assert_eq!(rate("m", None), Some(1_000_000));
        assert_eq!(rate("x", Some("nvidia")), Some(0));
        assert_eq!(rate("n", None), Some(4_000_000));
        assert_eq!(rate("x", None), None);
    }
}
