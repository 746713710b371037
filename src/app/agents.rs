//! The agents that callers name.

use crate::app::Failure;
use crate::app::text::unknown_name;
use crate::sources;

/// The word for all agents, those of later versions included.
const ALL_AGENTS: &str = "all";

/// Returns the ids of all agents.
fn agent_ids() -> Vec<&'static str> {
    sources::REGISTRY.iter().map(|s| s.agent()).collect()
}

/// Returns the id of the agent that a caller named, in any case. `None` means all agents.
///
/// # Errors
/// A usage [`Failure`] that lists the agents if there is no such agent.
pub(crate) fn known_agent(name: &str) -> Result<Option<&'static str>, Failure> {
    let wanted = name.trim().to_lowercase();
    if wanted == ALL_AGENTS {
        return Ok(None);
    }
    let ids = agent_ids();
    match ids.iter().find(|id| **id == wanted) {
        Some(id) => Ok(Some(id)),
        None => Err(unknown_name("agent", "no_such_agent", name, &ids)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_agent_is_an_error_that_lists_the_agents() {
        assert_eq!(known_agent("claude").unwrap(), Some("claude"));
        assert_eq!(known_agent(" Codex ").unwrap(), Some("codex"));
        assert_eq!(known_agent("all").unwrap(), None);
        let f = known_agent("claud").unwrap_err();
        assert_eq!((f.code.as_str(), f.exit_code()), ("no_such_agent", 2));
        assert!(f.message.contains("\"claud\"") && f.message.contains("claude, codex"), "{f}");
        assert_eq!(f.hints, ["did you mean `claude`?"]);
        assert_eq!(*f.unmatched, ["claud"]);
    }
}
