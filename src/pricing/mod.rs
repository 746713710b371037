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
    Fraction, PICO_PER_USD, format_bytes, format_cents, format_cost, format_count, format_dollars,
    format_usd, pluralize, pluralize_with_verb, rate_per_token, rounded_usd, usd_to_picousd,
};
pub use overrides::{CustomPrice, Decimal, Overrides};
pub use row::{PriceError, PriceRow, Rates, Service, Tier};
pub use table::PriceTable;
