//! The filter of `clawgate redact`: redacts JSON Lines, each record independently, or plain text.

use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};

use crate::rules::Engine;

use super::{Detectors, Policy, RedactError, Redactor};

#[derive(Deserialize)]
struct InputRecord {
    #[serde(default)]
    id: serde_json::Value,
    text: String,
}

#[derive(Serialize)]
struct OutputRecord<'a> {
    id: &'a serde_json::Value,
    text: &'a str,
    spans: Vec<OutputSpan<'a>>,
}

#[derive(Serialize)]
struct OutputSpan<'a> {
    start: usize,
    end: usize,
    #[serde(rename = "type")]
    kind: &'a str,
    rule: &'a str,
    confidence: f64,
}

#[derive(Serialize)]
struct LineError<'a> {
    id: Option<&'a serde_json::Value>,
    line: u64,
    error: &'a str,
}

/// Redacts standard input for one command: JSON Lines or plain text.
pub struct RedactFilter<'a> {
    engine: &'a Engine,
    policy: Policy,
    key: [u8; 32],
    detectors: &'a Detectors,
}

impl<'a> RedactFilter<'a> {
    /// Makes a filter; `key` determines its placeholders.
    pub fn new(engine: &'a Engine, policy: Policy, key: [u8; 32], detectors: &'a Detectors) -> Self {
        RedactFilter { engine, policy, key, detectors }
    }

    fn redactor(&self) -> Redactor<'a> {
        Redactor::new(self.engine, self.policy.clone(), self.key).with_detectors(self.detectors)
    }

    /// Reads JSON Lines `{"id","text"}` and writes `{"id","text","spans"}`, streaming and in order.
    ///
    /// The output `text` is redacted, offsets are bytes of the input text, and `confidence` is from 0 to 1. No value of
    /// one record is known in the next. A line that is not such a record is answered with an object with `error` and its
    /// line number.
    ///
    /// # Errors
    /// If reading or writing fails, a detector does not answer, or a search cannot be built.
    pub fn filter_lines(&self, mut input: impl BufRead, mut output: impl Write) -> Result<(), RedactError> {
        let (mut line, mut out) = (Vec::new(), Vec::new());
        let mut n = 0;
        // Building a redactor learns the values of the policy, so it is built once and cloned for each record.
        let fresh = self.redactor();
        loop {
            line.clear();
            if input.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            n += 1;
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match serde_json::from_slice::<InputRecord>(&line) {
                Ok(record) => {
                    let mut redactor = fresh.clone();
                    let done = redactor.redact_text(&record.text);
                    redactor.check()?;
                    self.detectors.check()?;
                    let spans = done
                        .spans
                        .iter()
                        .map(|s| OutputSpan {
                            start: s.start,
                            end: s.end,
                            kind: &s.kind,
                            rule: &s.rule,
                            confidence: f64::from(s.confidence) / 100.0,
                        })
                        .collect();
                    let record = OutputRecord { id: &record.id, text: &done.text, spans };
                    write_json_line(&mut output, &mut out, &record)?;
                }
                Err(_) => {
                    let error =
                        "not a JSON object with a string \"text\"; nothing of this line was passed on";
                    write_json_line(&mut output, &mut out, &LineError { id: None, line: n, error })?;
                }
            }
            output.flush()?;
        }
        Ok(())
    }

    /// Reads a text and writes it redacted. Invalid UTF-8 becomes the replacement character.
    ///
    /// # Errors
    /// If reading or writing fails, a detector does not answer, or a search cannot be built.
    pub fn filter_text(&self, mut input: impl BufRead, mut output: impl Write) -> Result<(), RedactError> {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut redactor = self.redactor();
        let done = redactor.redact_text(&text);
        redactor.check()?;
        self.detectors.check()?;
        output.write_all(done.text.as_bytes())?;
        output.flush()?;
        Ok(())
    }
}

/// Writes a line in one piece, because standard output searches each piece for a line end.
fn write_json_line(
    output: &mut impl Write,
    buffer: &mut Vec<u8>,
    value: &impl Serialize,
) -> Result<(), RedactError> {
    buffer.clear();
    serde_json::to_writer(&mut *buffer, value).map_err(std::io::Error::from)?;
    buffer.push(b'\n');
    output.write_all(buffer)?;
    Ok(())
}
