//! The one integration binary.

mod hub_double;
mod publish;
