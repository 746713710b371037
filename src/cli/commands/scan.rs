//! `clawgate scan`: reads what is new in the agents' logs into the archive.

use std::path::PathBuf;

use crate::app::{Failure, ScanParams, ScanReport};
use crate::cli::face::{End, Face};
use crate::cli::money::{bytes, count, of};
use crate::cli::render::{bold, yellow};
use crate::cli::table::one_line;
use crate::cli::times::optional;

/// Read what is new in the agents' logs
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Look for logs below this home directory instead of yours
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Only this agent's logs
    #[arg(long, visible_alias = "source")]
    agent: Option<String>,
    /// Only files below this path
    #[arg(long)]
    path: Option<PathBuf>,
    /// Only files changed since then (2026-11-20, 7d, today)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Bring back sessions that were forgotten, where their logs still stand
    #[arg(long)]
    include_forgotten: bool,
}

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    if let Some(home) = args.home {
        let home = std::path::absolute(&home).unwrap_or(home);
        if !home.is_dir() {
            return Err(
                Failure::usage("no_such_home", format!("{} is not a directory.", home.display())).into()
            );
        }
        let env = &mut face.edge.env;
        env.home = home;
        // They name this user's logs, and another home was asked for.
        for name in OWN_PLACES {
            env.vars.remove(*name);
        }
    }
    let since = optional(args.since.as_deref(), face.now(), &jiff::tz::TimeZone::UTC)?;
    let agent = args.agent.filter(|a| a != "all");
    let path = args.path.map(|p| std::path::absolute(&p).unwrap_or(p));
    let report = face.app()?.scan(&ScanParams { agent, path, since, again: args.include_forgotten })?;
    face.answer(&report, human)
}

/// Variables by which agents' directories are named.
const OWN_PLACES: &[&str] = &[
    "CLAUDE_CONFIG_DIR",
    "CLAWGATE_CUSTOM_DIR",
    "CLINE_DATA_DIR",
    "CLINE_DIR",
    "CODEX_HOME",
    "COPILOT_HOME",
    "GEMINI_CLI_HOME",
    "KIMI_CODE_HOME",
    "KIMI_SHARE_DIR",
    "OPENCLAW_HOME",
    "OPENCLAW_PROFILE",
    "OPENCLAW_STATE_DIR",
    "PI_CODING_AGENT_DIR",
    "PI_CODING_AGENT_SESSION_DIR",
    "QWEN_HOME",
    "QWEN_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
];

/// How many skips are named before they are only counted.
const NAMED: usize = 10;

fn human(r: &ScanReport) -> String {
    let s = r.sessions;
    let mut out = format!(
        "{} sessions: {} new, {} updated, {} unchanged\n",
        bold(&count(s.total)),
        count(s.new),
        count(s.updated),
        count(s.unchanged)
    );
    let agents: Vec<String> = r.by_agent.iter().map(|(a, n)| format!("{a} {}", count(*n))).collect();
    if !agents.is_empty() {
        out.push_str(&format!("{}\n", agents.join(", ")));
    }
    out.push_str(&format!(
        "{} found, {} read, {} gone; {} in {:.2} s\n",
        of(r.files.found, "file"),
        count(r.files.read),
        count(r.files.gone),
        bytes(r.bytes),
        r.seconds
    ));
    if r.sessions.total == 0 {
        out.push_str("No agent's logs are here. `clawgate doctor` says what was looked for; `clawgate demo` shows the way.\n");
    }
    if !r.skipped.is_empty() {
        out.push_str(&format!("{} {}:\n", yellow("skipped"), count(r.skipped.len() as u64)));
        for s in r.skipped.iter().take(NAMED) {
            out.push_str(&format!("  {}: {}\n", one_line(&s.path), one_line(&s.reason)));
        }
        if r.skipped.len() > NAMED {
            out.push_str(&format!("  … and {} more (all of them with --json)\n", r.skipped.len() - NAMED));
        }
    }
    out
}
