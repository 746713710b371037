//! `clawgate scan`: reads what is new in the agents' logs into the archive.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;

use crate::app::scan::{Changed, ScanParams, ScanReport, Skipped};
use crate::app::{Failure, Kind};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_bytes, format_count, pluralize};
use crate::cli::render::{bold, yellow};
use crate::cli::table::one_line;
use crate::cli::time_args::parse_optional_instant;
use crate::trace::Timestamp;

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
    /// Keep watching and read what is added, until Ctrl-C
    #[arg(long)]
    watch: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    if let Some(home) = args.home {
        let home = std::path::absolute(&home).unwrap_or(home);
        if !home.is_dir() {
            return Err(
                Failure::usage("no_such_home", format!("{} is not a directory.", home.display())).into()
            );
        }
        let env = &mut cli.process.env;
        env.home = home;
        // They name this user's logs, and another home was asked for.
        for name in OWN_PLACES {
            env.vars.remove(*name);
        }
    }
    let since = parse_optional_instant(args.since.as_deref(), cli.now(), &jiff::tz::TimeZone::UTC)?;
    let agent = args.agent.filter(|a| a != "all");
    let path = args.path.map(|p| std::path::absolute(&p).unwrap_or(p));
    let mut params = ScanParams { agent, path, since, again: args.include_forgotten };
    if args.watch {
        return watch(&mut params, cli);
    }
    let report = cli.app()?.scan(&params)?;
    cli.print_report(&report, render)
}

/// How often the logs are looked at; an unchanged one costs one look at its outside.
const EVERY: Duration = Duration::from_secs(1);

/// How soon Ctrl-C is seen.
const TICK: Duration = Duration::from_millis(50);

/// What kept a look from happening, as a line of JSON.
#[derive(Serialize)]
struct Failed<'a> {
    at: Timestamp,
    failed: &'a Failure,
}

/// What one look found, as a line of JSON.
#[derive(Serialize)]
struct Look<'a> {
    at: Timestamp,
    changed: &'a [Changed],
    bytes: u64,
    total: u64,
    skipped: &'a [Skipped],
}

fn watch(params: &mut ScanParams, cli: &mut CliContext) -> Result<(), CommandError> {
    let mut named: HashSet<Skipped> = HashSet::new();
    let mut first = true;
    let mut failing = Failing::default();
    loop {
        let looked = cli.app().and_then(|app| app.scan(params));
        let report = match looked {
            Ok(report) => report,
            // Ctrl-C is how watching ends.
            Err(f) if f.kind == Kind::Cancelled => return Ok(()),
            Err(f) if failing.ends(&f) => return Err(f.into()),
            Err(f) => {
                // What failed may stand in the open archive itself.
                cli.close_app();
                if failing.is_news(&f) {
                    tell_failed(&f, cli)?;
                }
                if rest(cli) {
                    return Ok(());
                }
                continue;
            }
        };
        failing = Failing::default();
        params.again = false;
        let skipped: Vec<Skipped> =
            report.skipped.iter().filter(|s| named.insert((*s).clone())).cloned().collect();
        let at = cli.now();
        if first || !report.changed.is_empty() || !skipped.is_empty() {
            let total = report.sessions.total;
            let look = Look { at, changed: &report.changed, bytes: report.bytes, total, skipped: &skipped };
            if cli.json {
                let mut line =
                    serde_json::to_string(&look).map_err(|e| Failure::failed("json", e.to_string()))?;
                line.push('\n');
                cli.print_raw(line.as_bytes())?;
            } else if first {
                cli.print(&format!("{}watching; Ctrl-C ends\n", render(&report)))?;
            } else {
                cli.print(&seen(&look))?;
            }
        }
        first = false;
        if rest(cli) {
            return Ok(());
        }
    }
}

/// Waits for the next look; whether Ctrl-C came.
fn rest(cli: &CliContext) -> bool {
    let mut waited = Duration::ZERO;
    while waited < EVERY {
        if cli.process.cancel.load(Ordering::SeqCst) {
            return true;
        }
        std::thread::sleep(TICK);
        waited += TICK;
    }
    false
}

