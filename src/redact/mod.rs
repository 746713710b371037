//! Floor 2: from findings to redacted text.
//!
//! [`Redactor`] reads a text in every decoded form, unites what the rules, the harvested identities and the values
//! known from elsewhere say, and writes typed stand-ins that are consistent inside a release. JSON stays JSON, lines
//! stay lines, and redacting twice changes nothing. Imports `rules` and `trace`.

mod collect_identities;
mod decode;
mod decoded_view;
mod detect;
mod external;
mod fixpoint;
mod jsonl_filter;
mod known_values;
mod paths;
mod placeholder;
mod policy;
mod render;
mod selftest;
mod session;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::rules::{Class, Classes, Engine};

pub use external::{Detector, Detectors, ExternalSpan};
pub use jsonl_filter::{filter, filter_text};
pub use policy::{Options, PlaceholderStyle, Policy, Timestamps};
pub use selftest::{SelfTest, Tally, selftest};
pub use session::{Entity, FindingNote, RedactedSession, SealedHit, SealedScanner};

use decoded_view::DecodedView;
use detect::Found;
use known_values::{KnownValue, KnownValues};

/// What went wrong while redacting.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    /// The rules could not be made ready.
    #[error(transparent)]
    Rules(#[from] crate::rules::RulesError),
    /// The input could not be read or the output not written.
    #[error("redact: {0}")]
    Io(#[from] std::io::Error),
    /// A detector outside this program gave no answer.
    #[error("detector {0}")]
    Detector(String),
}

/// One removed stretch, in byte offsets of the raw text.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Placeholder type.
    pub kind: Arc<str>,
    /// The rule that found it; `known-value`, `custom`, `username` and `home-path` are ours.
    pub rule: Arc<str>,
    /// How sure, in percent.
    pub confidence: u8,
    /// What stands there now; empty for the further pieces of a split value.
    pub placeholder: String,
}

/// A redacted text with what was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// The text as it may be shown.
    pub text: String,
    /// What was removed, in order.
    pub spans: Vec<Span>,
}

/// Redacts texts and sessions of one release; knows every value it has met. A clone knows what the original knew and
/// goes its own way.
#[derive(Clone)]
pub struct Redactor<'e> {
    engine: &'e Engine,
    policy: Policy,
    key: [u8; 32],
    values: KnownValues,
    entities: BTreeMap<(String, String), u64>,
    collected: std::collections::HashSet<String>,
    detectors: Option<&'e Detectors>,
    /// Realistic stand-ins that two known values would share.
    shared: std::collections::HashSet<String>,
}

/// Last components of home directories that name nobody.
fn is_common_home(name: &str) -> bool {
    const COMMON: [&str; 12] =
        ["home", "root", "user", "users", "tmp", "temp", "work", "app", "data", "ubuntu", "admin", "runner"];
    name.len() < 3 || COMMON.iter().any(|c| name.eq_ignore_ascii_case(c))
}

impl<'e> Redactor<'e> {
    /// A redactor for one release; `key` makes its stand-ins and value ids.
    pub fn new(engine: &'e Engine, policy: Policy, key: [u8; 32]) -> Self {
        let mut r = Redactor {
            engine,
            policy,
            key,
            values: KnownValues::default(),
            entities: BTreeMap::new(),
            collected: Default::default(),
            detectors: None,
            shared: Default::default(),
        };
        let custom = r.policy.custom.clone();
        for c in custom.iter().map(|c| c.trim()).filter(|c| !c.is_empty()) {
            let known = KnownValue {
                kind: "CUSTOM".into(),
                rule: "custom".into(),
                confidence: 100,
                word: false,
                fold: true,
            };
            r.learn(c, known);
        }
        for (kind, value) in r.policy.identities.clone() {
            if kind == "PERSON" {
                r.learn_name(&value);
            }
            let known = KnownValue { kind, rule: "identity".into(), confidence: 95, word: true, fold: true };
            r.learn(&value, known);
        }
        let names = r.policy.usernames.clone();
        let homes = r.policy.homes.clone();
        for u in names.iter().map(String::as_str).chain(
            homes
                .iter()
                .filter_map(|h| h.rsplit(['/', '\\']).find(|c| !c.is_empty()))
                .filter(|name| !is_common_home(name)),
        ) {
            let u = u.trim();
            if !u.is_empty() {
                let known = KnownValue {
                    kind: "USER".into(),
                    rule: "username".into(),
                    confidence: 100,
                    word: true,
                    fold: true,
                };
                r.learn(u, known);
            }
        }
        r.build();
        r
    }

