//! What the four marking verbs share: which sessions are meant, and what was marked.

use std::collections::BTreeSet;
use std::io::Read;

use crate::app::Failure;
use crate::app::sessions::{InboxParams, TriageParams, TriageReport};

use super::face::{End, Face};
use super::money::{count, of};
use super::table::one_line;

/// The sessions meant, and why.
#[derive(Debug, clap::Args)]
pub(super) struct Keys {
    /// Session keys, or unambiguous beginnings of them; `-` reads them from standard input
    #[arg(value_name = "KEY")]
    pub keys: Vec<String>,
    /// Why
    #[arg(long)]
    pub reason: Option<String>,
}

impl Keys {
    /// The keys, with those from standard input where `-` stands.
    ///
    /// # Errors
    /// [`Failure`] where standard input cannot be read.
    pub fn read(&self) -> Result<Vec<String>, Failure> {
        let mut out = Vec::new();
        for key in &self.keys {
            if key == "-" {
                let mut bytes = Vec::new();
                std::io::stdin()
                    .lock()
                    .read_to_end(&mut bytes)
                    .map_err(|e| Failure::failed("stdin", format!("cannot read standard input: {e}")))?;
                let text = String::from_utf8_lossy(&bytes);
                out.extend(text.split_whitespace().map(str::to_owned));
            } else {
                out.push(key.clone());
            }
        }
        Ok(out)
    }
}

/// The sessions in scope that nothing was decided about; subagents follow their parents by themselves.
pub(super) fn open_sessions(face: &mut Face, project: Option<&str>) -> Result<Vec<String>, Failure> {
    let app = face.app()?;
    let projects = app.list()?.projects;
    if let Some(wanted) = project
        && !projects.iter().any(|p| p.name == wanted || p.path == wanted)
    {
        return Err(
            Failure::usage("no_such_project", "No project has this name or path.").hint("clawgate list")
        );
    }
    let excluded: BTreeSet<String> = projects.into_iter().filter(|p| p.excluded).map(|p| p.name).collect();
    let mut keys = Vec::new();
    for status in ["new", "shortlisted"] {
        let mut params = InboxParams {
            project: project.map(str::to_owned),
            status: Some(status.to_owned()),
            limit: Some(1000),
            ..InboxParams::default()
        };
        loop {
            let page = app.inbox(&params)?;
            for s in page.sessions {
                let outside = s.project.is_some_and(|p| excluded.contains(&p));
                if s.parent.is_none() && !outside && app.agent_in_scope(&s.agent) {
                    keys.push(s.key.0);
                }
            }
            params.cursor = page.next_cursor;
            if params.cursor.is_none() {
                break;
            }
        }
    }
    Ok(keys)
}

/// Marks the sessions and says so.
pub(super) fn mark(
    face: &mut Face,
    sessions: Vec<String>,
    status: &str,
    reason: Option<String>,
) -> Result<(), End> {
    let params = TriageParams { sessions, status: status.to_owned(), reason };
    let report = face.app()?.triage(&params)?;
    face.answer_placed(&report, human)
}

fn human(r: &TriageReport) -> String {
    let mut out = format!("{} now {}", of(r.marked.len() as u64, "session"), r.status.as_str());
    if r.with_subagents > 0 {
        out.push_str(&format!(", with {}", of(r.with_subagents, "subagent session")));
    }
    out.push('\n');
    if r.marked.len() <= 10 {
        r.marked.iter().for_each(|k| out.push_str(&format!("  {}\n", one_line(k.as_str()))));
    }
    let totals: Vec<String> = r.totals.iter().map(|(m, n)| format!("{m} {}", count(*n))).collect();
    out.push_str(&format!("{}\n", totals.join(", ")));
    out
}
