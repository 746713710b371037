//! The agents that can be set up, one file each. To add one, add a file here, a `mod` line, and a line in `AGENTS`.

mod amp;
mod claude;
mod cline;
mod codex;
mod continue_dev;
mod copilot;
mod crush;
mod cursor;
mod droid;
mod gemini;
mod goose;
mod hermes;
mod kilo;
mod kimi;
mod openclaw;
mod opencode;
mod qwen;
mod roo;
mod zed;

use super::setup::AgentSetup;

pub(super) const AGENTS: &[&dyn AgentSetup] = &[
    &claude::Claude,
    &codex::Codex,
    &openclaw::OpenClaw,
    &gemini::Gemini,
    &opencode::OpenCode,
    &kimi::Kimi,
    &cline::Cline,
    &qwen::Qwen,
    &copilot::Copilot,
    &goose::Goose,
    &amp::Amp,
    &roo::Roo,
    &kilo::Kilo,
    &continue_dev::ContinueDev,
    &droid::Droid,
    &hermes::Hermes,
    &crush::Crush,
    &cursor::Cursor,
    &zed::Zed,
];
