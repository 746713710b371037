//! The filter behind `clawgate redact`: JSON Lines or plain text through the redactor, each record on its own.

use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};

use crate::rules::Engine;

use super::{Detectors, Policy, RedactError, Redactor};

#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    id: serde_json::Value,
    text: String,
}

#[derive(Serialize)]
struct Out<'a> {
    id: &'a serde_json::Value,
    text: &'a str,
    spans: Vec<OutSpan<'a>>,
}

#[derive(Serialize)]
struct OutSpan<'a> {
    start: usize,
    end: usize,
    #[serde(rename = "type")]
    kind: &'a str,
    rule: &'a str,
    confidence: f64,
}

#[derive(Serialize)]
struct Problem<'a> {
    id: Option<&'a serde_json::Value>,
    line: u64,
    error: &'a str,
}

/// Reads JSON Lines `{"id","text"}`, writes `{"id","text","spans"}`: streaming, in order, every record with a fresh
/// set of known values; `text` is redacted, offsets are bytes of the input text, `confidence` is 0 to 1.
///
/// A line that is not such a record gets an object with `error` and its line number.
///
/// # Errors
/// If reading or writing fails, or a detector gives no answer.
pub fn filter(
    engine: &Engine,
    policy: &Policy,
    key: [u8; 32],
    detectors: &Detectors,
    mut input: impl BufRead,
    mut output: impl Write,
) -> Result<(), RedactError> {
    let (mut line, mut out) = (Vec::new(), Vec::new());
    let mut n = 0;
    let fresh = Redactor::new(engine, policy.clone(), key).asking(detectors);
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        n += 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match serde_json::from_slice::<Record>(&line) {
            Ok(record) => {
                let done = fresh.clone().redact_text(&record.text);
                detectors.check()?;
                let spans = done
                    .spans
                    .iter()
                    .map(|s| OutSpan {
                        start: s.start,
                        end: s.end,
                        kind: &s.kind,
                        rule: &s.rule,
                        confidence: f64::from(s.confidence) / 100.0,
                    })
                    .collect();
                json_line(&mut output, &mut out, &Out { id: &record.id, text: &done.text, spans })?;
            }
            Err(_) => {
                let error = "not a JSON object with a string \"text\"; nothing of this line was passed on";
                json_line(&mut output, &mut out, &Problem { id: None, line: n, error })?;
            }
        }
        output.flush()?;
    }
    Ok(())
}

/// Writes a line at once: standard output looks through each piece it is given for the end of the line.
fn json_line(output: &mut impl Write, line: &mut Vec<u8>, value: &impl Serialize) -> Result<(), RedactError> {
    line.clear();
    serde_json::to_writer(&mut *line, value).map_err(std::io::Error::from)?;
    line.push(b'\n');
    output.write_all(line)?;
    Ok(())
}

/// Reads text, writes redacted text. Invalid UTF-8 becomes the replacement character.
///
/// # Errors
/// If reading or writing fails, or a detector gives no answer.
pub fn filter_text(
    engine: &Engine,
    policy: &Policy,
    key: [u8; 32],
    detectors: &Detectors,
    mut input: impl BufRead,
    mut output: impl Write,
) -> Result<(), RedactError> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let done = Redactor::new(engine, policy.clone(), key).asking(detectors).redact_text(&text);
    detectors.check()?;
    output.write_all(done.text.as_bytes())?;
    output.flush()?;
    Ok(())
}
