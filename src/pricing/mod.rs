//! Floor 1: what a request costs.
//!
//! Owns the effective-dated price table (`data/prices.json`), the look-up of a model's price without fuzzy
//! matching, and money as integer pico-USD (1e-12 USD). Imports floor 0 only; no I/O.

mod cost;
mod lookup;
mod money;
mod overrides;
mod table;

pub use cost::{Charge, Request, charge};
pub use lookup::{Lookup, Priced, Resolution, Via};
pub use money::{Fraction, PICO_PER_USD, format_count, format_usd, rate_per_token, usd_to_picousd};
pub use overrides::{Decimal, Overrides, OwnPrice};
pub use table::{PriceError, PriceRow, PriceTable, Rates, Service, Tier};
