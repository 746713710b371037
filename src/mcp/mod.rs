//! Floor 7: the MCP server over stdio. Thin: reads arguments, calls `app`, renders the answer.
//!
//! Owns the tool list (`tools/`, one file per tool), what goes around every answer (`answer`), lenient arguments
//! (`coerce`), prompts and resources. Both eras of the protocol are spoken on
//! one connection: 2025-11-25 with `initialize`, and 2026-07-28 without.

mod answer;
mod coerce;
mod progress;
mod prompts;
mod resources;
mod schema;
mod serve;
mod server;
mod tools;
mod transcript;

pub use serve::serve;
