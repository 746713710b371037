//! The one integration binary.

mod flow;
mod hub_double;
mod mcp;
mod publish;
mod sources;
mod workflow;
