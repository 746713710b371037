//! `clawgate show`: one session, redacted unless asked for raw.

use crate::app::{SessionPage, ShowParams};
use crate::cli::face::{End, Face};
use crate::cli::render::{bold, cyan, dim, indented, red, yellow};
use crate::cli::table::one_line;
use crate::cli::times::minute;
use crate::trace::{Origin, Part, Role, ToolCall, ToolStatus};

/// Show a session, redacted
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its key, or an unambiguous beginning of it
    key: String,
    /// As it was read, with secrets
    #[arg(long)]
    raw: bool,
    /// Index of the first message
    #[arg(long, value_name = "N")]
    from: Option<u64>,
    /// At most so many messages
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    let params =
        ShowParams { session: args.key, raw: args.raw, from: args.from, limit: args.limit, max_bytes: None };
    let page = face.app()?.show(&params)?;
    face.answer(&page, human)
}

fn human(page: &SessionPage) -> String {
    let s = &page.session;
    let mut out = format!("{}\n", bold(&one_line(s.key.as_str())));
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            out.push_str(&format!("{name:<9}{}\n", one_line(&value)));
        }
    };
    fact("title", s.display_title());
    fact("project", s.project.clone());
    fact("branch", s.git_branch.clone());
    fact("models", Some(s.models().join(", ")).filter(|m| !m.is_empty()));
    fact("started", s.started.map(minute));
    fact("ended", s.ended.map(minute));
    fact("parent", s.parent.as_ref().map(|p| p.as_str().to_owned()));
    if !page.redacted {
        out.push_str(&format!("{}\n", yellow("raw: nothing here is redacted")));
    }
    for (i, m) in s.messages.iter().enumerate() {
        let who = match (m.role, m.origin) {
            (Role::User, Origin::Human) => cyan("person"),
            (Role::User, Origin::Compaction) | (Role::System, _) => dim("notice"),
            (Role::User, _) => dim("injected"),
            (Role::Assistant, _) => bold("model"),
        };
        let model = m.model.as_deref().map(one_line).unwrap_or_default();
        let at = m.at.map(minute).unwrap_or_default();
        out.push_str(&format!(
            "\n{} {who} {}\n",
            dim(&format!("#{}", page.from + i as u64)),
            dim(format!("{at} {model}").trim())
        ));
        for part in &m.parts {
            match part {
                Part::Text { text } => out.push_str(&indented(text, 2)),
                Part::Thinking { text } => {
                    out.push_str(&format!("  {}\n", dim("(reasoning)")));
                    out.push_str(&indented(text, 4));
                }
                Part::Tool(call) => out.push_str(&tool(call)),
                Part::Media { media_type, bytes } => {
                    out.push_str(&format!("  [{} {bytes} bytes]\n", one_line(media_type)));
                }
                Part::Attachment { name, text } => {
                    out.push_str(&format!("  [attached {}]\n", one_line(name)));
                    out.push_str(&indented(text, 4));
                }
            }
        }
    }
    if let Some(next) = page.next {
        out.push_str(&format!(
            "\n{}\n",
            dim(&format!("more: --from {next} (of {} messages)", page.message_count))
        ));
    }
    out
}

fn tool(call: &ToolCall) -> String {
    let status = match call.status {
        ToolStatus::Success => String::new(),
        ToolStatus::Error => red(" failed"),
        ToolStatus::Denied => red(" denied"),
        ToolStatus::Pending => yellow(" no result"),
    };
    let input = match &call.input {
        serde_json::Value::String(s) => s.clone(),
        other => other.to_string(),
    };
    let mut out = format!("  → {}{status}\n", bold(&one_line(&call.name)));
    out.push_str(&indented(&input, 4));
    if let Some(output) = &call.output {
        out.push_str(&format!("  {}\n", dim("←")));
        out.push_str(&indented(output, 4));
    }
    out
}
