//! The one integration binary.

mod cli;
mod flow;
mod house;
mod hub_double;
mod mcp;
mod publish;
mod sources;
mod workflow;
