//! Layer 1: the cost of a request.
//!
//! Contains the price table with effective dates (`data/prices.json`), the look-up of a model's price without fuzzy
//! matching, and amounts as integers in pico-USD (1e-12 USD). Imports layer 0 only and does no I/O.

mod cost;
mod lookup;
mod money;
mod overrides;
mod row;
mod table;

pub use cost::{Charge, Request, charge};
pub use lookup::{Lookup, Priced, Resolution, Via};
pub use money::{
    Fraction, PICO_PER_USD, approximate_usd, format_bytes, format_cents, format_clawtrace_usd, format_cost,
    format_count, format_dollars, format_microdollars, format_usd, parse_usd, pluralize, pluralize_with_verb,
    rate_per_token, rounded_usd,
};
pub use overrides::{CustomPrice, Decimal, Overrides};
pub use row::{PriceError, PriceRow, Rates, Service, Tier};
pub use table::PriceTable;
