//! The one integration binary.

mod flow;
mod sources;
mod workflow;
