//! A first guess of a session's quality score, from its counts and badges. No model is asked.
//!
//! The scale is that of `prompts/scoring-rubric.md`: what others can learn from the session. Counts cannot tell what a task
//! was about, so a judge who read the session knows better, and replaces the guess.

use crate::store::SessionRow;

/// A guess and the facts that it is based on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guess {
    /// Score from 1 to 5.
    pub value: u8,
    pub reasons: Vec<&'static str>,
}

/// Sessions with fewer tool calls show too little work to follow.
const MIN_TOOL_CALLS: u64 = 3;

/// More undecided secrets, names or other findings than this cost a point: placeholders would replace much of the text.
const MAX_FINDINGS: u64 = 20;

/// Guesses the score of a session.
pub(super) fn guess(row: &SessionRow) -> Guess {
    let has = |badge: &str| row.badges.iter().any(|b| b == badge);
    let count = |badge: &str| {
        let counted = row.badges.iter().find_map(|b| b.strip_prefix(badge)?.strip_prefix(':'));
        counted.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0)
    };
    if row.user_messages == 0 || row.assistant_messages == 0 {
        let reason = if row.user_messages == 0 { "no prompt of a person" } else { "no answer of the agent" };
        return Guess { value: 1, reasons: vec![reason] };
    }
    let facts = [
        (row.tool_calls >= MIN_TOOL_CALLS, 1, "several tool calls"),
        (row.user_messages >= 2, 1, "the person answers or corrects"),
        (has("debugging"), 1, "a failure is found and fixed"),
        (has("tests-passed"), 1, "tests show the result"),
        (has("long-horizon") || has("tool-rich"), 1, "long or varied work"),
        (row.user_messages == 1, 0, "one prompt"),
        (row.tool_calls > 0 && row.tool_calls < MIN_TOOL_CALLS, 0, "few tool calls"),
        (row.tool_calls == 0, -1, "no tool call"),
        (has("interrupted") || has("errored"), -1, "no end: interrupted or failed"),
        (count("secrets") + count("names") > MAX_FINDINGS, -1, "placeholders would replace much of it"),
    ];
    let points: i64 = 2 + facts.iter().filter(|(holds, ..)| *holds).map(|(_, points, _)| points).sum::<i64>();
    let reasons = facts.iter().filter(|(holds, ..)| *holds).map(|(.., reason)| *reason).collect();
    Guess { value: points.clamp(1, 5) as u8, reasons }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Mark;
    use crate::trace::{SessionKey, Version};

    fn row(user: u64, assistant: u64, tools: u64, badges: &[&str]) -> SessionRow {
        SessionRow {
            id: 1,
            key: SessionKey("claude:1".to_owned()),
            agent: "claude".to_owned(),
            parent: None,
            project: None,
            project_path: None,
            title: None,
            git_branch: None,
            started: None,
            ended: None,
            user_messages: user,
            assistant_messages: assistant,
            tool_calls: tools,
            failed_tool_calls: 0,
            bytes: 1000,
            models: Vec::new(),
            badges: badges.iter().map(|b| (*b).to_owned()).collect(),
            version: Version::default(),
            status: Mark::New,
            status_inherited: false,
            status_reason: None,
            changed_since: false,
            score: None,
            gone: false,
            forked_from: None,
        }
    }

    #[test]
    fn a_fixed_and_tested_task_scores_high_and_an_empty_session_low() {
        let rich = guess(&row(4, 20, 30, &["tests-passed", "debugging", "tool-rich"]));
        assert_eq!(rich.value, 5);
        assert!(rich.reasons.contains(&"a failure is found and fixed"));
        assert_eq!(guess(&row(1, 2, 5, &["completed"])).value, 3);
        assert_eq!(guess(&row(1, 1, 0, &["completed"])).value, 1);
        assert_eq!(guess(&row(0, 3, 9, &["tests-passed"])).value, 1, "nobody asked for anything");
        assert_eq!(guess(&row(3, 3, 9, &["interrupted"])).value, 3);
    }

    #[test]
    fn many_findings_cost_a_point() {
        let clean = guess(&row(1, 2, 5, &["completed", "secrets:2"]));
        let full = guess(&row(1, 2, 5, &["completed", "secrets:12", "names:40"]));
        assert_eq!(full.value + 1, clean.value);
    }
}
