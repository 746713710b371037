//! Planting: which chunks an agent is shown with something invented in them, and what became of it.
//!
//! Only the served text holds what is planted. The sealed files never do, which is asserted before a review ends.

use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::AhoCorasick;

use crate::redact::Redactor;
use crate::rules::Engine;
use crate::store::{Planted, Served};
use crate::workflow::Measured;

use super::canary_text::{Dice, harmless, invent};
use super::chunks::Chunk;
use crate::app::release::{Open, RowKeep, key_of, random};
use crate::app::{App, Failure, Kind};

/// A round shows at least so many inventions, or one in every chunk where there are fewer.
const LEAST: usize = 3;
/// Share of chunks that show a public name, in percent.
const HARMLESS_PERCENT: usize = 5;
/// So many inventions are tried until one fits: stands nowhere in the rows, and no rule knows it.
const TRIES: u64 = 16;
/// A page is shown again so often when something planted in it was not reported.
pub(super) const SHOWN_AGAIN: u64 = 2;

/// The chunk as an agent sees it.
pub(super) fn shown(text: &str, planted: Option<&Planted>) -> String {
    match planted.and_then(|p| Some((p, text.split_at_checked(p.at as usize)?))) {
        Some((p, (before, after))) => [before, &p.words, after].concat(),
        None => text.to_owned(),
    }
}

/// What is planted in the chunks of a release, this round's by chunk.
pub(super) fn of_round(planted: Vec<Planted>, round: u64) -> BTreeMap<String, Planted> {
    planted.into_iter().filter(|p| p.round == round).map(|p| (p.chunk_sha256.clone(), p)).collect()
}

