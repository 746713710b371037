//! Renders a session as text: turn by turn, each tool call folded to one line, reasoning dimmed.

use serde_json::Value;

use crate::app::sessions::SessionPage;
use crate::app::text::sanitize;
use crate::trace::{Message, Origin, Part, Role, SessionKey, ToolCall, ToolStatus};

use super::format::pluralize;
use super::render::{bold, cyan, dim, indented, red, yellow};
use super::table::{one_line, truncate};
use super::time_args::Times;

/// Folded reasoning shows this many lines.
const MAX_FOLDED_REASONING_LINES: usize = 6;

/// Which parts of a session [`render`] shows in full.
pub(super) struct ViewOptions {
    /// Unfold every tool call and all reasoning.
    pub full: bool,
    /// Show only the tool call with this number.
    pub tool: Option<u64>,
    /// Page number and messages per page, if the person reads page by page.
    pub page: Option<(u64, u64)>,
    /// Maximum width of a folded line in columns.
    pub width: usize,
}

/// Renders a page of a session.
pub(super) fn render(page: &SessionPage, times: &Times, options: &ViewOptions) -> String {
    let mut out = head(page, times);
    let mut turn = page.turns_before;
    let mut tool_number = page.tools_before;
    for (i, m) in (page.from..).zip(&page.session.messages) {
        if m.role == Role::User && m.origin == Origin::Human {
            turn += 1;
            out.push_str(&format!("\n{}\n", bold(&format!("── turn {turn} ──"))));
        }
        message(&mut out, (i, m), &mut tool_number, times, options);
    }
    if let Some(next) = page.next_from {
        let how = match options.page {
            Some((page, size)) => format!("--page {} --messages {size}", page + 1),
            None => format!("--from {next}"),
        };
        out.push_str(&format!(
            "\n{}\n",
            dim(&format!("more: {how} (of {})", pluralize(page.message_count, "message")))
        ));
    }
    let folded = page.session.tool_calls().count() > 0 && !options.full && options.tool.is_none();
    if folded {
        out.push_str(&format!("\n{}\n", dim("unfold: --tool N for one tool call, --full for everything")));
    }
    out
}

fn head(page: &SessionPage, times: &Times) -> String {
    let s = &page.session;
    let mut out = format!("{}\n", bold(&one_line(s.key.as_str())));
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            out.push_str(&format!("{name:<9}{}\n", one_line(&value)));
        }
    };
    let keys = |keys: &[SessionKey]| {
        let shown: Vec<&str> = keys.iter().take(8).map(SessionKey::as_str).collect();
        let more = keys.len().saturating_sub(shown.len());
        let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!shown.is_empty()).then(|| format!("{}{tail}", shown.join(" ")))
    };
    fact("title", page.heading.clone());
    fact("project", s.project.clone());
    fact("branch", s.git_branch.clone());
    fact("models", Some(s.models().join(", ")).filter(|m| !m.is_empty()));
    fact("started", s.started.map(|at| times.minute_with_zone(at)));
    fact("ended", s.ended.map(|at| times.minute_with_zone(at)));
    fact("zone", s.started.map(|_| times.zone_name().to_owned()));
    fact("parent", s.parent.as_ref().map(|p| p.as_str().to_owned()));
    fact("children", keys(&page.children));
    fact("fork of", s.forked_from.as_ref().map(|p| p.as_str().to_owned()));
    fact("forks", keys(&page.forks));
    fact("log", page.source_gone.then(|| "the agent deleted the log".to_owned()));
    if !page.redacted {
        out.push_str(&format!("{}\n", yellow("raw: not redacted")));
    }
    out
}

