//! clawgate: the gate between coding-agent traces and the world.
//!
//! The modules are floors of one house: each imports only from floors below it, never sideways (see
//! ARCHITECTURE.md; `tests/it/house.rs` enforces it).

#[cfg(test)]
mod testing;

// floor 0
pub mod trace;
// floor 1
pub mod pricing;
pub mod rules;
// floor 2
pub mod redact;
pub mod sources;
pub mod usage;
pub mod workflow;
// floor 3
pub mod export;
pub mod store;
// floor 4
pub mod gate;
// floor 5
pub mod publish;
// floor 6
pub mod app;
// floor 7
pub mod cli;
pub mod mcp;
pub mod web;
