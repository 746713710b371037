//! `clawgate scan`: reads new agent logs into the archive, once or continuously.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;

use crate::app::scan::{Changed, ScanParams, ScanReport, Skipped};
use crate::app::{Failure, Kind};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_bytes, format_count, pluralize};
use crate::cli::path_arg::absolute;
use crate::cli::render::{bold, yellow};
use crate::cli::table::one_line;
use crate::cli::time_args::{TimeZoneArg, Times, parse_optional_instant};
use crate::sources;
use crate::trace::Timestamp;

/// Read new agent logs into the archive
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Look for logs in this home directory [default: your home directory]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Only logs of this agent
    #[arg(long, visible_alias = "source")]
    agent: Option<String>,
    /// Only files below this path
    #[arg(long)]
    path: Option<PathBuf>,
    /// Only files changed since this time: a date (2026-11-20), an age (7d, 24h) or "today"
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Also read sessions that were deleted with `clawgate forget`
    #[arg(long)]
    include_forgotten: bool,
    /// Watch the logs and read new entries until Ctrl-C
    #[arg(long)]
    watch: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    if let Some(home) = args.home {
        let home = absolute(home, cli.home());
        if !home.is_dir() {
            return Err(
                Failure::usage("no_such_home", format!("{} is not a directory.", home.display())).into()
            );
        }
        let env = &mut cli.process.env;
        env.home = home;
        // These variables name the current user's logs, which are not in the requested home directory.
        for name in sources::location_vars() {
            env.vars.remove(name);
        }
    }
    // A failure to open the archive is reported by the scan, which `--watch` repeats.
    let times = match cli.times(&TimeZoneArg::default()) {
        Err(f) if args.since.is_some() => return Err(f.into()),
        times => times.unwrap_or_else(|_| Times::new(("UTC".to_owned(), jiff::tz::TimeZone::UTC))),
    };
    let since = parse_optional_instant("--since", args.since.as_deref(), cli.now(), &times.zone)?;
    let path = args.path.map(|p| absolute(p, cli.home()));
    let mut params = ScanParams { agent: args.agent, path, since, again: args.include_forgotten };
    if args.watch {
        return watch(&mut params, &times, cli);
    }
    let report = cli.app()?.scan(&params)?;
    cli.print_report(&report, render)?;
    // A scan is the first step of the workflow, but also all that a person needs for costs and search.
    if cli.json { Ok(()) } else { cli.print_next_step() }
}

/// Time between two passes of `--watch`. For an unchanged file, a pass only reads the metadata.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// How often `--watch` checks for Ctrl-C.
const CANCEL_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A failed pass as a line of JSON.
#[derive(Serialize)]
struct FailedPass<'a> {
    at: Timestamp,
    failed: &'a Failure,
}

/// The result of a pass as a line of JSON.
#[derive(Serialize)]
struct WatchPass<'a> {
    at: Timestamp,
    changed: &'a [Changed],
    bytes: u64,
    total: u64,
    skipped: &'a [Skipped],
}

fn watch(params: &mut ScanParams, times: &Times, cli: &mut CliContext) -> Result<(), CommandError> {
    let mut reported: HashSet<Skipped> = HashSet::new();
    let mut first = true;
    let mut failures = FailureStreak::default();
    loop {
        let scanned = cli.app().and_then(|app| app.scan(params));
        let report = match scanned {
            Ok(report) => report,
            // Ctrl-C is the normal end of watching.
            Err(f) if f.kind == Kind::Cancelled => return Ok(()),
            Err(f) if failures.is_fatal(&f) => return Err(f.into()),
            Err(f) => {
                // The open archive itself may be the cause, so the next pass opens it again.
                cli.close_app();
                if failures.is_new(&f) {
                    print_failed_pass(&f, times, cli)?;
                }
                if wait_for_next_pass(cli) {
                    return Ok(());
                }
                continue;
            }
        };
        failures = FailureStreak::default();
        params.again = false;
        let skipped: Vec<Skipped> =
            report.skipped.iter().filter(|s| reported.insert((*s).clone())).cloned().collect();
        let at = cli.now();
        if first || !report.changed.is_empty() || !skipped.is_empty() {
            let total = report.sessions.total;
            let pass =
                WatchPass { at, changed: &report.changed, bytes: report.bytes, total, skipped: &skipped };
            if cli.json {
                let mut line =
                    serde_json::to_string(&pass).map_err(|e| Failure::failed("json", e.to_string()))?;
                line.push('\n');
                cli.print_json_text(&line)?;
            } else if first {
                cli.print(&format!("{}Watching for changes. Press Ctrl-C to stop.\n", render(&report)))?;
            } else {
                cli.print(&render_pass(&pass, times))?;
            }
        }
        first = false;
        if wait_for_next_pass(cli) {
            return Ok(());
        }
    }
}

