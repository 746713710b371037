//! `clawgate cost` without a subcommand: a table with bars, JSON or CSV.

use std::collections::HashMap;

use super::dimension;
use crate::app::cost::{CostParams, CostReport, CostSort};
use crate::app::text::{parse_name, sanitize};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_cost, format_count, format_dollars, pluralize};
use crate::cli::number_arg::positive;
use crate::cli::render::{BOLD, YELLOW, dim, red, yellow};
use crate::cli::statusline_common::{alert_line, plan_line, spawn_background_update};
use crate::cli::table::{Cell, Column, Table, one_line};
use crate::cli::time_args::{TimeRange, TimeZoneArg, Times};
use crate::trace::Confidence;
use crate::usage::{Block, Dimension, ReportRow, Severity};

#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// Group by total, agent, model, project, session, day, week, month, block, tool, subagent, skill, provider or device
    #[arg(long, value_name = "DIMENSION", default_value = "day")]
    by: String,
    /// Only requests of these agents
    #[arg(long, visible_alias = "source", value_delimiter = ',', value_name = "A,B")]
    agent: Vec<String>,
    /// Only requests in these projects (names or paths)
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    project: Vec<String>,
    /// Only requests to these models (names or prefixes)
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    model: Vec<String>,
    /// Sort by cost, tokens, requests (highest first) or key [default: key for days, weeks, months and blocks, else cost]
    #[arg(long, value_name = "FIELD")]
    sort: Option<String>,
    #[command(flatten)]
    zone: TimeZoneArg,
    #[command(flatten)]
    range: TimeRange,
    /// Maximum number of rows: the latest periods, or the most expensive rows [default: 200 on a terminal]
    #[arg(long, value_name = "N", value_parser = positive)]
    limit: Option<u64>,
    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Draw bars even if standard output is not a terminal
    #[arg(long)]
    bars: bool,
    /// Exit with code 1 if any tokens have no price
    #[arg(long)]
    fail_on_unpriced: bool,
}

pub(super) fn run(args: ReportArgs, cli: &mut CliContext) -> Result<(), CommandError> {
    let times = cli.times(&args.zone)?;
    let (since, until) = args.range.resolve(cli.now(), &times.zone)?;
    let is_filtered = ![&args.agent, &args.project, &args.model].iter().all(|names| names.is_empty());
    let by = dimension(&args.by)?;
    let params = CostParams {
        since,
        until,
        by: Some(by),
        timezone: args.zone.timezone,
        // Programs and pipes get all rows.
        limit: args
            .limit
            .or((cli.stdout_is_terminal() && !cli.json && !args.csv).then_some(MAX_TERMINAL_ROWS)),
        // Anomaly detection takes a quarter of the time. Programs need it only for reports over time.
        watch: !args.csv && (!cli.json || by.is_time()) && !is_filtered,
        // Budgets and alerts are about all requests.
        with_current: !args.csv && !cli.json && !is_filtered,
        agent: args.agent,
        project: args.project,
        model: args.model,
        sort: args.sort.as_deref().map(|s| parse_name::<CostSort>("--sort", "bad_sort", s)).transpose()?,
    };
    let report = cli.app()?.cost(&params)?;
    let (width, bars) = (cli.width(), args.bars || cli.stdout_is_terminal());
    if args.csv {
        cli.print_raw(csv(&report).as_bytes())?;
    } else if cli.json {
        cli.print_report(&report, |_| String::new())?;
    } else {
        let labels = labels(cli, &report, &times)?;
        let budgets = report.current.as_ref().map(|current| alert_line(current, false)).unwrap_or_default();
        let empty = if is_filtered || since.is_some() || until.is_some() {
            "No requests.\n".to_owned()
        } else {
            format!("{}\n", format!("No requests. {}", sanitize(&cli.app()?.searched_for())).trim_end())
        };
        let view = View { labels: &labels, times: &times, width, bars, empty: &empty };
        cli.print_report(&report, |r| format!("{}{budgets}", render(r, &view)))?;
        if let Some(current) = &report.current {
            spawn_background_update(cli, current);
        }
    }
    match args.fail_on_unpriced && report.report.total.unpriced_tokens > 0 {
        true => Err(CommandError::ExitCode(1)),
        false => Ok(()),
    }
}

