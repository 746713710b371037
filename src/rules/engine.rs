//! The scanning engine: keywords first, patterns only where a keyword stands.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

use super::model::{CatalogueEntry, Class, Classes, Finding, RuleSpec, RulesError};
use super::validate::Validator;
use super::{assignment, load, matchers, numbers, template, value_shape};

/// How a rule finds its spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matcher {
    Regex,
    Assign(assignment::Mode),
    Hand(matchers::Hand),
    Numeric(numbers::Shape),
}

/// A rule with its lazily compiled patterns.
struct Rule {
    spec: RuleSpec,
    id: Arc<str>,
    kind: Arc<str>,
    matcher: Matcher,
    validators: Vec<Validator>,
    word: bool,
    regex: OnceLock<Option<Regex>>,
    short: OnceLock<Option<Regex>>,
    allow: OnceLock<Vec<Regex>>,
}

/// A keyword and the rules that want it.
struct Keyword {
    text: String,
    rules: Vec<u16>,
}

/// The keyword automaton for one set of classes.
struct Prefilter {
    automaton: Option<AhoCorasick>,
    keywords: Vec<Keyword>,
    shapes: numbers::Wanted,
}

/// After so many bytes the faster automaton pays, which takes longer to make.
const WARM: usize = 1 << 17;

/// The one engine; cheap to share between threads.
pub struct Engine {
    rules: Vec<Rule>,
    by_shape: Vec<(numbers::Shape, u16)>,
    /// By classes; the second half for short texts.
    prefilters: [OnceLock<Prefilter>; 16],
    /// Bytes that were scanned, up to [`WARM`].
    scanned: AtomicUsize,
    version: String,
}

/// A text made from a rule's own example, with what must be found in it.
#[derive(Debug, Clone)]
pub struct Example {
    /// Id of the rule.
    pub rule: Arc<str>,
    /// Class of the rule.
    pub class: Class,
    /// The text.
    pub text: String,
    /// First byte and one past the last byte of what must be found.
    pub span: (usize, usize),
}

/// A span before overlaps are united.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    start: usize,
    end: usize,
    rule: u16,
}

