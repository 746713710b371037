//! From cuts to a text in which nothing more is found: redacting it again changes nothing.

use std::rc::Rc;
use std::sync::Arc;

use crate::rules::Class;

use super::decoded_view::DecodedView;
use super::detect::Found;
use super::render::{self, Cut};
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
    pub(super) fn redact_to_fixpoint(
        &mut self,
        base: &Rc<DecodedView>,
        mut found: Vec<Found>,
        mut cuts: Vec<Cut>,
    ) -> Redacted {
        let style = self.policy.options.pseudonyms;
        let text = base.text.as_str();
        let mut pieces = self.write(text, &cuts);
        let mut united = true;
        for round in 0..ROUNDS {
            let view = replaced(base, &pieces);
            let again = self.found(&DecodedView::raw(&view.text), false);
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

fn replaced(base: &Rc<DecodedView>, pieces: &[Piece]) -> Rc<DecodedView> {
    let written: Vec<_> = pieces.iter().map(|p| (p.span.start, p.span.end, p.with.clone())).collect();
    DecodedView::replaced(base, &written)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn piece(start: usize, end: usize, with: &str) -> Piece {
        let span = Span {
            start,
            end,
            kind: "TOKEN".into(),
            rule: "r".into(),
            confidence: 80,
            placeholder: with.to_owned(),
        };
        Piece { span, with: with.to_owned() }
    }

    /// Stretches that are apart, from gaps and lengths.
    fn stretches(parts: &[(usize, usize, String)], len: usize) -> Vec<Piece> {
        let mut at = 0;
        let mut out = Vec::new();
        for (gap, long, with) in parts {
            let (start, end) = (at + gap, at + gap + long);
            if end > len {
                break;
            }
            out.push(piece(start, end, with));
            at = end;
        }
        out
    }

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        #[test]
        fn pieces_over_pieces_read_like_one_after_the_other(
            first in prop::collection::vec((0usize..4, 1usize..4, "[a-f]{0,4}"), 0..8),
            then in prop::collection::vec((0usize..5, 1usize..6, "[A-F]{0,4}"), 0..8),
        ) {
            let base = DecodedView::raw("0123456789012345678901234");
            let mut pieces = stretches(&first, base.text.len());
            let written = replaced(&base, &pieces);
            let then = stretches(&then, written.text.len());
            let expected = replaced(&DecodedView::raw(&written.text), &then).text.clone();
            for new in then.into_iter().rev() {
                over(&mut pieces, new);
            }
            prop_assert!(pieces.is_sorted_by_key(|p| (p.span.start, p.span.end)));
            prop_assert!(pieces.windows(2).all(|w| w[0].span.end <= w[1].span.start));
            prop_assert_eq!(&replaced(&base, &pieces).text, &expected);
        }
    }

    #[test]
    fn a_stand_in_beside_a_letter_is_in_brackets() {
        let cut = |start: usize, end: usize, kind: &str, value: &str| Cut {
            start,
            end,
            kind: kind.into(),
            rule: "r".into(),
            confidence: 80,
            value: value.to_owned(),
            first: true,
            bare: false,
        };
        let redactor = super::super::tests::redactor();
        let with = |text: &str, cuts: &[Cut]| -> Vec<String> {
            redactor.write(text, cuts).into_iter().map(|p| p.with).collect()
        };
        assert!(with("/home/ada/x", &[cut(6, 9, "USER", "ada")])[0].starts_with("user_"));
        assert!(with("/home/adax", &[cut(6, 9, "USER", "ada")])[0].starts_with("[USER_"));
        let both = with("adabob", &[cut(0, 3, "USER", "ada"), cut(3, 6, "USER", "bob")]);
        assert!(both[0].starts_with("[USER_") && both[1].starts_with("user_"), "{both:?}");
    }
}