fn confidence(r: &ReportRow) -> String {
    let value = serde_json::to_value(r.confidence).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn figures(r: &ReportRow) -> [u64; 8] {
    let [a, b, c, d, e, f, g] = r.tokens.counts();
    [r.requests, a, b, c, d, e, f, g]
}

/// Maximum number of rows on a terminal without `--limit`.
const MAX_TERMINAL_ROWS: u64 = 200;

/// Width of the bars in columns.
const BAR_WIDTH: usize = 12;

/// Renders the windows of the user's plans and what could not be read: the first few paths, and the number of the others.
fn plan_and_skipped(r: &CostReport, times: &Times) -> String {
    const MAX_NAMED: usize = 3;
    let plans = r.plan_windows.iter().map(|window| format!("plan: {}\n", plan_line(window, times)));
    let mut out: String = plans.collect();
    for skip in r.skipped.iter().take(MAX_NAMED) {
        let line = format!("not counted: {}: {}", one_line(&skip.reason), one_line(&skip.path));
        out.push_str(&format!("{}\n", yellow(&line)));
    }
    let more = r.skipped.len().saturating_sub(MAX_NAMED);
    if more > 0 {
        let line =
            format!("not counted: {} more (`clawgate cost --json` lists them)", format_count(more as u64));
        out.push_str(&format!("{}\n", yellow(&line)));
    }
    out
}

/// What the table shows for a row.
#[derive(Default)]
struct Label {
    /// A short session key, a local time or the key of the row.
    name: String,
    /// Title of a session, or its project.
    title: String,
}

fn labels(cli: &mut CliContext, r: &CostReport, times: &Times) -> Result<Vec<Label>, CommandError> {
    let keys: Vec<&str> = r.report.rows.iter().map(|row| row.key.as_str()).collect();
    let (mut names, mut titles) = (HashMap::new(), HashMap::new());
    if r.by == Dimension::Session {
        names = cli.session_names(&keys)?;
        titles = cli.app()?.titles(&keys)?;
    }
    let mut label = |row: &ReportRow| {
        let span = row.block.as_ref().filter(|_| r.by == Dimension::Block).map(|b| block_span(b, times));
        Label {
            name: span.or_else(|| names.remove(&row.key)).unwrap_or_else(|| row.key.clone()),
            title: titles.remove(&row.key).unwrap_or_default(),
        }
    };
    Ok(r.report.rows.iter().map(&mut label).collect())
}

/// How a report is shown.
struct View<'a> {
    labels: &'a [Label],
    times: &'a Times,
    width: usize,
    bars: bool,
    /// What is shown if there are no requests.
    empty: &'a str,
}

