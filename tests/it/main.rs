//! The one integration binary.

mod cli;
mod flow;
mod house;
mod sources;
mod workflow;