    /// Makes what is known ready to be looked for.
    fn build(&mut self) {
        let style = self.policy.options.pseudonyms;
        if !self.values.build() || style == PlaceholderStyle::Typed {
            return;
        }
        let mut owners: BTreeMap<String, String> = BTreeMap::new();
        for (value, known) in self.values.iter().filter(|(_, k)| placeholder::is_scarce(&k.kind)) {
            let normal = placeholder::normalise(&known.kind, value);
            let with = placeholder::placeholder(&self.key, &known.kind, value, style);
            match owners.get(&with) {
                Some(owner) if *owner != normal => {
                    self.shared.insert(with);
                }
                Some(_) => {}
                None => {
                    owners.insert(with, normal);
                }
            }
        }
    }

    /// The same, asking these detectors too. [`Detectors::check`] must hold before what comes out is used.
    #[must_use]
    pub fn asking(mut self, detectors: &'e Detectors) -> Self {
        self.detectors = Some(detectors);
        self
    }

    /// What the detectors outside say of a text.
    fn external(&self, base: &Rc<DecodedView>) -> Vec<Found> {
        let answers = self.detectors.map(|d| d.ask(&base.text)).unwrap_or_default();
        answers
            .into_iter()
            .map(|(span, name)| Found {
                pieces: base.to_raw(span.start, span.end),
                value: base.text[span.start..span.end].to_owned(),
                kind: clean_kind(&span.kind).into(),
                rule: format!("detector:{name}").into(),
                class: Class::Pii,
                confidence: (span.confidence.unwrap_or(0.7).clamp(0.0, 1.0) * 100.0) as u8,
            })
            .collect()
    }

    /// The keyed id of a value: what [`Policy::keep`] and [`Entity::id`] hold instead of the value.
    pub fn value_id(&self, kind: &str, value: &str) -> String {
        let normal = placeholder::normalise(kind, value);
        data_encoding::HEXLOWER.encode(&placeholder::keyed(&self.key, &["value", &normal])[..16])
    }

    /// How many values are known by now.
    pub fn known_values(&self) -> usize {
        self.values.iter().count()
    }