fn render(r: &CostReport, view: &View<'_>) -> String {
    let View { labels, times, width, bars, empty } = *view;
    if r.report.rows.is_empty() {
        return format!("{empty}{}", plan_and_skipped(r, times));
    }
    let max_cost = r.report.rows.iter().map(|row| row.cost_picousd).max().unwrap_or_default();
    let bars = bars && r.report.rows.len() > 1 && max_cost > 0;
    let mut out = table(r, labels, bars.then_some(max_cost)).render(width);
    if bars && r.report.rows.len() > 2 && r.by.is_time() {
        let room = width.min(120).saturating_sub(8).max(10);
        out.push_str(&dim(&format!("{}\n", sparkline(&time_series(r), room))));
    }
    if let Some(n) = r.rows_left_out {
        let which = if r.by.is_time() { "earlier" } else { "more" };
        let rows = if n == 1 { "row" } else { "rows" };
        out.push_str(&format!("… and {} {which} {rows} (raise --limit to show them)\n", format_count(n)));
    }
    if r.by.is_time() {
        let what = if r.by == Dimension::Block { "Times" } else { "Days" };
        out.push_str(&dim(&format!("{what} are in {}.\n", one_line(&r.timezone))));
    }
    if r.by == Dimension::Tool {
        out.push_str(&dim(
            "A tool's tokens are those that its results added to prompts, an estimate. (none) is everything else.\n",
        ));
    }
    for b in r.report.rows.iter().filter_map(|row| row.block.as_ref()) {
        out.push_str(&active_block(b));
    }
    for a in r.warnings.iter().flat_map(|w| &w.alerts) {
        let text = sanitize(&a.message());
        out.push_str(&format!(
            "{}\n",
            if a.severity == Severity::Critical { red(&text) } else { yellow(&text) }
        ));
    }
    let today = r.warnings.iter().flat_map(|w| &w.days.robust).filter(|d| d.before_hour < 24);
    for day in today.filter(|d| d.project.is_none()) {
        out.push_str(&format!("{}\n", yellow(&sanitize(&day.message()))));
    }
    out.push_str(&plan_and_skipped(r, times));
    for u in r.report.unpriced.iter().take(10) {
        let of = u.provider.as_deref().map(|p| format!(" ({})", one_line(p))).unwrap_or_default();
        let line = format!("no price: {}{of}, {}", one_line(&u.model), pluralize(u.tokens, "token"));
        out.push_str(&format!("{}\n", yellow(&line)));
    }
    // The reason for a lower bound that no other line gives.
    let is_incomplete =
        |row: &ReportRow| row.confidence == Confidence::LowerBound && row.unpriced_tokens == 0;
    if r.report.rows.iter().any(is_incomplete) || is_incomplete(&r.report.total) && r.skipped.is_empty() {
        let line = "lower bound: a log does not contain all tokens of a request, for example of an answer that was \
                    interrupted. `clawgate cost explain` marks these requests.";
        out.push_str(&format!("{}\n", yellow(line)));
    }
    if !r.report.unpriced.is_empty() {
        out.push_str("To set a price: clawgate pricing set MODEL --input USD --output USD\n");
    }
    out
}

fn table(r: &CostReport, labels: &[Label], max_cost: Option<i64>) -> Table {
    // A name is worth more than a bar, so that usual names are only shortened on a narrow terminal.
    const MIN_NAME_WIDTH: usize = 30;
    let key = match r.by {
        Dimension::Session | Dimension::Block => Column::left(r.by.name()),
        _ => Column::left(r.by.name()).cut_middle(MIN_NAME_WIDTH).want(40),
    };
    // Requests are not divided among tools: a request belongs to the tool with its largest part, so the number of requests
    // of a tool says nothing.
    let shows_requests = r.by != Dimension::Tool;
    let all = [
        (key.rank(9), true),
        (
            Column::left("title").cut_end(16).want(40).want_eighths(3).optional().rank(8),
            r.by == Dimension::Session,
        ),
        (Column::left("").optional().rank(2), max_cost.is_some()),
        (Column::right("requests").optional().rank(6), shows_requests),
        (Column::right("input").optional().rank(3), true),
        (Column::right("output").optional().rank(4), true),
        (Column::right("cache read").optional().rank(1), true),
        (Column::right("cache write").optional().rank(0), true),
        (Column::right("cost"), true),
        (Column::left("").short_form(), true),
    ];
    let shown = all.clone().map(|(_, shown)| shown);
    let mut table = Table::new(all.into_iter().filter(|(_, shown)| *shown).map(|(column, _)| column));
    let cells = |label: &Label, drawn: String, row: &ReportRow| {
        let note = match row.unpriced_tokens {
            0 => Cell::new(confidence(row).replace('_', " ")),
            n => unpriced_note(n, row.cost_picousd),
        };
        let all = [
            Cell::new(&label.name),
            Cell::new(&label.title),
            Cell::from(drawn),
            Cell::from(format_count(row.requests)),
            Cell::from(format_count(row.tokens.input)),
            Cell::from(format_count(row.tokens.output)),
            Cell::from(format_count(row.tokens.cache_read)),
            Cell::from(format_count(row.tokens.cache_write())),
            Cell::from(format_cost(row.cost_picousd, row.unpriced_tokens)),
            note,
        ];
        all.into_iter().zip(shown).filter(|(_, shown)| *shown).map(|(cell, _)| cell).collect::<Vec<_>>()
    };
    for (row, label) in r.report.rows.iter().zip(labels) {
        table.row(cells(label, max_cost.map_or(String::new(), |m| bar(row.cost_picousd, m)), row));
    }
    if r.by != Dimension::Total {
        let total = Label { name: "total".to_owned(), ..Label::default() };
        table.styled_row(BOLD, cells(&total, String::new(), &r.report.total));
    }
    table
}