fn message(
    out: &mut String,
    (index, m): (u64, &Message),
    tool_number: &mut u64,
    times: &Times,
    options: &ViewOptions,
) {
    let who = match (m.role, m.origin) {
        (Role::User, Origin::Human) => cyan("person"),
        (Role::User, Origin::Compaction) | (Role::System, _) => dim("notice"),
        (Role::User, _) => dim("injected"),
        (Role::Assistant, _) => bold("model"),
    };
    let model = m.model.as_deref().map(one_line).unwrap_or_default();
    let at = m.at.map(|at| times.minute(at)).unwrap_or_default();
    out.push_str(&format!("\n{} {who} {}\n", dim(&format!("#{index}")), dim(format!("{at} {model}").trim())));
    for part in &m.parts {
        match part {
            Part::Text { text } => out.push_str(&indented(text, 2)),
            Part::Thinking { text } => reasoning(out, text, options),
            Part::Tool(call) => {
                *tool_number += 1;
                let open = options.full || options.tool == Some(*tool_number);
                if open || options.tool.is_none() {
                    out.push_str(&tool_call(call, *tool_number, open, options.width));
                }
            }
            Part::Media { media_type, bytes } => {
                out.push_str(&format!("  [{} {}]\n", one_line(media_type), pluralize(*bytes, "byte")));
            }
            Part::Attachment { name, text } => {
                out.push_str(&format!("  [attached {}]\n", one_line(name)));
                out.push_str(&indented(text, 4));
            }
        }
    }
}

fn reasoning(out: &mut String, text: &str, options: &ViewOptions) {
    let text = sanitize(text);
    let lines: Vec<&str> = text.lines().collect();
    let shown = if options.full { lines.len() } else { lines.len().min(MAX_FOLDED_REASONING_LINES) };
    for line in &lines[..shown] {
        out.push_str(&format!("    {}\n", dim(line)));
    }
    if shown < lines.len() {
        out.push_str(&format!(
            "    {}\n",
            dim(&format!("… {} (--full)", pluralize((lines.len() - shown) as u64, "more line")))
        ));
    }
}

fn tool_call(call: &ToolCall, number: u64, open: bool, width: usize) -> String {
    let status = match call.status {
        ToolStatus::Success => String::new(),
        ToolStatus::Error => red(" failed"),
        ToolStatus::Denied => red(" denied"),
        ToolStatus::Pending => yellow(" no result"),
    };
    let name = one_line(&call.name);
    let size = match call.output.as_deref().map(|o| o.lines().count()) {
        None | Some(0) => String::new(),
        Some(n) => format!(" · {}", pluralize(n as u64, "line")),
    };
    let sub = call
        .subagent
        .as_ref()
        .map(|s| format!("    {}\n", dim(&one_line(&format!("subagent {s}")))))
        .unwrap_or_default();
    if !open {
        let room = width.saturating_sub(name.chars().count() + size.chars().count() + 24).max(20);
        let excerpt = truncate(&one_line(&input_excerpt(&call.input)), room);
        return format!(
            "  {} {}{status} {excerpt}{}\n{sub}",
            dim(&format!("▸ {number}")),
            bold(&name),
            dim(&size)
        );
    }
    let mut out = format!("  {} {}{status}\n{sub}", dim(&format!("▾ {number}")), bold(&name));
    match &call.input {
        Value::String(s) => out.push_str(&indented(s, 4)),
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(s) if s.contains('\n') => {
                        out.push_str(&format!("    {}\n", dim(&format!("{}:", one_line(key)))));
                        out.push_str(&indented(s, 6));
                    }
                    Value::String(s) => out.push_str(&indented(&format!("{key}: {s}"), 4)),
                    other => out.push_str(&indented(&format!("{key}: {other}"), 4)),
                }
            }
        }
        Value::Null => {}
        other => out.push_str(&indented(&other.to_string(), 4)),
    }
    if let Some(output) = &call.output {
        out.push_str(&format!("    {}\n", dim("←")));
        out.push_str(&indented(output, 4));
    }
    out
}

/// Returns the field of a tool input that best describes the call, or the whole input if there is none.
fn input_excerpt(input: &Value) -> String {
    const DESCRIPTIVE_FIELDS: [&str; 12] = [
        "command",
        "cmd",
        "file_path",
        "filePath",
        "path",
        "pattern",
        "query",
        "url",
        "description",
        "prompt",
        "message",
        "input",
    ];
    match input {
        Value::String(s) => s.clone(),
        Value::Object(map) => match DESCRIPTIVE_FIELDS.iter().find_map(|k| map.get(*k)) {
            Some(Value::String(s)) => s.clone(),
            Some(Value::Array(words)) if words.iter().all(Value::is_string) => {
                words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
            }
            _ if map.is_empty() => String::new(),
            _ => input.to_string(),
        },
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