    /// The policy this redactor works under.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    fn kept(&self, kind: &str, value: &str) -> bool {
        !self.policy.keep.is_empty() && self.policy.keep.contains(&self.value_id(kind, value))
    }

    /// Whether a value holds a stand-in, or is the inside of one.
    fn standin(&self, value: &str) -> bool {
        placeholder::like(value, self.policy.options.pseudonyms)
    }

    fn learn(&mut self, value: &str, known: KnownValue) {
        if !value.is_empty() && !self.kept(&known.kind, value) && !self.standin(value) {
            // folder names made from paths write an account's dot as a hyphen: `-home-ada-lovelace-src`
            if known.kind == placeholder::USER && value.contains('.') {
                self.values.add(&value.replace('.', "-"), known.clone());
            }
            self.values.add(value, known);
        }
    }

    /// Adds values that a person or agent reported: they are removed wherever they stand from now on.
    pub fn add_values(&mut self, values: &[(String, String)]) {
        for (kind, value) in values {
            let v = value.trim();
            if v.len() < 2 {
                continue;
            }
            // short words must stand alone; long values may be inside others
            let known = KnownValue {
                kind: clean_kind(kind),
                rule: "reported".into(),
                confidence: 99,
                word: v.len() < 12 || v.contains(' '),
                fold: true,
            };
            self.learn(v, known);
        }
    }

    /// Everything sensitive in one text, with what can be learned from it learned.
    fn found(&mut self, base: &Rc<DecodedView>, learn: bool) -> Vec<Found> {
        self.build();
        let mut found = detect::detect(self.engine, &self.values, base, Classes::ALL);
        if learn {
            found.extend(self.external(base));
        }
        found.retain(|f| !self.kept(&f.kind, &f.value));
        self.spare(base, &mut found);
        let mut fresh = false;
        for f in &found {
            // nothing is learned from a text that holds stand-ins already
            if learn && f.class != Class::Entity {
                fresh |= self.learn_found(f);
            }
        }
        if fresh {
            self.build();
            let again = detect::all_known(&self.values, base);
            found.extend(again.into_iter().map(|f| Found { confidence: f.confidence.min(70), ..f }));
        }
        found
    }

    /// Leaves out what is nothing but stand-ins, however it was read.
    fn spare(&self, base: &Rc<DecodedView>, found: &mut Vec<Found>) {
        if found.is_empty() {
            return;
        }
        let fixed = placeholder::find_styled(&base.text, self.policy.options.pseudonyms);
        if !fixed.is_empty() {
            found.retain(|f| f.pieces.iter().any(|(s, e)| !render::around(&fixed, *s, *e).is_empty()));
        }
    }

    fn learn_found(&mut self, f: &Found) -> bool {
        let value = f.value.trim();
        if self.standin(value) {
            return false;
        }
        if f.rule.starts_with("detector:") {
            // a model is not sure enough to have ordinary words removed everywhere
            let known = KnownValue {
                kind: f.kind.to_string(),
                rule: f.rule.to_string(),
                confidence: f.confidence.min(90),
                word: true,
                fold: false,
            };
            let names = value.chars().count() >= 4 && value.chars().next().is_some_and(|c| !c.is_lowercase());
            if names && value.len() <= 200 {
                self.learn(value, known);
            }
            return names;
        }
        if value.len() > 4096 || value.contains('\n') || value.contains('\u{1b}') {
            return false;
        }
        let Some(word) = known_values::propagates(&f.kind, value, f.class == Class::Secret) else {
            return false;
        };
        if f.confidence < 60 {
            return false;
        }
        // A field may hold any word; only a name that no text uses as a word is looked for elsewhere.
        let field = ["user-field", "account-command", "account-log", "mention", "service-account-line"];
        if field.contains(&&*f.rule) && value.bytes().all(|b| b.is_ascii_alphabetic()) {
            return false;
        }
        let fold = matches!(&*f.kind, "EMAIL" | "USER");
        // what only a sentence or a place in a table says to be a name does not spread by its parts
        if &*f.kind == "PERSON" && !["name-told", "name-on-line", "name-column"].contains(&&*f.rule) {
            self.learn_name(value);
        }
        // the name before the @ is an account's, if it is not a word that stands for an office
        if &*f.kind == "EMAIL"
            && let Some((local, _)) = value.split_once('@')
            && local.len() >= 5
            && local.bytes().any(|b| b.is_ascii_digit() || b == b'.')
            && local.bytes().any(|b| b.is_ascii_alphabetic())
        {
            let known = KnownValue {
                kind: placeholder::USER.into(),
                rule: "mail-name".into(),
                confidence: 66,
                word: true,
                fold: true,
            };
            self.learn(local.trim_matches('.'), known);
        }
        self.learn(
            value,
            KnownValue {
                kind: f.kind.to_string(),
                rule: f.rule.to_string(),
                confidence: f.confidence,
                word,
                fold,
            },
        );
        true
    }

    /// A full name is also known by its surname and by the account names made from it.
    fn learn_name(&mut self, name: &str) {
        let words: Vec<&str> = name.split_whitespace().collect();
        let (Some(first), Some(last)) = (words.first(), words.last()) else { return };
        let capital = |w: &str| w.chars().next().is_some_and(char::is_uppercase);
        if words.len() < 2
            || last.chars().count() < 5
            || !last.chars().all(char::is_alphabetic)
            || !capital(last)
            || !capital(first)
        {
            return;
        }
        let known = |kind: &str, fold| KnownValue {
            kind: kind.to_owned(),
            rule: "name-part".into(),
            confidence: 62,
            word: true,
            fold,
        };
        self.learn(last, known("PERSON", false));
        let (f, l) = (first.to_lowercase(), last.to_lowercase());
        let initial: String = f.chars().take(1).collect();
        for account in [
            format!("{f}.{l}"),
            format!("{f}{l}"),
            format!("{f}_{l}"),
            format!("{f}-{l}"),
            format!("{initial}{l}"),
        ] {
            self.learn(&account, known("USER", true));
        }
    }

    /// Redacts one text.
    pub fn redact_text(&mut self, text: &str) -> Redacted {
        let style = self.policy.options.pseudonyms;
        let base = DecodedView::raw(text);
        let found = self.found(&base, true);
        let mut seen = std::collections::HashSet::new();
        for f in found.iter().filter(|f| f.class == Class::Entity) {
            // several readings show the same place
            if seen.insert((f.pieces.clone(), Arc::clone(&f.kind))) {
                *self.entities.entry((f.kind.to_string(), f.value.clone())).or_insert(0) += 1;
            }
        }
        let cuts = render::cuts(text, &found, style);
        if cuts.is_empty() {
            return Redacted { text: text.to_owned(), spans: Vec::new() };
        }
        self.redact_to_fixpoint(&base, found, cuts)
    }
}

/// A kind as stand-ins write it: capitals, digits and `_`.
fn clean_kind(kind: &str) -> String {
    let k: String = kind
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .take(32)
        .collect();
    let k = k.trim_matches('_').to_owned();
    if k.is_empty() || !k.starts_with(|c: char| c.is_ascii_uppercase()) { "REPORTED".to_owned() } else { k }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