impl Engine {
    /// The engine over the compiled-in rules, made once per process.
    ///
    /// # Errors
    /// If a data file is broken, which the tests rule out.
    pub fn builtin() -> Result<&'static Engine, RulesError> {
        static ENGINE: OnceLock<Result<Engine, RulesError>> = OnceLock::new();
        ENGINE
            .get_or_init(|| Engine::new(load::builtin()?, super::RULES_VERSION.clone()))
            .as_ref()
            .map_err(Clone::clone)
    }

    pub(crate) fn new(specs: Vec<RuleSpec>, version: String) -> Result<Engine, RulesError> {
        let mut rules = Vec::with_capacity(specs.len());
        let mut by_shape = Vec::new();
        for spec in specs {
            let bad = |reason: &str| RulesError::Rule { rule: spec.id.clone(), reason: reason.to_owned() };
            let matcher = if spec.matcher == "regex" {
                Matcher::Regex
            } else if let Some(mode) = assignment::Mode::named(&spec.matcher) {
                Matcher::Assign(mode)
            } else if let Some(hand) = matchers::Hand::named(&spec.matcher) {
                Matcher::Hand(hand)
            } else if let Some(shape) = numbers::Shape::named(&spec.matcher) {
                by_shape.push((shape, u16::try_from(rules.len()).map_err(|_| bad("too many rules"))?));
                Matcher::Numeric(shape)
            } else {
                return Err(bad("no such matcher"));
            };
            if spec.keywords.is_empty() && !matches!(matcher, Matcher::Numeric(_)) {
                return Err(bad("needs keywords"));
            }
            if matcher == Matcher::Regex && spec.pattern.is_empty() {
                return Err(bad("needs a pattern"));
            }
            let validators = spec
                .validators
                .iter()
                .map(|v| Validator::named(v).ok_or_else(|| bad("no such validator")))
                .collect::<Result<Vec<_>, _>>()?;
            rules.push(Rule {
                id: Arc::from(spec.id.as_str()),
                kind: Arc::from(spec.kind.as_str()),
                matcher,
                validators,
                word: spec.word.unwrap_or(spec.anchored),
                regex: OnceLock::new(),
                short: OnceLock::new(),
                allow: OnceLock::new(),
                spec,
            });
        }
        Ok(Engine { rules, by_shape, prefilters: Default::default(), scanned: AtomicUsize::new(0), version })
    }

    /// SHA-256 of the rule data, in lower-case hex: changes when any rule does.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What there is to find.
    pub fn catalogue(&self) -> Vec<CatalogueEntry> {
        self.rules
            .iter()
            .map(|r| CatalogueEntry {
                id: r.spec.id.clone(),
                kind: r.spec.kind.clone(),
                class: r.spec.class,
                severity: r.spec.severity,
                confidence: r.spec.confidence,
            })
            .collect()
    }

    /// The examples of the rules, filled with values that the seed decides.
    pub fn examples(&self, seed: &str) -> Vec<Example> {
        let mut out = Vec::new();
        for rule in &self.rules {
            for (n, example) in rule.spec.examples.iter().enumerate() {
                let filled = template::fill(example, &format!("{seed}/{}/{n}", rule.spec.id));
                out.extend(filled.span.map(|span| Example {
                    rule: Arc::clone(&rule.id),
                    class: rule.spec.class,
                    text: filled.text,
                    span,
                }));
            }
        }
        out
    }

    /// Number of rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Everything of the classes in the text: sorted, without overlaps (overlapping findings become one, named by
    /// the surest rule).
    pub fn scan(&self, text: &str, classes: Classes) -> Vec<Finding> {
        self.scan_with(text, classes, false)
    }

    /// The same findings by a keyword automaton that is made ready in a quarter of the time: for a process that looks
    /// at a few short texts, such as snippets and titles, and not at a history.
    pub fn scan_short(&self, text: &str, classes: Classes) -> Vec<Finding> {
        self.scan_with(text, classes, true)
    }

    /// Everything of the classes in the text, each sensitive finding for itself where several overlap: a token inside
    /// what reads as a password is a value of its own. Sorted by where they begin; entities as [`Engine::scan`] has them.
    pub fn scan_apart(&self, text: &str, classes: Classes) -> Vec<Finding> {
        let all: Vec<Finding> = self
            .scan_bytes(text.as_bytes(), classes, false)
            .into_iter()
            .filter_map(|c| self.finding(text, c))
            .collect();
        let mut out: Vec<Finding> = Vec::with_capacity(all.len());
        if all.iter().any(|f| f.class == Class::Entity) {
            out.extend(
                all.iter().cloned().collect::<Unite>().0.into_iter().filter(|f| f.class == Class::Entity),
            );
        }
        let entities = out.len();
        for f in all.into_iter().filter(|f| f.class != Class::Entity) {
            // several rules for one span: the surest
            let here = out[entities..].iter_mut().rev().take_while(|o| o.start == f.start);
            match here.into_iter().find(|o| o.end == f.end) {
                Some(old) if f.confidence > old.confidence => *old = f,
                Some(_) => {}
                None => out.push(f),
            }
        }
        out.sort_by_key(|f| f.start);
        out
    }

    fn scan_with(&self, text: &str, classes: Classes, short: bool) -> Vec<Finding> {
        self.scan_bytes(text.as_bytes(), classes, short)
            .into_iter()
            .filter_map(|c| self.finding(text, c))
            .collect::<Unite>()
            .0
    }

    /// Whether anything of the classes is in the text.
    pub fn hit(&self, text: &str, classes: Classes) -> bool {
        !self.scan(text, classes).is_empty()
    }

    fn finding(&self, text: &str, c: Candidate) -> Option<Finding> {
        let rule = &self.rules[usize::from(c.rule)];
        let start = floor(text, c.start);
        let mut end = c.end.min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        (start < end).then(|| Finding {
            start,
            end,
            rule: Arc::clone(&rule.id),
            kind: Arc::clone(&rule.kind),
            class: rule.spec.class,
            confidence: rule.spec.confidence,
        })
    }

    fn prefilter(&self, classes: Classes, short: bool) -> &Prefilter {
        self.prefilters[classes.index() + if short { 8 } else { 0 }].get_or_init(|| {
            let mut keywords: Vec<Keyword> = Vec::new();
            let mut at = std::collections::HashMap::new();
            let mut shapes = numbers::Wanted::default();
            for (n, rule) in self.rules.iter().enumerate() {
                if !classes.has(rule.spec.class) {
                    continue;
                }
                if let Matcher::Numeric(shape) = rule.matcher {
                    shapes.add(shape);
                    continue;
                }
                let n = u16::try_from(n).unwrap_or(u16::MAX);
                for k in &rule.spec.keywords {
                    // exact keywords that differ only by case share an automaton entry; the check comes later
                    let i = *at.entry(k.clone()).or_insert_with(|| {
                        keywords.push(Keyword { text: k.clone(), rules: Vec::new() });
                        keywords.len() - 1
                    });
                    if !keywords[i].rules.contains(&n) {
                        keywords[i].rules.push(n);
                    }
                }
            }
            let automaton = AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::Standard)
                .kind(Some(if short { AhoCorasickKind::ContiguousNFA } else { AhoCorasickKind::DFA }))
                .build(keywords.iter().map(|k| k.text.as_bytes()))
                .ok();
            Prefilter { automaton, keywords, shapes }
        })
    }

    /// Whether little was scanned so far: the findings are the same either way.
    fn is_cold(&self, bytes: usize) -> bool {
        let before = self.scanned.load(Ordering::Relaxed);
        if before >= WARM {
            return false;
        }
        // A lost addition only has it warm up later.
        self.scanned.store(before.saturating_add(bytes), Ordering::Relaxed);
        before.saturating_add(bytes) < WARM
    }

    /// Has the next scans use the automaton of a process that scans much.
    #[cfg(test)]
    pub(crate) fn warm(&self) {
        self.scanned.store(WARM, Ordering::Relaxed);
    }

    fn scan_bytes(&self, text: &[u8], classes: Classes, short: bool) -> Vec<Candidate> {
        let pre = self.prefilter(classes, short || self.is_cold(text.len()));
        let mut out = Vec::new();
        // windows of rules that are not anchored, merged as the hits come in order of their ends
        let mut open: Vec<(u16, usize, usize)> = Vec::new();
        if let Some(automaton) = &pre.automaton {
            for hit in automaton.find_overlapping_iter(text) {
                let word = &pre.keywords[hit.pattern().as_usize()];
                for &n in &word.rules {
                    self.at_hit(text, hit.start(), hit.end(), word, n, &mut open, &mut out);
                }
            }
        }
        for (n, from, to) in open {
            self.in_window(text, n, from, to, &mut out);
        }
        if pre.shapes.any() {
            numbers::scan(text, pre.shapes, &mut |shape, start, end| {
                if let Some((_, n)) = self.by_shape.iter().find(|(s, _)| *s == shape) {
                    self.accept(text, *n, start, end, &mut out);
                }
            });
        }
        out.sort_unstable_by(|a, b| (a.start, b.end, a.rule).cmp(&(b.start, a.end, b.rule)));
        out
    }

    fn at_hit(
        &self,
        text: &[u8],
        start: usize,
        end: usize,
        word: &Keyword,
        n: u16,
        open: &mut Vec<(u16, usize, usize)>,
        out: &mut Vec<Candidate>,
    ) {
        let rule = &self.rules[usize::from(n)];
        if rule.spec.exact && &text[start..end] != word.text.as_bytes() {
            return;
        }
        if rule.word && start > 0 {
            let before = text[start - 1];
            if (before.is_ascii_alphanumeric() || before == b'_') && !colour_before(text, start) {
                return;
            }
        }
        match rule.matcher {
            Matcher::Assign(mode) => {
                if let Some((s, e)) = assignment::at(text, start, end, mode) {
                    self.accept(text, n, s, e, out);
                }
            }
            Matcher::Hand(hand) => matchers::at(hand, text, start, end, &mut |s, e| {
                self.accept(text, n, s, e, out);
            }),
            Matcher::Numeric(_) => {}
            Matcher::Regex if rule.spec.anchored => {
                let to = end.saturating_add(rule.spec.fwd).min(text.len());
                if !self.anchored(text, n, start, to, out) && !rule.spec.short.is_empty() {
                    self.cut_short(text, n, start, to, out);
                }
            }
            Matcher::Regex => {
                let from = start.saturating_sub(rule.spec.back);
                let to = end.saturating_add(rule.spec.fwd).min(text.len());
                match open.iter_mut().find(|(r, ..)| *r == n) {
                    Some((_, _, old_to)) if from <= *old_to => *old_to = to.max(*old_to),
                    Some(window) => {
                        let (_, f, t) = *window;
                        *window = (n, from, to);
                        self.in_window(text, n, f, t, out);
                    }
                    None => open.push((n, from, to)),
                }
            }
        }
    }

    fn anchored(&self, text: &[u8], n: u16, from: usize, to: usize, out: &mut Vec<Candidate>) -> bool {
        let Some(regex) = self.regex(n) else { return false };
        let input = Input::new(text).span(from..to).anchored(Anchored::Yes);
        self.take(text, n, regex, &input, out).is_some_and(|(_, ok)| ok)
    }

    /// A body that ends too early counts only if the text says that it was cut.
    fn cut_short(&self, text: &[u8], n: u16, from: usize, to: usize, out: &mut Vec<Candidate>) {
        let rule = &self.rules[usize::from(n)];
        let regex = rule.short.get_or_init(|| compile(&rule.spec.short, false));
        let Some(regex) = regex else { return };
        let input = Input::new(text).span(from..to).anchored(Anchored::Yes);
        if let Some(m) = regex.find(input) {
            let rest = &text[m.end()..];
            if shape_cut(rest) {
                self.accept(text, n, m.start(), m.end(), out);
            }
        }
    }

    fn in_window(&self, text: &[u8], n: u16, from: usize, to: usize, out: &mut Vec<Candidate>) {
        let Some(regex) = self.regex(n) else { return };
        let mut at = from;
        while at < to {
            let input = Input::new(text).span(at..to);
            match self.take(text, n, regex, &input, out) {
                Some((end, _)) => at = end.max(at + 1),
                None => break,
            }
        }
    }

    /// One match: where it ended, and whether its value was accepted.
    fn take(
        &self,
        text: &[u8],
        n: u16,
        regex: &Regex,
        input: &Input<'_>,
        out: &mut Vec<Candidate>,
    ) -> Option<(usize, bool)> {
        if regex.captures_len() == 1 {
            let m = regex.find(input.clone())?;
            return Some((m.end(), self.accept(text, n, m.start(), m.end(), out)));
        }
        let mut caps = regex.create_captures();
        regex.captures(input.clone(), &mut caps);
        let whole = caps.get_match()?;
        let part = caps.get_group_by_name("s").unwrap_or_else(|| whole.span());
        let good = self.accept(text, n, part.start, part.end, out);
        // what is judged may be less than what goes: a login goes with its password
        if good
            && let Some(wide) = caps.get_group_by_name("w")
            && let Some(last) = out.last_mut()
        {
            (last.start, last.end) = (wide.start, wide.end);
        }
        Some((whole.end(), good))
    }

    fn regex(&self, n: u16) -> Option<&Regex> {
        let rule = &self.rules[usize::from(n)];
        rule.regex.get_or_init(|| compile(&rule.spec.pattern, rule.spec.unicode)).as_ref()
    }

    /// The value filters of the rule; true if the span is a candidate now.
    fn accept(&self, text: &[u8], n: u16, start: usize, end: usize, out: &mut Vec<Candidate>) -> bool {
        let rule = &self.rules[usize::from(n)];
        if start >= end {
            return false;
        }
        let value = &text[start..end];
        if rule.spec.min_entropy > 0.0 && value_shape::entropy(value) < rule.spec.min_entropy {
            return false;
        }
        if !rule.validators.iter().all(|v| v.holds(text, start, end)) {
            return false;
        }
        if !rule.spec.allow.is_empty() {
            let allow =
                rule.allow.get_or_init(|| rule.spec.allow.iter().filter_map(|a| compile(a, false)).collect());
            if allow.iter().any(|a| a.is_match(value)) {
                return false;
            }
        }
        out.push(Candidate { start, end, rule: n });
        true
    }

    /// Compiles every pattern: what the rule tests call, so that a bad pattern cannot hide behind laziness.
    #[cfg(test)]
    pub(crate) fn check_patterns(&self) -> Vec<String> {
        let mut bad = Vec::new();
        for rule in &self.rules {
            let patterns = [&rule.spec.pattern, &rule.spec.short];
            for p in patterns.into_iter().chain(&rule.spec.allow).filter(|p| !p.is_empty()) {
                if compile(p, rule.spec.unicode).is_none() {
                    bad.push(format!("{}: {p}", rule.spec.id));
                }
            }
        }
        bad
    }

    /// What one rule finds, before overlaps are united.
    #[cfg(test)]
    pub(crate) fn spans_of(&self, id: &str, text: &str) -> Vec<(usize, usize)> {
        let mut spans: Vec<_> = self
            .scan_bytes(text.as_bytes(), Classes::ALL, false)
            .into_iter()
            .filter(|c| self.rules[usize::from(c.rule)].spec.id == id)
            .map(|c| (c.start, c.end))
            .collect();
        spans.dedup();
        spans
    }

    #[cfg(test)]
    pub(crate) fn specs(&self) -> impl Iterator<Item = &RuleSpec> {
        self.rules.iter().map(|r| &r.spec)
    }
}

