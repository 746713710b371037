//! From cuts to a text in which nothing more is found: redacting it again changes nothing.

use std::rc::Rc;
use std::sync::Arc;

use crate::rules::Class;

use super::detect::Found;
use super::render::{self, Cut};
use super::view::View;
use super::{Redacted, Redactor, Span, placeholder};

/// Rounds in which what shows itself is united with what was found first.
const UNITED: usize = 4;
/// Rounds in all. Each one takes bytes that are no stand-ins, so that it ends by itself; this is for what we overlooked.
const ROUNDS: usize = 32;
/// How much of the neighbours decides whether a stand-in reads as one, in bytes.
const CONTEXT: usize = 40;

/// A stretch of the raw text with what stands there now.
struct Piece {
    span: Span,
    /// With the quotes of a bare scalar.
    with: String,
}

impl Redactor<'_> {
    /// Writes the cuts, and looks again until nothing new is found: what stands there now may read differently.
    pub(super) fn settle(&mut self, base: &Rc<View>, mut found: Vec<Found>, mut cuts: Vec<Cut>) -> Redacted {
        let style = self.policy.options.pseudonyms;
        let text = base.text.as_str();
        let mut pieces = self.write(text, &cuts);
        let mut united = true;
        for round in 0..ROUNDS {
            let view = replaced(base, &pieces);
            let again = self.found(&View::raw(&view.text), false);
            let again = render::cuts(&view.text, &again, style);
            if again.is_empty() {
                break;
            }
            united &= round < UNITED;
            if united {
                found.extend(again.iter().map(|c| Found {
                    pieces: view.to_raw(c.start, c.end),
                    value: c.value.clone(),
                    kind: Arc::clone(&c.kind),
                    rule: Arc::clone(&c.rule),
                    class: Class::Secret,
                    confidence: c.confidence,
                }));
                let next = render::cuts(text, &found, style);
                united = next != cuts;
                if united {
                    cuts = next;
                    pieces = self.write(text, &cuts);
                    continue;
                }
            }
            // what the raw text cannot say: stretches that only what was written makes sensitive
            for new in self.write(&view.text, &again).into_iter().rev() {
                over(&mut pieces, new);
            }
        }
        let text = replaced(base, &pieces).text.clone();
        Redacted { text, spans: pieces.into_iter().map(|p| p.span).collect() }
    }

    /// What the cuts of a text become. Only the first piece of a value gets a stand-in.
    fn write(&self, text: &str, cuts: &[Cut]) -> Vec<Piece> {
        let mut out: Vec<Piece> = Vec::with_capacity(cuts.len());
        // the end of what is written by now
        let mut before = String::new();
        let mut at = 0;
        for (n, c) in cuts.iter().enumerate() {
            push_tail(&mut before, &text[at..c.start]);
            at = c.end;
            let with = if !c.first {
                String::new()
            } else if c.bare {
                format!("\"{}\"", self.stand_in(c, "\"", "\""))
            } else {
                self.stand_in(c, &before, &following(text, c.end, &cuts[n + 1..]))
            };
            push_tail(&mut before, &with);
            let placeholder = with.trim_matches('"').to_owned();
            out.push(Piece {
                span: Span {
                    start: c.start,
                    end: c.end,
                    kind: Arc::clone(&c.kind),
                    rule: Arc::clone(&c.rule),
                    confidence: c.confidence,
                    placeholder,
                },
                with,
            });
        }
        out
    }

    fn stand_in(&self, c: &Cut, before: &str, after: &str) -> String {
        let style = self.policy.options.pseudonyms;
        if placeholder::is_scarce(&c.kind)
            && self.shared.contains(&placeholder::placeholder(&self.key, &c.kind, &c.value, style))
        {
            return placeholder::typed(&self.key, &c.kind, &c.value);
        }
        placeholder::between(&self.key, (&c.kind, &c.value), style, before, after)
    }
}

fn replaced(base: &Rc<View>, pieces: &[Piece]) -> Rc<View> {
    let written: Vec<_> = pieces.iter().map(|p| (p.span.start, p.span.end, p.with.clone())).collect();
    View::replaced(base, &written)
}

/// Appends to a text of which only the end is wanted.
fn push_tail(tail: &mut String, text: &str) {
    tail.push_str(&text[back(text, text.len().saturating_sub(CONTEXT))..]);
    let from = back(tail, tail.len().saturating_sub(CONTEXT));
    tail.drain(..from);
}

fn back(text: &str, mut i: usize) -> usize {
    while !text.is_char_boundary(i) {
        i -= 1;
    }
    i
}

/// What stands behind a cut once all are written; a letter where that is another stand-in.
fn following(text: &str, end: usize, next: &[Cut]) -> String {
    let mut out = String::new();
    let mut at = end;
    for c in next {
        out.push_str(&text[at..back(text, c.start.min(at + CONTEXT))]);
        if out.len() >= CONTEXT {
            return out;
        }
        if c.first {
            out.push('0');
            return out;
        }
        at = c.end;
    }
    out.push_str(&text[at..back(text, text.len().min(at + CONTEXT))]);
    out
}

/// Puts a piece of the written text over the pieces that made it.
fn over(pieces: &mut Vec<Piece>, mut new: Piece) {
    // where each piece begins and ends in the written text, and how far that is from the raw one
    let (mut first, mut last) = (None, 0);
    let (mut start, mut end) = (new.span.start, new.span.end);
    let (mut grown, mut grown_end) = (0i64, 0i64);
    let mut shift = 0i64;
    for (n, p) in pieces.iter().enumerate() {
        let from = place(p.span.start, shift);
        let to = from + p.with.len();
        if from >= end {
            break;
        }
        shift += p.with.len() as i64 - (p.span.end - p.span.start) as i64;
        if to <= start {
            grown = shift;
            grown_end = shift;
            continue;
        }
        first.get_or_insert(n);
        last = n + 1;
        grown_end = shift;
        // what is left of a stand-in that was taken apart
        if from < start {
            new.with.insert_str(0, &p.with[..start - from]);
            start = from;
        }
        if to > end {
            new.with.push_str(&p.with[p.with.len() - (to - end)..]);
            end = to;
        }
    }
    let first = first.unwrap_or_else(|| pieces.partition_point(|p| p.span.end <= place(start, -grown)));
    let last = last.max(first);
    new.span.start = place(start, -grown);
    new.span.end = place(end, -grown_end);
    new.with.trim_matches('"').clone_into(&mut new.span.placeholder);
    pieces.splice(first..last, [new]);
}

fn place(at: usize, shift: i64) -> usize {
    usize::try_from(at as i64 + shift).unwrap_or(0)
}
