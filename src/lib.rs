//! clawgate archives the sessions of coding agents, reports their cost, redacts them, and publishes what a person signed.
//!
//! The modules form layers, and a module imports only from lower layers. ARCHITECTURE.md describes the layers, and an
//! integration test checks the imports.

#[cfg(test)]
mod testing;

// layer 0
pub mod platform;
pub mod trace;
// layer 1
pub mod pricing;
pub mod rules;
// layer 2
pub mod redact;
pub mod sources;
pub mod usage;
pub mod workflow;
// layer 3
pub mod export;
pub mod store;
// layer 4
pub mod gate;
// layer 5
pub mod publish;
// layer 6
pub mod app;
// layer 7
pub mod cli;
pub mod mcp;
pub mod web;