/// The last character boundary at or before `i`.
pub(crate) fn floor(text: &str, i: usize) -> usize {
    (0..=i.min(text.len())).rev().find(|k| text.is_char_boundary(*k)).unwrap_or(0)
}

/// What is left of a terminal colour whose beginning was cut off stands before: `[33m`.
fn colour_before(text: &[u8], at: usize) -> bool {
    let head = &text[at.saturating_sub(12)..at];
    head.strip_suffix(b"m")
        .and_then(|h| h.iter().rposition(|c| !(c.is_ascii_digit() || *c == b';')).map(|p| &h[p..]))
        .is_some_and(|h| h.starts_with(b"["))
}

/// Text says that the value before it was cut: an ellipsis, a truncation note, or nothing more at all.
fn shape_cut(rest: &[u8]) -> bool {
    let rest = rest.strip_prefix(b"\"").unwrap_or(rest);
    rest.is_empty()
        || rest.starts_with(b"...")
        || rest.starts_with("…".as_bytes())
        || rest.starts_with(b"***")
        || rest.starts_with(b" [trunc")
        || rest.starts_with(b"[trunc")
        || rest.starts_with(b"<trunc")
        || rest.starts_with(b" (trunc")
        || rest.starts_with(b"\n...")
        || rest.starts_with("\n…".as_bytes())
        || rest.starts_with(b" ...")
        || rest.starts_with(" …".as_bytes())
}

