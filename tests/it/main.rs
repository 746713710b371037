//! The one integration binary.

mod flow;
mod hub_double;
mod publish;
mod sources;
mod workflow;
