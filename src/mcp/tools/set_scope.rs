//! `set_scope`: what may be shared at all, and what is always redacted.

use serde_json::{Value, json as value};

use super::{Args, Hints, Tool, params};
use crate::app::config::ScopeParams;
use crate::app::{App, Failure};
use crate::mcp::answer::{ROOM, shorten};
use crate::mcp::schema::{self, flag, texts};

pub(super) struct SetScope;

impl Tool for SetScope {
    fn name(&self) -> &'static str {
        "set_scope"
    }

    fn title(&self) -> &'static str {
        "Set the scope"
    }

    fn description(&self) -> &'static str {
        "Sets which agents and projects may be shared and what is always redacted; lists append. Show the \
         person the projects and ask; confirm: true only once they agreed. Without arguments: shows it."
    }

    fn input(&self) -> Value {
        schema::object(
            &[
                ("agents", texts("Agents in scope; none means all.")),
                ("exclude", texts("Projects left out.")),
                ("include", texts("Projects taken back.")),
                ("redact", texts("Strings always redacted.")),
                ("usernames", texts("Names redacted as whole words.")),
                ("confirm", flag("The person agreed to it.")),
            ],
            &[],
        )
    }

    fn output(&self) -> Value {
        schema::answer(&[("confirmed", "boolean")])
    }

    fn hints(&self) -> Hints {
        Hints::WORK
    }

    fn call(&self, app: &mut App, args: Args) -> Result<Value, Failure> {
        let p: ScopeParams = params(args)?;
        let report = app.set_scope(&p)?;
        let c = report.config;
        let projects: Vec<Value> = report
            .projects
            .into_iter()
            .map(|r| value!({ "name": r.name, "sessions": r.sessions, "excluded": r.excluded }))
            .collect();
        // What is redacted is counted, not repeated: a list of secrets has no place in a transcript.
        let mut out = value!({
            "confirmed": report.confirmed,
            "config": {
                "agents": c.scope.agents,
                "exclude_total": c.scope.exclude.len(),
                "redact_strings": c.redact.strings.len(),
                "redact_usernames": c.redact.usernames.len(),
            },
            "projects": projects,
        });
        shorten(&mut out, "projects", 100, ROOM);
        Ok(out)
    }
}
