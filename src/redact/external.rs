//! Detectors outside this program. They can add spans, but never take one away.

use std::cell::RefCell;
use std::collections::HashMap;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::RedactError;

/// A span that a detector reports, in bytes of the UTF-8 text; `end` is one past the last byte.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ExternalSpan {
    pub start: usize,
    pub end: usize,
    /// The kind, for instance `PERSON`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// From 0 to 1; 0.7 if the detector does not say.
    #[serde(default)]
    pub confidence: Option<f64>,
}

/// A program that finds sensitive spans in a text.
pub trait Detector {
    /// Returns the name for reports.
    fn name(&self) -> &str;

    /// Returns the sensitive spans of the text.
    ///
    /// # Errors
    /// The reason why there is no answer. The caller must not continue as if nothing had been found.
    fn spans(&mut self, text: &str) -> Result<Vec<ExternalSpan>, String>;
}

/// A span and the index of the detector that reported it.
type DetectorSpan = (ExternalSpan, usize);

/// The detectors of one run and their answers. The same text is sent to them only once.
#[derive(Default)]
pub struct Detectors {
    all: RefCell<Vec<Box<dyn Detector>>>,
    answers: RefCell<HashMap<[u8; 32], Vec<DetectorSpan>>>,
    names: Vec<String>,
    failed: RefCell<Option<String>>,
}

/// Texts whose answers are cached.
const MAX_CACHED_ANSWERS: usize = 20_000;
/// Minimum length of a text that is sent to a detector, in bytes.
const MIN_TEXT_BYTES: usize = 4;

impl Detectors {
    /// Makes a set of detectors, which are asked in order.
    pub fn new(all: Vec<Box<dyn Detector>>) -> Self {
        let names = all.iter().map(|d| d.name().to_owned()).collect();
        Detectors { all: RefCell::new(all), names, ..Detectors::default() }
    }

    /// Whether there are no detectors.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Returns every valid span of the text with the name of its detector.
    ///
    /// After a detector fails, none is asked any more, and [`Detectors::check`] returns the failure.
    pub(crate) fn ask(&self, text: &str) -> Vec<(ExternalSpan, String)> {
        if self.is_empty() || text.len() < MIN_TEXT_BYTES || self.failed.borrow().is_some() {
            return Vec::new();
        }
        let id: [u8; 32] = Sha256::digest(text).into();
        if let Some(known) = self.answers.borrow().get(&id) {
            return known.iter().map(|(s, n)| (s.clone(), self.names[*n].clone())).collect();
        }
        let mut found = Vec::new();
        for (n, detector) in self.all.borrow_mut().iter_mut().enumerate() {
            match detector.spans(text) {
                Ok(spans) => found.extend(
                    spans
                        .into_iter()
                        .filter(|s| s.start < s.end && text.get(s.start..s.end).is_some())
                        .map(|s| (s, n)),
                ),
                Err(reason) => {
                    *self.failed.borrow_mut() = Some(format!("{}: {reason}", detector.name()));
                    return Vec::new();
                }
            }
        }
        let mut answers = self.answers.borrow_mut();
        if answers.len() >= MAX_CACHED_ANSWERS {
            answers.clear();
        }
        answers.insert(id, found.clone());
        found.into_iter().map(|(s, n)| (s, self.names[n].clone())).collect()
    }

    /// Whether every detector answered so far.
    ///
    /// # Errors
    /// [`RedactError::Detector`] with the first failure. Texts that were redacted since then must not be used.
    pub fn check(&self) -> Result<(), RedactError> {
        self.failed.borrow().clone().map_or(Ok(()), |reason| Err(RedactError::Detector(reason)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Policy, Redactor};
    use super::*;
    use crate::rules::Engine;

    struct WordDetector(&'static [&'static str], usize);

    impl Detector for WordDetector {
        fn name(&self) -> &str {
            "words"
        }

        fn spans(&mut self, text: &str) -> Result<Vec<ExternalSpan>, String> {
            self.1 += 1;
            if self.1 > 20 {
                return Err("asked too often".into());
            }
            let found = self.0.iter().filter_map(|w| text.find(w).map(|s| (s, s + w.len())));
            Ok(found
                .map(|(start, end)| ExternalSpan { start, end, kind: "code name".into(), confidence: None })
                .chain([ExternalSpan { start: 0, end: 9999, kind: "X".into(), confidence: None }])
                .collect())
        }
    }

    #[test]
    fn spans_of_a_detector_are_redacted_in_addition_to_those_of_rules() {
        let detectors = Detectors::new(vec![Box::new(WordDetector(&["Nightjar"], 0))]);
        let mut r =
            Redactor::new(Engine::builtin().unwrap(), Policy::default(), [7; 32]).with_detectors(&detectors);
        let done = r.redact_text("ship Nightjar, mail ada.lovelace@analytical.dev");
        assert!(done.text.starts_with("ship [CODE_NAME_"), "{}", done.text);
        assert!(done.text.contains("[EMAIL_"), "{}", done.text);
        assert_eq!(&*done.spans[0].rule, "detector:words");
        // The value that it found is known from now on.
        assert!(!r.redact_text("again nothing but Nightjar").text.contains("Nightjar"));
        detectors.check().unwrap();
    }

    #[test]
    fn a_failure_of_a_detector_is_reported() {
        let detectors = Detectors::new(vec![Box::new(WordDetector(&[], 20))]);
        let mut r =
            Redactor::new(Engine::builtin().unwrap(), Policy::default(), [7; 32]).with_detectors(&detectors);
        r.redact_text("some text");
        assert!(detectors.check().unwrap_err().to_string().contains("asked too often"));
    }
}
