//! The steps of a release that remain, as sentences for an agent that drives the command line.

use crate::app::status::WorkflowStatus;

/// The MCP tool of each step of a release, in order, and what an agent does there.
const GUIDE: &[(&str, &str)] = &[
    ("scan", "`clawgate scan`: read the new logs of all agents."),
    (
        "set_scope",
        "`clawgate list --json`: show the person every project with its agents, sessions and size, and ask which to \
         exclude. Then run `clawgate scope --exclude NAME` for those, and `clawgate scope --confirm`.",
    ),
    (
        "triage",
        "`clawgate inbox --json`: show the sessions. Mark them as the person decides, with `clawgate approve KEY...` or \
         `clawgate block KEY...`.",
    ),
    (
        "prepare_release",
        "`clawgate prepare --repo OWNER/NAME` or `clawgate prepare --folder DIR`: redact the approved sessions for the \
         destination that the person names, and show the person the privacy report.",
    ),
    (
        "review_pii",
        "`clawgate review`: read each page, report what is still private, and ask the person about everything that is \
         not certain.",
    ),
    (
        "confirm",
        "`clawgate confirm`: ask the person for the full name to search for and for the three statements, and submit \
         their own words.",
    ),
    (
        "publish",
        "`clawgate sign`: a person runs it in their own terminal. It shows what would be published, asks for the \
         passphrase and publishes. An agent must not run it.",
    ),
];

/// Returns the next step and the steps after it, each as one entry. The last step is the publication.
pub fn next_steps(status: &WorkflowStatus) -> Vec<String> {
    let next = &status.next;
    let at = GUIDE.iter().position(|(tool, _)| *tool == next.tool);
    let first = match (&status.human_action, at) {
        (Some(action), _) => format!("`{}`: {action}", next.command),
        // The sentence about the last step is about the signature, which a release that is published next has.
        (None, Some(at)) if !matches!(next.tool.as_str(), "prepare_release" | "publish") => {
            GUIDE[at].1.to_owned()
        }
        (None, _) => format!("`{}`", next.command),
    };
    let later = at.map_or(&[][..], |at| &GUIDE[at + 1..]);
    std::iter::once(first).chain(later.iter().map(|(_, step)| (*step).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::status::{Next, WorkflowState};

    fn status(tool: &str, command: &str, human_action: Option<&str>) -> WorkflowStatus {
        WorkflowStatus {
            state: WorkflowState::NoScan,
            release: None,
            next: Next { tool: tool.to_owned(), command: command.to_owned() },
            human_action: human_action.map(str::to_owned),
            note: None,
        }
    }

    #[test]
    fn the_steps_begin_with_the_next_one_and_end_with_the_signature_of_a_person() {
        let all = next_steps(&status("scan", "clawgate scan", None));
        assert_eq!(all.len(), GUIDE.len());
        assert!(all[0].starts_with("`clawgate scan`"));
        assert!(all[6].contains("`clawgate sign`") && all[6].contains("An agent must not run it"));
        let confirm = next_steps(&status("confirm", "clawgate confirm r1", Some("Ask the person.")));
        assert_eq!(confirm.len(), 2);
        assert_eq!(confirm[0], "`clawgate confirm r1`: Ask the person.");
        assert_eq!(next_steps(&status("publish", "clawgate publish r1", None)), ["`clawgate publish r1`"]);
    }

    #[test]
    fn a_step_outside_the_release_is_the_only_one() {
        assert_eq!(next_steps(&status("status", "clawgate", None)), ["`clawgate`"]);
    }

    #[test]
    fn every_command_of_the_guide_is_a_command_of_the_program() {
        let line = crate::cli::command_line(None);
        for (_, text) in GUIDE {
            for command in text.split('`').skip(1).step_by(2) {
                let name = command.split(' ').nth(1).unwrap();
                assert!(line.find_subcommand(name).is_some(), "{command}");
            }
        }
    }
}
