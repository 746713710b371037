//! The one integration binary.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "helpers of tests, which clippy knows only by their attribute"
)]

mod archive_lifecycle;
mod cli;
mod compaction;
mod cost;
mod cost_filters;
mod cost_properties;
mod decoy_finder;
mod help_snapshots;
mod http_double;
mod hub_double;
mod imports;
mod json_schema;
mod layering;
mod live_cost;
mod log_faults;
mod mcp;
mod output_snapshots;
mod publish;
mod receipts;
mod redaction;
mod redaction_lists;
mod release_flow;
mod releases;
mod review;
mod scope;
mod session_commands;
mod snapshots;
mod source_cline;
mod source_custom;
mod source_gemini;
mod source_qwen;
mod sources;
mod time_zone;
mod web;
mod workflow;
mod world;

#[path = "../../src/testing.rs"]
mod testing;