fn compile(pattern: &str, unicode: bool) -> Option<Regex> {
    Regex::builder()
        .configure(Regex::config().utf8_empty(false).nfa_size_limit(Some(20 << 20)))
        .syntax(syntax::Config::new().unicode(unicode).utf8(false))
        .build(pattern)
        .ok()
}

/// Collects sorted findings into findings without overlaps.
#[derive(Default)]
struct Unite(Vec<Finding>);

impl FromIterator<Finding> for Unite {
    fn from_iter<T: IntoIterator<Item = Finding>>(iter: T) -> Self {
        let mut out: Vec<Finding> = Vec::new();
        for f in iter {
            match out.last_mut() {
                // an entity is only inventory: it never widens or swallows what must be removed
                Some(last)
                    if f.start < last.end && (last.class == Class::Entity) == (f.class == Class::Entity) =>
                {
                    last.end = last.end.max(f.end);
                    if f.confidence > last.confidence {
                        last.rule = f.rule;
                        last.kind = f.kind;
                        last.class = f.class;
                        last.confidence = f.confidence;
                    }
                }
                Some(last) if f.start < last.end && f.class == Class::Entity => {}
                Some(last) if f.start < last.end => *last = f,
                _ => out.push(f),
            }
        }
        Unite(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_scanned_with_the_same_findings() {
        let engine = Engine::builtin().unwrap();
        engine.warm();
        let examples = || engine.rules.iter().flat_map(|r| &r.spec.examples);
        let all = examples().cloned().collect::<Vec<_>>().join("\n");
        for text in examples().chain([&all]) {
            for classes in [Classes::SECRET, Classes::SENSITIVE, Classes::ALL] {
                assert_eq!(engine.scan(text, classes), engine.scan_short(text, classes), "{text}");
            }
        }
    }
}
