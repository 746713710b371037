//! HTML fragments of the pages: text, amounts, tables and bars. Everything from a log passes through [`text`].

use std::fmt::Write as _;

use crate::app::text::sanitize;
use crate::pricing::format_clawtrace_usd;
pub(super) use crate::pricing::format_count as count;

/// Escapes text for HTML. Names of models and projects come from logs and are untrusted.
pub(super) fn text(raw: &str) -> String {
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

/// Returns a complete page, which reloads itself every minute.
pub(super) fn page(title: &str, main: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"refresh\" content=\"60\">\n<title>{}</title>\n<link rel=\"icon\" href=\"data:,\">\n\
         <link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n<body>\n<main>\n{main}</main>\n</body>\n</html>\n",
        text(title)
    )
}

/// Formats a count with three significant digits: `1.23 M`.
pub(super) fn short(n: u64) -> String {
    let steps = [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    let Some((unit, letter)) = steps.into_iter().find(|(unit, _)| n >= *unit) else { return n.to_string() };
    let value = n as f64 / unit as f64;
    let places = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.places$} {letter}")
}

/// Formats dollars and cents as HTML. A `+` marks an amount without its unpriced tokens, and an amount that has only unpriced
/// tokens is written as "no price", so that missing prices never look like $0.
pub(super) fn usd(amount: f64, unpriced_tokens: u64) -> String {
    text(&format_clawtrace_usd(amount, unpriced_tokens))
}

/// Appends a section with a heading, unless the content is empty.
pub(super) fn section(out: &mut String, title: &str, content: &str) {
    if !content.is_empty() {
        let _ = writeln!(out, "<section>\n<h2>{title}</h2>\n{content}</section>");
    }
}

/// Returns a table whose first column is text and whose other columns are figures. Cells are HTML. Without rows the
/// result is empty.
pub(super) fn table<const N: usize>(heads: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return String::new();
    }
    // A narrow screen hides the fourth column and those after it.
    let class = |column: usize| match column {
        0 => "",
        1 | 2 => " class=\"n\"",
        _ => " class=\"n wide\"",
    };
    let mut out = String::from("<table>\n<tr>");
    for (i, head) in heads.iter().enumerate() {
        let _ = write!(out, "<th{}>{head}</th>", class(i));
    }
    out.push_str("</tr>\n");
    for row in rows {
        out.push_str("<tr>");
        for (i, cell) in row.iter().enumerate() {
            let _ = write!(out, "<td{}>{cell}</td>", class(i));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table>\n");
    out
}

/// Returns a bar that is filled to this percentage.
pub(super) fn track(percent: u64) -> String {
    let part = percent.min(100);
    format!(
        "<svg class=\"track\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
         <rect class=\"rest\" width=\"100\" height=\"10\"/><rect class=\"part\" width=\"{part}\" height=\"10\"/></svg>"
    )
}

/// Width of the chart, in units of its drawing.
const CHART_WIDTH: f64 = 700.0;
/// Height of the chart, in units of its drawing.
const CHART_HEIGHT: f64 = 150.0;

/// Returns a bar chart of days, given as (day, amount, formatted amount). The last day is the current one.
pub(super) fn bars(days: &[(String, f64, String)]) -> String {
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return String::new() };
    let Some(top) = days.iter().filter(|d| d.1 > 0.0).max_by(|a, b| a.1.total_cmp(&b.1)) else {
        return String::new();
    };
    let step = CHART_WIDTH / days.len() as f64;
    let mut out = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {CHART_WIDTH} {}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"Cost by day\">\n",
        CHART_HEIGHT + 1.0
    );
    for (i, (day, amount, amount_text)) in days.iter().enumerate() {
        let high = (amount.max(0.0) / top.1 * CHART_HEIGHT).max(if *amount > 0.0 { 1.0 } else { 0.0 });
        let class = if i + 1 == days.len() { "now" } else { "day" };
        let (x, y, wide) = (i as f64 * step + step * 0.12, CHART_HEIGHT - high, step * 0.76);
        let _ = writeln!(
            out,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{high:.1}\"><title>{}: \
             {amount_text}</title></rect>",
            text(day)
        );
    }
    // The labels are outside the drawing, because text inside would shrink with it.
    let _ = writeln!(
        out,
        "<line class=\"base\" x1=\"0\" y1=\"{CHART_HEIGHT}\" x2=\"{CHART_WIDTH}\" y2=\"{CHART_HEIGHT}\"/>\n</svg>\n\
         <p class=\"ends note\"><span>{}</span><span>{}</span></p>\n<p class=\"note\">Peak: {} on {}</p>",
        text(&first.0),
        text(&last.0),
        top.2,
        text(&top.0)
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_logs_cannot_inject_html() {
        let t = text("<b>&\"'\u{1b}");
        assert!(
            !t.contains(['<', '>', '"', '\'', '\u{1b}']) && t.starts_with("&lt;b&gt;&amp;&quot;&#39;"),
            "{t}"
        );
        let chart = bars(&[("<i>".into(), 1.0, "$1.00".into())]);
        assert!(chart.contains("&lt;i&gt;") && !chart.contains("<i>"), "{chart}");
    }

    #[test]
    fn figures_are_formatted_for_people() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0, 999, 1_000, 12_345, 1_230_000, 999_999_999].map(short),
            ["0", "999", "1.00 k", "12.3 k", "1.23 M", "1000 M"]
        );
        assert_eq!([usd(0.0, 0), usd(0.0, 7), usd(1234.5, 7)], ["$0.00", "no price", "$1,234.50+"]);
        assert_eq!([usd(0.004, 0), usd(0.005, 0), usd(-2.5, 0)], ["&lt;$0.01", "$0.01", "-$2.50"]);
    }

    #[test]
    fn a_chart_without_cost_is_empty() {
        assert_eq!(bars(&[]), "");
        assert_eq!(bars(&[("2026-11-20".into(), 0.0, "$0.00".into())]), "");
        let two = bars(&[("a".into(), 1.0, "x".into()), ("b".into(), 2.0, "y".into())]);
        assert_eq!((two.matches("class=\"day\"").count(), two.matches("class=\"now\"").count()), (1, 1));
    }
}
