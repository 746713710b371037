//! `/`: what is spent, for a person: the present day, the last fourteen, budgets, models, projects, sessions.

use std::fmt::Write as _;

use crate::app::{App, Classic, ClassicParams, Failure, Live, LiveParams, sanitize};
use crate::web::answer::Answer;
use crate::web::ask::Ask;

use super::timezone;

pub(super) fn answer(app: &mut App, ask: &Ask) -> Result<Answer, Failure> {
    let params = ClassicParams { days: Some(14), sessions: Some(10), timezone: timezone(ask) };
    let all = app.classic(&params)?;
    let live = app.live(&LiveParams { timezone: timezone(ask), ..LiveParams::default() })?;
    let mut main = String::new();
    now(&mut main, &all, &live);
    tables(&mut main, &all);
    let _ = writeln!(main, "<p class=\"note\">Days in {}.</p>", text(&live.timezone));
    Ok(Answer::html(page("clawgate", &main)))
}

/// What is spent now, what passed a threshold, and the budgets.
fn now(out: &mut String, all: &Classic, live: &Live) {
    let s = &all.summary;
    let _ = write!(
        out,
        "<h1>clawgate</h1>\n<p class=\"big\">{}</p>\n<p>{} · {} sessions · {} requests · {} tokens · last hour {}</p>\n",
        usd(s.total_cost_usd),
        text(&s.date),
        s.session_count,
        s.message_count,
        s.total_tokens,
        usd(live.hour.cost_picousd as f64 / 1e12),
    );
    let unpriced = live.today.unpriced_tokens;
    if unpriced > 0 {
        let _ = writeln!(out, "<p class=\"note\">{unpriced} tokens of today have no known price.</p>");
    }
    for alert in &live.alerts {
        let _ = writeln!(out, "<p class=\"warn\">{}</p>", text(&alert.message()));
    }
    if !live.budgets.is_empty() {
        out.push_str("<h2>Budgets</h2>\n");
    }
    for b in &live.budgets {
        let bar = format!("<progress max=\"100\" value=\"{}\"></progress>", b.percent.min(100));
        let _ = writeln!(out, "<p>{}<br>{bar}</p>", text(&b.message()));
    }
}

fn tables(out: &mut String, all: &Classic) {
    let most = all.timeseries.iter().fold(0.01, |m: f64, d| m.max(d.cost_usd));
    let days = all.timeseries.iter().rev().map(|d| {
        let bar = format!("<progress max=\"{most}\" value=\"{}\"></progress>", d.cost_usd);
        [text(&d.date), usd(d.cost_usd), bar]
    });
    table(out, "Days", ["day", "cost", ""], days);
    let models = all.models.iter().map(|m| [text(&m.model), usd(m.cost_usd), m.message_count.to_string()]);
    table(out, "Models", ["model", "cost", "requests"], models);
    let projects =
        all.projects.iter().map(|p| [text(&p.project), usd(p.cost_usd), p.session_count.to_string()]);
    table(out, "Projects", ["project", "cost", "sessions"], projects);
    let sessions = all.sessions.iter().map(|p| [text(&p.session_id), usd(p.cost_usd), text(&p.project)]);
    table(out, "Dearest sessions", ["session", "cost", "project"], sessions);
    let odd = all.anomalies.iter().rev().take(10).map(|a| {
        [
            text(&a.date),
            usd(a.actual_cost),
            format!("{} expected, {} % over", usd(a.expected_cost), a.pct_over),
        ]
    });
    table(out, "Days out of the ordinary", ["day", "cost", ""], odd);
}

/// A whole page around its content.
fn page(title: &str, main: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n<body>\n<main>\n{main}</main>\n</body>\n</html>\n",
        text(title)
    )
}

/// A table; its cells are markup already. Nothing where there is no row.
fn table(out: &mut String, title: &str, heads: [&str; 3], rows: impl Iterator<Item = [String; 3]>) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    const CLASSES: [&str; 3] = [" class=\"name\"", " class=\"n\"", ""];
    let _ = write!(out, "<h2>{title}</h2>\n<table>\n<tr>");
    for (head, class) in heads.iter().zip(CLASSES) {
        let _ = write!(out, "<th{class}>{head}</th>");
    }
    out.push_str("</tr>\n");
    for row in rows {
        out.push_str("<tr>");
        for (cell, class) in row.iter().zip(CLASSES) {
            let _ = write!(out, "<td{class}>{cell}</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table>\n");
}

fn usd(amount: f64) -> String {
    format!("${amount:.2}")
}

/// Text of logs as text of a page: names of models and projects are untrusted.
fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in sanitize(raw).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn names_cannot_become_markup() {
        let t = text("<b>&\"'\u{1b}");
        assert!(
            !t.contains(['<', '>', '"', '\'', '\u{1b}']) && t.starts_with("&lt;b&gt;&amp;&quot;&#39;"),
            "{t}"
        );
    }
}
