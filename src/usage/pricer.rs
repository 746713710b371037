//! The cost of counted rows, with each model's price looked up once.

use std::collections::HashMap;

use crate::pricing::{Charge, Lookup, Overrides, PriceRow, PriceTable, Priced, Request, Resolution, charge};
use crate::trace::Confidence;

use super::row::CountedRow;

/// What one row costs and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Costed<'p> {
    /// Whether the row is a provider request at all (`<synthetic>` is not).
    pub billable: bool,
    /// Cost; `None` = no price is known.
    pub picousd: Option<i64>,
    /// The row's confidence, lowered by what is not sure about its price.
    pub confidence: Confidence,
    /// The price row that was used or would have been.
    pub priced: Option<Priced<'p>>,
    /// The cost by kind from the table; `None` where a reported cost counts or nothing is known.
    pub charge: Option<Charge>,
}

impl<'p> Costed<'p> {
    /// The price row in force, also where a reported cost won over it.
    pub fn price_row(&self) -> Option<&'p PriceRow> {
        self.priced.map(|p| p.row)
    }
}

type Known<'p> = (Option<String>, Option<String>, Resolution<'p>);

/// Prices rows; remembers each model's look-up.
#[derive(Debug, Clone)]
pub struct Pricer<'p> {
    table: &'p PriceTable,
    overrides: &'p Overrides,
    /// By model: provider, project where it matters, and what is known.
    seen: HashMap<String, Vec<Known<'p>>>,
    /// The last look-up: neighbours mostly share their model.
    last: Option<(String, Known<'p>)>,
    by_project: bool,
}

impl<'p> Pricer<'p> {
    /// A pricer over a table and the person's overrides.
    pub fn new(table: &'p PriceTable, overrides: &'p Overrides) -> Self {
        Pricer { table, overrides, seen: HashMap::new(), last: None, by_project: overrides.by_project() }
    }

    /// What is known of a model's price in a project.
    pub fn resolve(&mut self, model: &str, provider: Option<&str>, project: Option<&str>) -> Resolution<'p> {
        let project = project.filter(|_| self.by_project);
        let fits = |(p, w, _): &Known<'p>| p.as_deref() == provider && w.as_deref() == project;
        if let Some((m, known)) = &self.last
            && m == model
            && fits(known)
        {
            return known.2;
        }
        let seen = self.seen.get(model).and_then(|k| k.iter().find(|k| fits(k)));
        let found = match seen {
            Some((.., r)) => *r,
            None => self.table.resolve(model, provider, project, self.overrides),
        };
        let known = (provider.map(str::to_owned), project.map(str::to_owned), found);
        if seen.is_none() {
            self.seen.entry(model.to_owned()).or_default().push(known.clone());
        }
        self.last = Some((model.to_owned(), known));
        found
    }

    /// Prices one row. A cost above zero that the agent reported wins over the table.
    pub fn cost(&mut self, row: &CountedRow<'_>) -> Costed<'p> {
        let mut out =
            Costed { billable: true, picousd: None, confidence: row.confidence, priced: None, charge: None };
        match self.resolve(row.model, row.provider, row.project).at(row.at) {
            Lookup::NonBillable => {
                out.billable = false;
                out.picousd = Some(0);
                return out;
            }
            Lookup::Priced(p) => out.priced = Some(p),
            Lookup::Unpriced => {}
        }
        if let Some(reported) = row.reported_picousd.filter(|r| *r > 0) {
            out.picousd = Some(reported);
            out.confidence = out.confidence.max(Confidence::Reported);
        } else if let Some(p) = out.priced {
            let request =
                Request { tokens: row.tokens, fast: row.fast, geo: row.geo, service_tier: row.service_tier };
            let c = charge(p.row, &request);
            out.picousd = Some(c.total());
            if c.approximate {
                out.confidence = out.confidence.max(Confidence::Estimated);
            }
            out.charge = Some(c);
        } else if row.tokens.total() > 0 {
            out.confidence = Confidence::Unpriced;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Timestamp, Tokens};

    #[test]
    fn reported_cost_wins_only_above_zero() {
        let none = Overrides::default();
        let mut p = Pricer::new(PriceTable::builtin(), &none);
        let t = Tokens { input: 10, ..Tokens::default() };
        let mut row = CountedRow::new("openclaw", "openclaw:s", Timestamp(1_790_000_000_000), "glm-4.7", t);
        let table = p.cost(&row);
        assert_eq!((table.picousd, table.confidence), (Some(6_000_000), Confidence::Exact));
        assert_eq!(table.price_row().map(|r| r.id.as_str()), Some("glm-4.7@2026-11-20"));
        row.reported_picousd = Some(0);
        assert_eq!(p.cost(&row), table);
        row.reported_picousd = Some(-5);
        assert_eq!(p.cost(&row), table);
        row.reported_picousd = Some(7);
        let reported = p.cost(&row);
        assert_eq!((reported.picousd, reported.confidence), (Some(7), Confidence::Reported));
        row.model = "house-llm-70b";
        assert_eq!(p.cost(&row).picousd, Some(7));
        row.reported_picousd = None;
        let unknown = p.cost(&row);
        assert_eq!((unknown.picousd, unknown.confidence), (None, Confidence::Unpriced));
        row.model = "<synthetic>";
        assert!(!p.cost(&row).billable);
    }
}