/// Waits until the next pass is due. Returns `true` if the person pressed Ctrl-C.
fn wait_for_next_pass(cli: &CliContext) -> bool {
    let mut waited = Duration::ZERO;
    while waited < WATCH_INTERVAL {
        if cli.process.cancel.load(Ordering::SeqCst) {
            return true;
        }
        std::thread::sleep(CANCEL_POLL_INTERVAL);
        waited += CANCEL_POLL_INTERVAL;
    }
    false
}

/// The failures since the last successful pass.
#[derive(Default)]
struct FailureStreak {
    /// The message that was printed last.
    last_message: Option<String>,
    /// Consecutive passes that could not use the archive.
    archive_failures: u32,
}

/// Watching ends after this many consecutive passes that could not use the archive.
const MAX_ARCHIVE_FAILURES: u32 = 5;

impl FailureStreak {
    /// Returns whether retrying is pointless: the arguments are wrong, or the archive fails repeatedly.
    fn is_fatal(&mut self, failure: &Failure) -> bool {
        self.archive_failures = if failure.code == "archive" { self.archive_failures + 1 } else { 0 };
        matches!(failure.kind, Kind::Usage) || self.archive_failures >= MAX_ARCHIVE_FAILURES
    }

    /// Returns whether the message differs from the previous one.
    fn is_new(&mut self, failure: &Failure) -> bool {
        let known = self.last_message.as_deref() == Some(failure.message.as_str());
        self.last_message = Some(failure.message.clone());
        !known
    }
}

fn print_failed_pass(failure: &Failure, times: &Times, cli: &mut CliContext) -> Result<(), CommandError> {
    let at = cli.now();
    if cli.json {
        let line = serde_json::to_string(&FailedPass { at, failed: failure });
        let line = line.map_err(|e| Failure::failed("json", e.to_string()))?;
        return cli.print_json_text(&format!("{line}\n"));
    }
    let time = times.clock(at);
    cli.print(&format!("{time} {} {} Watching continues.\n", yellow("failed"), one_line(&failure.message)))
}

fn render_pass(pass: &WatchPass<'_>, times: &Times) -> String {
    let mut out = String::new();
    let time = times.clock(pass.at);
    for c in pass.changed.iter().take(MAX_LISTED) {
        let change = if c.new { "new" } else { "grew" };
        out.push_str(&format!("{time} {change:4} {}\n", one_line(c.key.as_str())));
    }
    if pass.changed.len() > MAX_LISTED {
        out.push_str(&format!("{time} … and {} more\n", pass.changed.len() - MAX_LISTED));
    }
    for s in pass.skipped.iter().take(MAX_LISTED) {
        out.push_str(&format!("{time} {} {}: {}\n", yellow("skip"), one_line(&s.path), one_line(&s.reason)));
    }
    out
}

/// Longer lists of sessions, files and reasons are cut.
const MAX_LISTED: usize = 10;

fn render(r: &ScanReport) -> String {
    let s = r.sessions;
    let mut out = format!(
        "{}: {} new, {} updated, {} unchanged\n",
        bold(&pluralize(s.total, "session")),
        format_count(s.new),
        format_count(s.updated),
        format_count(s.unchanged)
    );
    let agents: Vec<String> = r.by_agent.iter().map(|(a, n)| format!("{a} {}", format_count(*n))).collect();
    if !agents.is_empty() {
        out.push_str(&format!("{}\n", agents.join(", ")));
    }
    out.push_str(&format!(
        "{} found, {} read, {} deleted; {} in {:.2} s\n",
        pluralize(r.files.found, "file"),
        format_count(r.files.read),
        format_count(r.files.gone),
        format_bytes(r.bytes),
        r.seconds
    ));
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
        for (reason, n, path) in groups.iter().take(MAX_LISTED) {
            let more = if *n > 1 { format!(" and {} more", format_count(n - 1)) } else { String::new() };
            out.push_str(&format!("  {}: {}{more}\n", one_line(reason), one_line(path)));
        }
        if groups.len() > MAX_LISTED {
            out.push_str(&format!(
                "  … and {}\n",
                pluralize((groups.len() - MAX_LISTED) as u64, "more reason")
            ));
        }
        out.push_str("  (--json lists all skipped files)\n");
    }
    out
}
