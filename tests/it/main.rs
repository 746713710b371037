//! The one integration binary.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "helpers of tests, which clippy knows only by their attribute"
)]

mod cli;
mod compaction;
mod cost;
mod cost_properties;
mod finding;
mod flow;
mod glance;
mod http_double;
mod hub_double;
mod imports;
mod layering;
mod life;
mod mcp;
mod publish;
mod reader;
mod receipts;
mod redaction;
mod review;
mod source_cline;
mod source_custom;
mod source_gemini;
mod source_qwen;
mod sources;
mod web;
mod workflow;
mod world;

#[path = "../../src/testing.rs"]
mod testing;
