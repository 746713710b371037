//! Scans text that arrives in pieces; the findings are the same as for the whole text.

use super::engine::Engine;
use super::matchers::MAX_BLOCK_BYTES;
use super::model::{Classes, Finding};

/// How far before and after a finding its rule may read, in bytes.
const CONTEXT_BYTES: usize = MAX_BLOCK_BYTES + 1024;

/// Scans a stream of pieces and returns findings with offsets into the whole stream.
///
/// A finding is returned as soon as enough text follows it that nothing can change it. Memory is bounded by a few times
/// that context plus the largest piece.
pub struct StreamScanner<'e> {
    engine: &'e Engine,
    classes: Classes,
    /// The end of the stream that is still needed.
    buffer: String,
    /// Offset of the buffer in the stream.
    base: usize,
    /// Offset up to which findings were returned.
    done: usize,
}

impl<'e> StreamScanner<'e> {
    /// Returns a scanner at the start of a stream.
    pub fn new(engine: &'e Engine, classes: Classes) -> Self {
        StreamScanner { engine, classes, buffer: String::new(), base: 0, done: 0 }
    }

    /// Takes the next piece and returns, in order, the findings that no later text can change.
    pub fn push(&mut self, piece: &str) -> Vec<Finding> {
        self.buffer.push_str(piece);
        if self.buffer.len() < 4 * CONTEXT_BYTES {
            return Vec::new();
        }
        let horizon = self.buffer.len() - CONTEXT_BYTES;
        self.take_final(horizon)
    }

    /// Ends the stream and returns the remaining findings.
    pub fn finish(mut self) -> Vec<Finding> {
        let end = self.buffer.len();
        self.take_final(end + 1)
    }

    /// Scans the buffer, returns the findings that end before `horizon`, and drops the text that is not needed any more.
    fn take_final(&mut self, horizon: usize) -> Vec<Finding> {
        let found = self.engine.scan(&self.buffer, self.classes);
        let mut out = Vec::new();
        let mut next = self.base + horizon.min(self.buffer.len());
        for mut f in found {
            f.start += self.base;
            f.end += self.base;
            // Later text could still extend this finding, or merge it with the next.
            if f.start >= self.base + horizon || f.end > self.base + horizon {
                next = next.min(f.start);
                break;
            }
            if f.start >= self.done {
                out.push(f);
            }
        }
        self.done = next;
        let keep = self.buffer.floor_char_boundary((next - self.base).saturating_sub(CONTEXT_BYTES));
        self.buffer.drain(..keep);
        self.base += keep;
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_block_is_found_whole_in_a_stream() {
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
