//! `GET /`: the cost dashboard: current spend, budgets, the last fourteen days, models, projects and sessions.

use std::fmt::Write as _;

use crate::app::cost::{ClawTraceParams, ClawTraceReport, CostSums, CurrentSpend, Spend};
use crate::app::{App, Failure};
use crate::usage::BudgetLevel;
use crate::web::html::{self, bars, count, section, short, table, text, track, usd};
use crate::web::request::Request;
use crate::web::response::Response;

/// Maximum number of rows of a table; the API returns all of them.
const MAX_ROWS: usize = 12;

/// Maximum number of anomalies on the page.
const MAX_ANOMALIES: usize = 10;

pub(super) fn page(app: &mut App, request: &Request) -> Result<Response, Failure> {
    let params = ClawTraceParams {
        days: Some(14),
        sessions: Some(10),
        timezone: request.timezone(),
        with_current: true,
        ..ClawTraceParams::default()
    };
    let all = app.clawtrace_report(&params)?;
    let Some(live) = &all.current else {
        return Err(Failure::failed("cost", "The current spend was not computed."));
    };
    let mut main = String::new();
    let _ = writeln!(
        main,
        "<header><h1>clawgate</h1><span class=\"note\">{} · {}</span></header>",
        text(&all.summary.date),
        text(&live.timezone)
    );
    if all.total_messages == 0 {
        section(&mut main, "No usage recorded yet", NO_USAGE);
    } else {
        current_spend(&mut main, &all, live);
        alerts_and_budgets(&mut main, live);
        days(&mut main, &all);
        tables(&mut main, &all);
    }
    main.push_str(FOOTER);
    Ok(Response::html(html::page("clawgate", &main)))
}

const NO_USAGE: &str = "<p>The agent logs of this machine contain no requests. Run <code>clawgate doctor</code> to see where \
                        clawgate looks for logs.</p>\n";

const FOOTER: &str = "<footer>API: <a href=\"/api/summary\">summary</a> · \
     <a href=\"/api/costs?range=7d\">costs</a> · <a href=\"/api/models\">models</a> · \
     <a href=\"/api/projects\">projects</a> · <a href=\"/api/sessions?n=5\">sessions</a> · \
     <a href=\"/api/anomalies\">anomalies</a> · <a href=\"/metrics\">metrics</a></footer>\n";

/// Appends the tiles of current spend.
fn current_spend(out: &mut String, all: &ClawTraceReport, live: &CurrentSpend) {
    let s = &all.summary;
    let sessions = if s.session_count == 1 { "session" } else { "sessions" };
    let today = format!(
        "{} {sessions}, {} requests, {} tokens",
        count(s.session_count),
        count(s.message_count),
        short(s.total_tokens)
    );
    out.push_str("<div class=\"tiles\">\n");
    tile(out, "Today", &live.today, &today);
    tile(out, "Last hour", &live.hour, &requests(&live.hour));
    if let Some(block) = &live.block {
        let minutes = block.ends.millis().saturating_sub(live.at.millis()).max(0) / 60_000;
        tile(out, "Claude block", &block.spend, &format!("{}h{:02}m left", minutes / 60, minutes % 60));
    }
    for (title, spend) in [("This week", &live.week), ("This month", &live.month)] {
        if let Some(spend) = spend {
            tile(out, title, spend, &requests(spend));
        }
    }
    out.push_str("</div>\n");
}

fn requests(s: &Spend) -> String {
    format!("{} request{}", count(s.requests), if s.requests == 1 { "" } else { "s" })
}

fn tile(out: &mut String, title: &str, s: &Spend, more: &str) {
    let amount = usd(s.cost_picousd as f64 / 1e12, s.unpriced_tokens);
    let unpriced = match s.unpriced_tokens {
        0 => String::new(),
        n => format!("<p class=\"note\">{} tokens unpriced</p>", short(n)),
    };
    let _ = writeln!(
        out,
        "<div><p class=\"note\">{title}</p><p class=\"figure\">{amount}</p><p class=\"note\">{more}</p>{unpriced}</div>"
    );
}

/// Appends the exceeded thresholds and the budgets.
fn alerts_and_budgets(out: &mut String, live: &CurrentSpend) {
    let mut alerts = String::new();
    for alert in &live.alerts {
        let _ = writeln!(alerts, "<p class=\"warn\">{}</p>", text(&alert.message()));
    }
    section(out, "Alerts", &alerts);
    let mut budgets = String::new();
    for b in &live.budgets {
        let level = match b.state {
            BudgetLevel::Ok => "ok",
            BudgetLevel::Near => "near",
            BudgetLevel::Spent => "spent",
        };
        let _ = writeln!(
            budgets,
            "<div class=\"budget {level}\">{}{}</div>",
            text(&b.message()),
            track(b.percent)
        );
    }
    section(out, "Budgets", &budgets);
}

fn days(out: &mut String, all: &ClawTraceReport) {
    let days: Vec<_> = all
        .timeseries
        .iter()
        .map(|d| (d.date.clone(), d.cost_usd, usd(d.cost_usd, d.unpriced_tokens)))
        .collect();
    let chart = bars(&days);
    let rows = days.iter().rev().map(|(day, _, amount)| [text(day), amount.clone()]);
    let listed = table(["day", "cost"], rows);
    let content = match chart.is_empty() {
        true => "<p class=\"note\">No cost in the last fourteen days.</p>\n".to_owned(),
        false => format!("{chart}<details><summary>As a table</summary>\n{listed}</details>\n"),
    };
    section(out, "Last fourteen days", &content);
}

fn tables(out: &mut String, all: &ClawTraceReport) {
    let cost = |s: &CostSums| usd(s.cost_usd, s.unpriced_tokens);
    out.push_str("<div class=\"pair\">\n");
    let models = all.models.iter().take(MAX_ROWS).map(|m| {
        let s = &m.sums;
        [text(&m.model), cost(s), short(s.total_tokens), count(s.message_count)]
    });
    let models = table(["model", "cost", "tokens", "requests"], models);
    section(out, "Models, all time", &(models + &rest(all.models.len(), "/api/models")));
    let projects = all.projects.iter().take(MAX_ROWS).map(|p| {
        let s = &p.sums;
        [text(&p.project), cost(s), count(s.session_count.unwrap_or(0)), count(s.message_count)]
    });
    let projects = table(["project", "cost", "sessions", "requests"], projects);
    section(out, "Projects, all time", &(projects + &rest(all.projects.len(), "/api/projects")));
    let sessions = all.sessions.iter().map(|s| {
        let name = format!("{}<span class=\"note\">{}</span>", text(&s.session_id), text(&s.project));
        [name, cost(&s.sums), short(s.sums.total_tokens)]
    });
    section(out, "Most expensive sessions", &table(["session", "cost", "tokens"], sessions));
    let unusual = all.anomalies.iter().rev().take(MAX_ANOMALIES).map(|a| {
        let over = format!("{:.0} %", a.pct_over);
        [text(&a.date), usd(a.actual_cost, 0), usd(a.expected_cost, 0), over]
    });
    section(out, "Unusual days of the last thirty", &table(["day", "cost", "expected", "over"], unusual));
    out.push_str("</div>\n");
}

/// Says how many rows a table leaves out.
fn rest(all: usize, path: &str) -> String {
    match all.saturating_sub(MAX_ROWS) {
        0 => String::new(),
        n => format!("<p class=\"note\">and {n} more: <a href=\"{path}\">{path}</a></p>\n"),
    }
}