/// Which chunks show something, and whether it is something harmless.
fn picks(key: [u8; 32], id: &str, round: u64, percent: u8, all: &[Chunk<'_>]) -> Vec<(String, bool)> {
    let round = round.to_string();
    let mut ranked: Vec<(u64, &str)> = all
        .iter()
        .filter(|c| !c.spots.is_empty())
        .map(|c| (Dice::new(key, &["pick", id, &round, &c.sha256]).bits(), c.sha256.as_str()))
        .collect();
    ranked.sort_unstable();
    let share = |percent: usize| (ranked.len() * percent).div_ceil(100);
    let real = share(usize::from(percent)).max(LEAST).min(ranked.len());
    let public = share(HARMLESS_PERCENT).min((ranked.len() - real) / 2);
    ranked
        .iter()
        .take(real + public)
        .enumerate()
        .map(|(i, (_, sha))| ((*sha).to_owned(), i >= real))
        .collect()
}

impl App {
    fn planting_key(&self) -> Result<[u8; 32], Failure> {
        let fresh = data_encoding::HEXLOWER.encode(&random()?);
        key_of(&self.archive.meta_or_insert("planting_key", &fresh)?)
    }

    /// Plants in those of the first `now` unread chunks whose turn it is; what was planted before stays.
    pub(super) fn plan(
        &self,
        open: &Open,
        rows: &[(RowKeep, String)],
        all: &[Chunk<'_>],
        (unread, now): (&[&Chunk<'_>], usize),
        planted: &mut BTreeMap<String, Planted>,
    ) -> Result<(), Failure> {
        let (id, round) = (open.release.id.as_str(), open.extra.round);
        let key = self.planting_key()?;
        let picks = picks(key, id, round, self.config.review.planted_percent, all);
        let due: BTreeSet<&str> =
            unread.iter().filter(|c| !c.spots.is_empty()).map(|c| c.sha256.as_str()).collect();
        let mut plan: Vec<(&str, bool)> = picks
            .iter()
            .map(|(sha, public)| (sha.as_str(), *public))
            .filter(|(sha, _)| due.contains(sha) && !planted.contains_key(*sha))
            .collect();
        // Someone who reads only the rest of a release is measured all the same.
        let real = |plan: &[(&str, bool)]| plan.iter().filter(|(_, public)| !public).count();
        let before = planted.values().filter(|p| !p.harmless).count();
        for sha in due {
            if before + real(&plan) >= LEAST {
                break;
            }
            if !planted.contains_key(sha) && plan.iter().all(|(s, _)| *s != sha) {
                plan.push((sha, false));
            }
        }
        let now: BTreeSet<&str> = unread.iter().take(now).map(|c| c.sha256.as_str()).collect();
        plan.retain(|(sha, _)| now.contains(sha));
        if plan.is_empty() {
            return Ok(());
        }
        let policy = self.policy_for(&self.export_options(&open.extra))?;
        let mut redactor = Redactor::new(Engine::builtin()?, policy, key);
        for (sha, public) in plan {
            let Some(chunk) = all.iter().find(|c| c.sha256 == sha) else { continue };
            for n in 0..TRIES {
                let purpose = ["make", id, &round.to_string(), sha, &n.to_string()];
                let mut dice = Dice::new(key, &purpose);
                let Some(spot) = chunk.spots.get(dice.below(chunk.spots.len())).copied() else { break };
                let new =
                    if public { harmless(&mut dice, spot.prose) } else { invent(&mut dice, spot.prose) };
                let stands = rows.iter().any(|(_, text)| text.contains(&new.value));
                if stands || redactor.redact_text(&new.sentence).text != new.sentence {
                    continue;
                }
                let words = match (spot.line, spot.prose) {
                    (true, _) => format!("{}\\n", new.sentence),
                    (false, true) => format!(" {}", new.sentence),
                    (false, false) => format!("\\n{}", new.sentence),
                };
                let p = Planted {
                    release: id.to_owned(),
                    round,
                    chunk_sha256: sha.to_owned(),
                    kind: new.kind.to_owned(),
                    value: new.value,
                    words,
                    at: spot.at as u64,
                    harmless: public,
                    outcome: None,
                    misses: 0,
                };
                self.archive.plant(&p)?;
                planted.insert(sha.to_owned(), p);
                break;
            }
        }
        Ok(())
    }

    /// How good this round's agent is; none where no agent answered anything that could have been planted in.
    pub(super) fn reader_standing(
        &self,
        round: u64,
        all: &[Chunk<'_>],
        served: &[Served],
        planted: &BTreeMap<String, Planted>,
    ) -> Option<Measured> {
        let count = |outcome: &[&str]| {
            let of = |p: &&Planted| p.outcome.as_deref().is_some_and(|o| outcome.contains(&o));
            planted.values().filter(of).count() as u64
        };
        let measured = Measured {
            planted: count(&["found", "missed"]),
            found: count(&["found"]),
            harmless: count(&["flagged", "passed"]),
            flagged: count(&["flagged"]),
            floor_percent: self.config.review.floor_percent,
        };
        let can_hold: BTreeSet<&str> =
            all.iter().filter(|c| !c.spots.is_empty()).map(|c| c.sha256.as_str()).collect();
        let agent = served.iter().any(|s| {
            s.round == round
                && s.answered.is_some()
                && s.reviewer != super::PERSON
                && can_hold.contains(s.chunk_sha256.as_str())
        });
        (agent || measured.planted > 0).then_some(measured)
    }

    /// Asserts that nothing planted stands in the sealed files.
    pub(super) fn nothing_planted(&self, open: &Open) -> Result<(), Failure> {
        let planted = self.archive.planted(&open.release.id)?;
        let values: BTreeSet<&str> =
            planted.iter().filter(|p| !p.harmless).map(|p| p.value.as_str()).collect();
        if values.is_empty() {
            return Ok(());
        }
        let finder = AhoCorasick::new(values).map_err(|e| Failure::failed("planted", e.to_string()))?;
        let files = self.sealed_files(open)?;
        let Some(file) = files.iter().find(|f| finder.is_match(&f.bytes)) else { return Ok(()) };
        Err(Failure::new(
            Kind::Refused,
            "planted_in_release",
            format!(
                "{} holds something that was invented to measure the reader. A chosen session has probably recorded this very review; it must stay out.",
                file.path
            ),
        )
        .hint("clawgate block KEY (the session of the review)")
        .hint(format!("clawgate prepare {}", open.release.id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_the_chunk_with_the_words_in_it() {
        let p = Planted {
            release: "r".into(),
            round: 1,
            chunk_sha256: "c".into(),
            kind: "PERSON".into(),
            value: "Bo".into(),
            words: " Ask Bo.".into(),
            at: 3,
            harmless: false,
            outcome: None,
            misses: 0,
        };
        assert_eq!(shown("abcdef", Some(&p)), "abc Ask Bo.def");
        assert_eq!(shown("abcdef", None), "abcdef");
        assert_eq!(shown("é", Some(&Planted { at: 1, ..p.clone() })), "é", "no character is cut");
        assert_eq!(shown("a", Some(&p)), "a");
    }

    #[test]
    fn a_share_is_picked_and_never_none() {
        let row: RowKeep = serde_json::from_value(serde_json::json!({
            "key": "claude:s", "sha256": "", "file": "", "offset": 0, "bytes": 0, "redactions": {},
            "facts": crate::export::RowFacts::default(),
        }))
        .unwrap();
        let spot = super::super::chunks::Spot { at: 1, prose: true, line: false };
        let chunk = |n: usize, can: bool| Chunk {
            row: &row,
            range: 0..3,
            text: "abc",
            sha256: format!("{n:04}"),
            risk: 0,
            spots: if can { vec![spot] } else { Vec::new() },
        };
        let count = |n: usize, round: u64| {
            let all: Vec<_> = (0..n).map(|i| chunk(i, true)).chain([chunk(9999, false)]).collect();
            let picks = picks([7; 32], "r", round, 15, &all);
            assert!(picks.iter().all(|(sha, _)| sha != "9999"));
            let real = picks.iter().filter(|(_, public)| !public).count();
            (real, picks.len() - real)
        };
        assert_eq!(
            [0, 1, 2, 5, 20, 100, 400].map(|n| count(n, 1)),
            [(0, 0), (1, 0), (2, 0), (3, 1), (3, 1), (15, 5), (60, 20)]
        );
        let all: Vec<_> = (0..50).map(|i| chunk(i, true)).collect();
        let of = |key: u8, round| picks([key; 32], "r", round, 15, &all);
        assert_eq!(of(7, 1), of(7, 1));
        assert_ne!(of(7, 1), of(7, 2), "another round, other chunks");
        assert_ne!(of(7, 1), of(8, 1), "another key, other chunks");
    }
}
