//! Attributes prompt tokens to the tools whose results they are.
//!
//! Between two requests of a conversation the prompt grows by three things: the previous answer, the results of the
//! tools that this answer called, and text that a person typed. The provider counts the whole prompt. So the growth
//! beyond the previous answer is attributed to the tools that were called. No tool result is read for this, which
//! keeps counting fast.

use crate::trace::{PromptChain, ToolPromptTokens, UsageRow};

/// Follows one conversation from request to request.
#[derive(Debug, Default)]
pub(crate) struct ToolAttribution {
    /// Prompt and output tokens of the previous request.
    previous: Option<(u64, u64)>,
    /// Tools that the previous answer called.
    called: Vec<String>,
}

impl ToolAttribution {
    /// Adds calls of the previous answer that the log records after its request.
    pub(crate) fn add_calls(&mut self, calls: Vec<String>) {
        self.called.extend(calls);
    }

    /// Sets the `chain` and `tool_tokens` fields of a row. `calls` are the tools that its answer calls.
    pub(crate) fn attribute(&mut self, row: &mut UsageRow, calls: Vec<String>) {
        let prompt = row.tokens.prompt();
        let called = std::mem::replace(&mut self.called, calls);
        // A prompt may shrink a little, because providers drop the reasoning of earlier turns from it. If it loses
        // more than a fifth, the conversation was compacted, or this is another conversation.
        match self.previous.filter(|(previous, _)| prompt >= previous / 5 * 4) {
            Some((previous, output)) => {
                row.chain = PromptChain::Continuation;
                row.tool_tokens = divide(prompt.saturating_sub(previous).saturating_sub(output), called);
            }
            None => {
                row.chain = PromptChain::Start;
                row.tool_tokens = Vec::new();
            }
        }
        self.previous = Some((prompt, row.tokens.output));
    }
}

/// Divides tokens evenly among calls, so that the shares add up to `tokens`.
fn divide(tokens: u64, called: Vec<String>) -> Vec<ToolPromptTokens> {
    let mut out: Vec<ToolPromptTokens> = Vec::new();
    let count = called.len() as u64;
    if tokens == 0 || count == 0 {
        return out;
    }
    for (i, tool) in (0u64..).zip(called) {
        let share = tokens / count + u64::from(i < tokens % count);
        match out.iter_mut().find(|a| a.tool == tool) {
            Some(known) => known.tokens += share,
            None => out.push(ToolPromptTokens { tool, tokens: share }),
        }
    }
    out.retain(|a| a.tokens > 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::common::session_builder::{LoggedRequest, request_row};
    use crate::trace::{SessionKey, Tokens};

    fn row(prompt: u64, output: u64) -> UsageRow {
        let tokens = Tokens { input: prompt, output, ..Tokens::default() };
        let request = LoggedRequest { dedupe_key: String::new(), at: None, model: "m", tokens, offset: 0 };
        request_row(SessionKey::new("a", "s"), request)
    }

    #[test]
    fn prompt_growth_beyond_the_answer_is_attributed_to_the_called_tools() {
        let mut attribution = ToolAttribution::default();
        let mut step = |prompt, output, calls: &[&str]| {
            let mut r = row(prompt, output);
            attribution.attribute(&mut r, calls.iter().map(|c| (*c).to_owned()).collect());
            (r.chain, r.tool_tokens.into_iter().map(|a| (a.tool, a.tokens)).collect::<Vec<_>>())
        };
        assert_eq!(step(1000, 50, &["Bash", "Read", "Bash"]), (PromptChain::Start, vec![]));
        let added = vec![("Bash".to_owned(), 101), ("Read".to_owned(), 50)];
        assert_eq!(step(1201, 10, &[]), (PromptChain::Continuation, added));
        assert_eq!(step(1500, 10, &["Read"]), (PromptChain::Continuation, vec![]), "a person typed");
        assert_eq!(step(1400, 10, &["Read"]), (PromptChain::Continuation, vec![]), "reasoning was left out");
        assert_eq!(step(300, 10, &[]), (PromptChain::Start, vec![]), "compacted");
    }

    #[test]
    fn counts_that_overflow_are_attributed_to_no_tool() {
        let mut attribution = ToolAttribution::default();
        let mut odd = row(u64::MAX, u64::MAX);
        odd.tokens.cache_read = u64::MAX;
        attribution.attribute(&mut odd, vec!["Read".to_owned()]);
        attribution.attribute(&mut odd, Vec::new());
        assert_eq!(odd.tool_tokens, []);
    }
}
