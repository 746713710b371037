//! The engine over text that arrives in pieces, with the same findings as over the whole.

use super::engine::{Engine, floor};
use super::matchers::LONGEST_BLOCK;
use super::model::{Classes, Finding};

/// How far back and ahead of a finding its rules may look.
const REACH: usize = LONGEST_BLOCK + 1024;

/// Scans a stream: push pieces, get findings with offsets into the whole stream.
///
/// A finding is given out once enough text after it has been seen that nothing can change it any more; memory is
/// bounded by a few times that reach plus the largest piece.
pub struct StreamScanner<'e> {
    engine: &'e Engine,
    classes: Classes,
    held: String,
    base: usize,
    done: usize,
}

impl<'e> StreamScanner<'e> {
    /// A scanner at the start of a stream.
    pub fn new(engine: &'e Engine, classes: Classes) -> Self {
        StreamScanner { engine, classes, held: String::new(), base: 0, done: 0 }
    }

    /// Takes the next piece; returns the findings that are settled by it, in order.
    pub fn push(&mut self, piece: &str) -> Vec<Finding> {
        self.held.push_str(piece);
        if self.held.len() < 4 * REACH {
            return Vec::new();
        }
        let horizon = self.held.len() - REACH;
        self.settle(horizon)
    }

    /// Ends the stream; returns the rest.
    pub fn finish(mut self) -> Vec<Finding> {
        let end = self.held.len();
        self.settle(end + 1)
    }

    fn settle(&mut self, horizon: usize) -> Vec<Finding> {
        let found = self.engine.scan(&self.held, self.classes);
        let mut out = Vec::new();
        let mut next = self.base + horizon.min(self.held.len());
        for mut f in found {
            f.start += self.base;
            f.end += self.base;
            if f.start >= self.base + horizon || f.end > self.base + horizon {
                next = next.min(f.start);
                break;
            }
            if f.start >= self.done {
                out.push(f);
            }
        }
        self.done = next;
        let keep = floor(&self.held, (next - self.base).saturating_sub(REACH));
        self.held.drain(..keep);
        self.base += keep;
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_block_is_waited_for() {
        let engine = Engine::builtin().unwrap();
        let kind = ["PRIVATE", " KEY-----"].concat();
        let body = "lorem ipsum dolor sit amet\n".repeat(759);
        let text = format!(
            "{body}\n-----BEGIN RSA {kind}\nMIIEpAIBAAKCAQEAx7Zb3PqL\n{body}-----END RSA {kind}{body}{body}"
        );
        for lead in 0..5 {
            let whole = body.repeat(lead) + &text;
            let mut scanner = StreamScanner::new(engine, Classes::ALL);
            let mut found = Vec::new();
            for line in whole.split_inclusive('\n') {
                found.extend(scanner.push(line));
            }
            found.extend(scanner.finish());
            assert_eq!(found, engine.scan(&whole, Classes::ALL), "{lead}");
        }
    }
}