/// The failures since the last look that succeeded.
#[derive(Default)]
struct Failing {
    /// The message named last.
    named: Option<String>,
    /// How often in a row our own archive could not be used.
    unusable: u32,
}

/// How often in a row our own archive may fail a look before watching ends.
const PATIENCE: u32 = 5;

impl Failing {
    /// Whether nothing but a person can mend it: the call's words, or our own archive, opened anew each time.
    fn ends(&mut self, failure: &Failure) -> bool {
        self.unusable = if failure.code == "archive" { self.unusable + 1 } else { 0 };
        matches!(failure.kind, Kind::Usage) || self.unusable >= PATIENCE
    }

    /// Whether it was not named yet.
    fn is_news(&mut self, failure: &Failure) -> bool {
        let known = self.named.as_deref() == Some(failure.message.as_str());
        self.named = Some(failure.message.clone());
        !known
    }
}

fn tell_failed(failure: &Failure, cli: &mut CliContext) -> Result<(), CommandError> {
    let at = cli.now();
    if cli.json {
        let line = serde_json::to_string(&Failed { at, failed: failure });
        let line = line.map_err(|e| Failure::failed("json", e.to_string()))?;
        return cli.print_raw(format!("{line}\n").as_bytes());
    }
    let time = at.to_jiff().strftime("%H:%M:%S").to_string();
    cli.print(&format!("{time} {} {}; watching goes on\n", yellow("failed"), one_line(&failure.message)))
}

fn seen(look: &Look<'_>) -> String {
    let mut out = String::new();
    let time = look.at.to_jiff().strftime("%H:%M:%S").to_string();
    for c in look.changed.iter().take(NAMED) {
        let what = if c.new { "new" } else { "grew" };
        out.push_str(&format!("{time} {what:4} {}\n", one_line(c.session.as_str())));
    }
    if look.changed.len() > NAMED {
        out.push_str(&format!("{time} … and {} more\n", look.changed.len() - NAMED));
    }
    for s in look.skipped.iter().take(NAMED) {
        out.push_str(&format!("{time} {} {}: {}\n", yellow("skip"), one_line(&s.path), one_line(&s.reason)));
    }
    out
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

/// How many are named before they are only counted.
const NAMED: usize = 10;

fn render(r: &ScanReport) -> String {
    let s = r.sessions;
    let mut out = format!(
        "{} sessions: {} new, {} updated, {} unchanged\n",
        bold(&format_count(s.total)),
        format_count(s.new),
        format_count(s.updated),
        format_count(s.unchanged)
    );
    let agents: Vec<String> = r.by_agent.iter().map(|(a, n)| format!("{a} {}", format_count(*n))).collect();
    if !agents.is_empty() {
        out.push_str(&format!("{}\n", agents.join(", ")));
    }
    out.push_str(&format!(
        "{} found, {} read, {} gone; {} in {:.2} s\n",
        pluralize(r.files.found, "file"),
        format_count(r.files.read),
        format_count(r.files.gone),
        format_bytes(r.bytes),
        r.seconds
    ));
    if r.sessions.total == 0 {
        out.push_str("No agent's logs are here. `clawgate doctor` says what was looked for; `clawgate demo` shows the way.\n");
    }
    if !r.skipped.is_empty() {
        out.push_str(&format!("{} {}:\n", yellow("skipped"), format_count(r.skipped.len() as u64)));
        let mut groups: Vec<(&str, u64, &str)> = Vec::new();
        for s in &r.skipped {
            match groups.iter_mut().find(|g| g.0 == s.reason) {
                Some(group) => group.1 += 1,
                None => groups.push((&s.reason, 1, &s.path)),
            }
        }
        groups.sort_by_key(|g| std::cmp::Reverse(g.1));
        for (reason, n, path) in groups.iter().take(NAMED) {
            let more = if *n > 1 { format!(" and {} more", format_count(n - 1)) } else { String::new() };
            out.push_str(&format!("  {}: {}{more}\n", one_line(reason), one_line(path)));
        }
        if groups.len() > NAMED {
            out.push_str(&format!("  … and {} more reasons\n", groups.len() - NAMED));
        }
        out.push_str("  (all of them with --json)\n");
    }
    out
}