/// Renders the confidence of a row with unpriced tokens. If other tokens have a price, the cost is a lower bound.
fn unpriced_note(tokens: u64, cost_picousd: i64) -> Cell {
    let unpriced = format!("{} unpriced", pluralize(tokens, "token"));
    match cost_picousd {
        0 => Cell::new(unpriced).short("unpriced"),
        _ => Cell::new(format!("lower bound, {unpriced}")).short("lower bound"),
    }
    .styled(YELLOW)
}

/// Renders the start and end of a block. Marks the active one with `*`.
fn block_span(b: &Block, times: &Times) -> String {
    let clock = times.clock(b.end);
    let clock = clock.get(..5).unwrap_or_default();
    format!("{}–{clock}{}", times.minute(b.start), if b.active { " *" } else { "" })
}

/// Renders the rates and the projection of the active block. Empty for other blocks.
fn active_block(b: &Block) -> String {
    let Some(burn) = &b.burn else { return String::new() };
    format!(
        "* active, {} left: {} per hour, {} tokens per minute; projected: {} and {} tokens\n",
        pluralize(burn.remaining_minutes, "minute"),
        format_dollars(burn.cost_picousd_per_hour),
        format_count(burn.tokens_per_minute),
        format_dollars(burn.projected_picousd),
        format_count(burn.projected_tokens),
    )
}

/// Draws a bar with a resolution of an eighth of a column.
fn bar(value: i64, max: i64) -> String {
    const PART: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths =
        usize::try_from(i128::from(value.max(0)) * (BAR_WIDTH as i128 * 8) / i128::from(max.max(1)));
    let eighths = eighths.unwrap_or_default().min(BAR_WIDTH * 8);
    let mut out = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        out.push(PART[eighths % 8]);
    } else if eighths == 0 && value > 0 {
        out.push('▏');
    }
    out
}

/// Returns the costs in the order of time. Days without requests are zero.
fn time_series(r: &CostReport) -> Vec<i64> {
    let mut out = Vec::new();
    let mut last: Option<jiff::civil::Date> = None;
    for row in &r.report.rows {
        let day = row.key.parse::<jiff::civil::Date>().ok().filter(|_| r.by == Dimension::Day);
        if let (Some(day), Some(last)) = (day, last) {
            let idle = (day - last).get_days().clamp(1, 400) - 1;
            out.extend(std::iter::repeat_n(0, usize::try_from(idle).unwrap_or_default()));
        }
        last = day;
        out.push(row.cost_picousd);
    }
    out
}

/// Draws the last `width` values as a sparkline.
fn sparkline(values: &[i64], width: usize) -> String {
    const STEPS: [char; 9] = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = &values[values.len().saturating_sub(width)..];
    let max = shown.iter().copied().max().unwrap_or_default().max(1);
    let step = |v: &i64| match *v {
        v if v <= 0 => STEPS[0],
        v => STEPS[1 + usize::try_from(i128::from(v) * 7 / i128::from(max)).unwrap_or_default().min(7)],
    };
    shown.iter().map(step).collect()
}

fn csv(r: &CostReport) -> String {
    let mut out = String::from(
        "key,requests,input,output,reasoning,cache_read,cache_write_5m,cache_write_1h,web_search,cost_picousd,unpriced_tokens,confidence\n",
    );
    for row in &r.report.rows {
        out.push_str(&csv_field(&row.key));
        for n in figures(row) {
            out.push_str(&format!(",{n}"));
        }
        out.push_str(&format!(",{},{},{}\n", row.cost_picousd, row.unpriced_tokens, confidence(row)));
    }
    out
}

/// Quotes a CSV field (RFC 4180). A `'` before a leading `=`, `+`, `-` or `@` keeps spreadsheets from evaluating it.
fn csv_field(text: &str) -> String {
    let safe =
        if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    match safe.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", safe.replace('"', "\"\"")),
        false => safe,
    }
}

