//! The agents that can be set up, one file each. To add one, add a file here, a `mod` line, and a line in `AGENTS`.

mod claude;
mod cline;
mod codex;
mod copilot;
mod gemini;
mod kimi;
mod openclaw;
mod opencode;
mod qwen;

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
];
