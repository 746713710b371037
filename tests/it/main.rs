//! The one integration binary.

mod flow;
mod mcp;
mod sources;
mod workflow;
