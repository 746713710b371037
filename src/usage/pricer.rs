//! Prices counted rows, and looks each model's price up only once.

use std::collections::HashMap;

use crate::pricing::{Charge, Lookup, Overrides, PriceRow, PriceTable, Priced, Request, Resolution, charge};
use crate::trace::Confidence;

use super::row::CountedRow;

/// The price of one row, and how it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PricedRow<'p> {
    /// Whether the row is a provider request (`<synthetic>` is not).
    pub billable: bool,
    /// The cost in pico-USD; `None` if no price is known.
    pub picousd: Option<i64>,
    /// The row's confidence, lowered if its price is not certain.
    pub confidence: Confidence,
    /// The price row that was used, or would have been without a reported cost.
    pub priced: Option<Priced<'p>>,
    /// The cost by kind from the price table; `None` if a reported cost counts or no price is known.
    pub charge: Option<Charge>,
}

impl<'p> PricedRow<'p> {
    /// Returns the price row in force, even if a reported cost takes precedence.
    pub fn price_row(&self) -> Option<&'p PriceRow> {
        self.priced.map(|p| p.row)
    }
}

/// The look-up of a model, of a provider and, if it matters, in a project.
#[derive(Debug, Clone)]
struct CachedLookup<'p> {
    model: String,
    provider: Option<String>,
    project: Option<String>,
    found: Resolution<'p>,
}

impl CachedLookup<'_> {
    fn fits(&self, model: &str, provider: Option<&str>, project: Option<&str>) -> bool {
        self.model == model && self.provider.as_deref() == provider && self.project.as_deref() == project
    }
}

/// Prices rows and caches each model's look-up.
#[derive(Debug, Clone)]
pub struct Pricer<'p> {
    table: &'p PriceTable,
    overrides: &'p Overrides,
    lookups: Vec<CachedLookup<'p>>,
    /// The indices in `lookups`, by model.
    by_model: HashMap<String, Vec<usize>>,
    /// The index of the last look-up: consecutive rows mostly share their model.
    last: usize,
    by_project: bool,
}

impl<'p> Pricer<'p> {
    /// Makes a pricer from a price table and the user's overrides.
    pub fn new(table: &'p PriceTable, overrides: &'p Overrides) -> Self {
        let by_project = overrides.by_project();
        Pricer { table, overrides, lookups: Vec::new(), by_model: HashMap::new(), last: 0, by_project }
    }

    /// Looks up a model's price in a project.
    pub fn resolve(&mut self, model: &str, provider: Option<&str>, project: Option<&str>) -> Resolution<'p> {
        let project = project.filter(|_| self.by_project);
        let fits = |known: &CachedLookup<'p>| known.fits(model, provider, project);
        if let Some(known) = self.lookups.get(self.last).filter(|known| fits(known)) {
            return known.found;
        }
        let mut of_model = self.by_model.get(model).into_iter().flatten();
        if let Some(known) = of_model.find(|at| self.lookups.get(**at).is_some_and(fits)) {
            self.last = *known;
        } else {
            self.last = self.lookups.len();
            self.by_model.entry(model.to_owned()).or_default().push(self.last);
            self.lookups.push(CachedLookup {
                model: model.to_owned(),
                provider: provider.map(str::to_owned),
                project: project.map(str::to_owned),
                found: self.table.resolve(model, provider, project, self.overrides),
            });
        }
        self.lookups.get(self.last).map_or(Resolution::Unpriced, |known| known.found)
    }

    /// Prices one row. A reported cost above zero takes precedence over the table.
    pub fn price(&mut self, row: &CountedRow<'_>) -> PricedRow<'p> {
        let request = row.request;
        let mut out = PricedRow {
            billable: true,
            picousd: None,
            confidence: request.confidence,
            priced: None,
            charge: None,
        };
        match self.resolve(request.model, request.provider, row.project).at(request.at) {
            Lookup::NonBillable => {
                out.billable = false;
                out.picousd = Some(0);
                return out;
            }
            Lookup::Priced(p) => out.priced = Some(p),
            Lookup::Unpriced => {}
        }
        if let Some(reported) = request.reported_picousd.filter(|r| *r > 0) {
            out.picousd = Some(reported);
            out.confidence = out.confidence.max(Confidence::Reported);
        } else if let Some(p) = out.priced {
            let c = charge(
                p.row,
                &Request {
                    tokens: request.tokens,
                    largest_prompt: row.sum.map(|sum| sum.largest_prompt),
                    fast: request.fast,
                    geo: request.geo,
                    service_tier: request.service_tier,
                },
            );
            out.picousd = Some(c.total());
            if c.approximate {
                out.confidence = out.confidence.max(Confidence::Estimated);
            }
            out.charge = Some(c);
        } else if request.tokens.total() > 0 {
            out.confidence = Confidence::Unpriced;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{SessionKey, Timestamp, Tokens, UsageRow};

    #[test]
    fn a_reported_cost_counts_only_if_it_is_above_zero() {
        let none = Overrides::default();
        let mut p = Pricer::new(PriceTable::builtin(), &none);
        let mut price = |model, reported_picousd| {
            p.price(&CountedRow::of(&UsageRow {
                session: SessionKey("openclaw:s"),
                at: Timestamp(1_790_000_000_000),
                model,
                tokens: Tokens { input: 10, ..Tokens::default() },
                reported_picousd,
                ..UsageRow::default()
            }))
        };
        let table = price("glm-4.7", None);
        assert_eq!((table.picousd, table.confidence), (Some(6_000_000), Confidence::Exact));
        assert_eq!(table.price_row().map(|r| r.id.as_str()), Some("glm-4.7@2026-11-20"));
        assert_eq!(price("glm-4.7", Some(0)), table);
        assert_eq!(price("glm-4.7", Some(-5)), table);
        let reported = price("glm-4.7", Some(7));
        assert_eq!((reported.picousd, reported.confidence), (Some(7), Confidence::Reported));
        assert_eq!(price("house-llm-70b", Some(7)).picousd, Some(7));
        let unknown = price("house-llm-70b", None);
        assert_eq!((unknown.picousd, unknown.confidence), (None, Confidence::Unpriced));
        assert!(!price("<synthetic>", None).billable);
    }
}
