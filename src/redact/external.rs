//! Detectors outside this program: they may add spans, never take one away.

use std::cell::RefCell;
use std::collections::HashMap;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::RedactError;

/// A span that a detector reports, in bytes of the UTF-8 text.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ExternalSpan {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What it is, for instance `PERSON`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// How sure the detector is, 0 to 1; sure enough where it does not say.
    #[serde(default)]
    pub confidence: Option<f64>,
}

/// Something that finds sensitive spans in a text.
pub trait Detector {
    /// Its name, as reports show it.
    fn name(&self) -> &str;

    /// The sensitive spans of the text.
    ///
    /// # Errors
    /// Why there is no answer: whoever asked must not go on as if nothing had been found.
    fn spans(&mut self, text: &str) -> Result<Vec<ExternalSpan>, String>;
}

/// What one detector said of a text: the span, and which of them it was.
type Answer = (ExternalSpan, usize);

/// The detectors of one run, and what they answered: the same text is asked about once.
#[derive(Default)]
pub struct Detectors {
    all: RefCell<Vec<Box<dyn Detector>>>,
    answers: RefCell<HashMap<[u8; 32], Vec<Answer>>>,
    names: Vec<String>,
    failed: RefCell<Option<String>>,
}

/// Texts whose answers are remembered.
const REMEMBERED: usize = 20_000;
/// Shortest text worth asking about, in bytes.
const SHORTEST: usize = 4;

impl Detectors {
    /// Asks these, in order.
    pub fn new(all: Vec<Box<dyn Detector>>) -> Self {
        let names = all.iter().map(|d| d.name().to_owned()).collect();
        Detectors { all: RefCell::new(all), names, ..Detectors::default() }
    }

    /// Whether there is nobody to ask.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Every good span of the text with the name of its detector. A detector that fails is remembered: see
    /// [`Detectors::check`].
    pub(crate) fn ask(&self, text: &str) -> Vec<(ExternalSpan, String)> {
        if self.is_empty() || text.len() < SHORTEST || self.failed.borrow().is_some() {
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
        if answers.len() >= REMEMBERED {
            answers.clear();
        }
        answers.insert(id, found.clone());
        found.into_iter().map(|(s, n)| (s, self.names[n].clone())).collect()
    }

    /// Whether every question was answered.
    ///
    /// # Errors
    /// [`RedactError::Detector`] with the first failure: what was redacted meanwhile must not be used.
    pub fn check(&self) -> Result<(), RedactError> {
        self.failed.borrow().clone().map_or(Ok(()), |reason| Err(RedactError::Detector(reason)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Policy, Redactor};
    use super::*;
    use crate::rules::Engine;

    struct Words(&'static [&'static str], usize);

    impl Detector for Words {
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
    fn a_detector_adds_and_takes_nothing_away() {
        let detectors = Detectors::new(vec![Box::new(Words(&["Nightjar"], 0))]);
        let mut r = Redactor::new(Engine::builtin().unwrap(), Policy::default(), [7; 32]).asking(&detectors);
        let done = r.redact_text("ship Nightjar, mail ada.lovelace@analytical.dev");
        assert!(done.text.starts_with("ship [CODE_NAME_"), "{}", done.text);
        assert!(done.text.contains("[EMAIL_"), "{}", done.text);
        assert_eq!(&*done.spans[0].rule, "detector:words");
        // what it found is known from then on
        assert!(!r.redact_text("again nothing but Nightjar").text.contains("Nightjar"));
        detectors.check().unwrap();
    }

    #[test]
    fn a_detector_that_fails_is_not_passed_over() {
        let detectors = Detectors::new(vec![Box::new(Words(&[], 20))]);
        let mut r = Redactor::new(Engine::builtin().unwrap(), Policy::default(), [7; 32]).asking(&detectors);
        r.redact_text("some text");
        assert!(detectors.check().unwrap_err().to_string().contains("asked too often"));
    }
}