#[cfg(test)]
mod tests {
    use super::{Label, View, bar, csv_field, render, sparkline};
    use crate::app::cost::CostReport;
    use crate::cli::table::text_width;
    use crate::cli::time_args::Times;
    use crate::trace::Tokens;
    use crate::usage::{Report, ReportRow};

    fn shown(r: &CostReport, width: usize, bars: bool) -> String {
        let utc = Times::new(("UTC".to_owned(), jiff::tz::TimeZone::UTC));
        let label = |row: &ReportRow| Label { name: row.key.clone(), title: "Fix the totals".to_owned() };
        let labels: Vec<Label> = r.report.rows.iter().map(label).collect();
        let view = View { labels: &labels, times: &utc, width, bars, empty: "No requests.\n" };
        anstream::adapter::strip_str(&render(r, &view)).to_string()
    }

    fn report(by: &str, keys: &[&str]) -> CostReport {
        let row = |(i, key): (usize, &&str)| ReportRow {
            key: (*key).to_owned(),
            requests: 12_345,
            tokens: Tokens {
                input: 123_456_789,
                output: 1_234_567,
                cache_read: 9_876_543_210,
                ..Tokens::default()
            },
            cost_picousd: 123_400_000_000_000 * i as i64,
            ..ReportRow::default()
        };
        let rows = keys.iter().enumerate().map(row).collect();
        let report = Report { rows, ..Report::default() };
        let timezone = "Europe/Berlin".to_owned();
        CostReport {
            by: by.parse().unwrap(),
            timezone,
            report,
            rows_left_out: None,
            plan_windows: Vec::new(),
            skipped: Vec::new(),
            warnings: None,
            current: None,
        }
    }

    #[test]
    fn tables_fit_any_terminal_and_keep_the_key_and_the_cost() {
        let r = report("model", &["claude-opus-4-7-20260416", "claude-opus-4-6-20260205", "pi"]);
        for width in 40..140 {
            let text = shown(&r, width, true);
            let longest = text.lines().map(text_width).max().unwrap();
            assert!(longest <= width, "{longest} in {width}:\n{text}");
            assert!(text.contains("$246.80") && text.contains("pi ") && text.contains("total"), "{text}");
            assert!(text.contains('█') || width < 92, "bars are drawn if the names fit: {width}\n{text}");
            let names: Vec<&str> = text.lines().filter_map(|l| l.split(' ').next()).collect();
            assert_ne!(names[1], names[2], "{text}");
            let is_whole = text.contains("claude-opus-4-7-20260416");
            assert!(is_whole || width < 60, "names are whole before bars are drawn: {width}\n{text}");
        }
        let wide = shown(&r, usize::MAX, false);
        assert!(wide.contains("9,876,543,210") && !wide.contains('█'));
        let days = shown(&report("day", &["2026-11-01", "2026-11-04", "2026-11-05"]), 80, true);
        assert!(days.contains("···▄█") && days.contains("Days are in Europe/Berlin."), "{days}");
        let sessions = shown(&report("session", &["kimi-code:session_7a…-0", "claude:a01ef872"]), 80, true);
        assert!(sessions.contains("Fix the totals") && sessions.contains("requests"), "{sessions}");
        let tools = shown(&report("tool", &["Bash", "(none)"]), 120, true);
        assert!(!tools.contains("requests") && tools.contains("an estimate"), "{tools}");
    }

    #[test]
    fn bars_and_sparklines_are_proportional() {
        assert_eq!((bar(12, 12).chars().count(), bar(6, 12).as_str()), (12, "██████"));
        assert_eq!((bar(0, 12).as_str(), bar(1, 1_000_000).as_str(), bar(-5, 12).as_str()), ("", "▏", ""));
        assert_eq!(bar(i64::MAX, i64::MAX).chars().count(), 12);
        assert_eq!(sparkline(&[9, 0, 1, 4, 8], 4), "·▁▄█");
        assert_eq!(sparkline(&[], 4), "");
    }

    #[test]
    fn csv_fields_are_quoted_and_cannot_be_formulas() {
        assert_eq!(csv_field("a"), "a");
        assert_eq!(csv_field("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(csv_field("=1+1"), "'=1+1");
    }
}
