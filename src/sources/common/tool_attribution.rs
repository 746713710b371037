//! What tools' results add to a prompt, by its growth from one request to the next.
//!
//! Between two requests of a conversation the prompt grows by the answer before, by the results of the tools that
//! the answer called, and by what a person typed. The providers count the prompt; what it grew beyond the answer is
//! laid at the tools called. No result is read for it, so that counting stays fast.

use crate::trace::{PromptChain, ToolPromptTokens, UsageRow};

/// Follows one conversation from request to request.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    begun: bool,
    prompt: u64,
    output: u64,
    /// What the last answer called.
    called: Vec<String>,
}

impl Growth {
    /// Notes calls of the last answer that the log tells after its request.
    pub(crate) fn called(&mut self, calls: Vec<String>) {
        self.called.extend(calls);
    }

    /// Notes on a row what the results of the tools called before it added, and remembers what its answer calls.
    pub(crate) fn step(&mut self, row: &mut UsageRow, calls: Vec<String>) {
        let prompt = row.tokens.prompt();
        let called = std::mem::replace(&mut self.called, calls);
        // Reasoning may be left out of the next prompt; a cut of a fifth is a compaction or another conversation.
        let goes_on = self.begun && prompt >= self.prompt / 5 * 4;
        row.chain = if goes_on { PromptChain::Continuation } else { PromptChain::Start };
        row.tool_tokens = match goes_on {
            true => divide(prompt.saturating_sub(self.prompt).saturating_sub(self.output), called),
            false => Vec::new(),
        };
        (self.begun, self.prompt, self.output) = (true, prompt, row.tokens.output);
    }
}

/// Divides tokens evenly among calls; the parts sum to the whole.
fn divide(tokens: u64, called: Vec<String>) -> Vec<ToolPromptTokens> {
    let mut out: Vec<ToolPromptTokens> = Vec::new();
    let count = called.len() as u64;
    if tokens == 0 || count == 0 {
        return out;
    }
    for (i, tool) in (0u64..).zip(called) {
        let part = tokens / count + u64::from(i < tokens % count);
        match out.iter_mut().find(|a| a.tool == tool) {
            Some(known) => known.tokens += part,
            None => out.push(ToolPromptTokens { tool, tokens: part }),
        }
    }
    out.retain(|a| a.tokens > 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::common::session_builder::request_row;
    use crate::trace::Tokens;
    use crate::trace::{SessionKey, Timestamp};

    fn row(prompt: u64, output: u64) -> UsageRow {
        let tokens = Tokens { input: prompt, output, ..Tokens::default() };
        request_row(String::new(), SessionKey::new("a", "s"), Timestamp(0), "m", tokens, 0)
    }

    #[test]
    fn growth_beyond_the_answer_is_laid_at_the_tools_called() {
        let mut growth = Growth::default();
        let mut step = |prompt, output, calls: &[&str]| {
            let mut r = row(prompt, output);
            growth.step(&mut r, calls.iter().map(|c| (*c).to_owned()).collect());
            (r.chain, r.tool_tokens.into_iter().map(|a| (a.tool, a.tokens)).collect::<Vec<_>>())
        };
        assert_eq!(step(1000, 50, &["Bash", "Read", "Bash"]), (PromptChain::Start, vec![]));
        let added = vec![("Bash".to_owned(), 101), ("Read".to_owned(), 50)];
        assert_eq!(step(1201, 10, &[]), (PromptChain::Continuation, added));
        assert_eq!(step(1500, 10, &["Read"]), (PromptChain::Continuation, vec![]), "a person typed");
        assert_eq!(step(1400, 10, &["Read"]), (PromptChain::Continuation, vec![]), "reasoning was left out");
        assert_eq!(step(300, 10, &[]), (PromptChain::Start, vec![]), "compacted");
        let mut odd = row(u64::MAX, u64::MAX);
        odd.tokens.cache_read = u64::MAX;
        growth.step(&mut odd, vec!["Read".to_owned()]);
        growth.step(&mut odd, Vec::new());
        assert_eq!(odd.tool_tokens, []);
    }
}
