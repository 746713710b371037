//! Decoys: which chunks an agent is shown with invented data, and how well the agent finds it.
//!
//! Only the served text contains decoys. The sealed files never do, which is checked before a review ends.

use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::AhoCorasick;

use crate::app::random::{key_from_hex, random_key_hex};
use crate::app::release::sealed::SealedRow;
use crate::app::{App, Failure, Kind};
use crate::redact::Redactor;
use crate::rules::Engine;
use crate::store::{Decoy, ServedChunk};
use crate::workflow::{DecoyOutcome, ReaderMeasurement};

use super::chunks::{Chunk, InsertionPoint, TextKind, TextSide};
use super::decoy_text::{DecoyText, KeyedRandom, decoy, negative_control};
use super::{OpenRelease, PERSON};

/// Minimum number of decoys in a round that has at least as many chunks with text.
const MIN_DECOYS: usize = 3;
/// Share of the chunks that show a negative control, in percent.
const CONTROL_PERCENT: usize = 5;
/// Attempts to find a decoy that is in no row and that no rule recognises.
const MAX_ATTEMPTS: u64 = 16;
/// How often a page is shown again if its decoy was not reported.
pub(super) const MAX_REPEATS: u64 = 2;

/// The decoys of one round, by the SHA-256 of their chunk.
pub(super) type RoundDecoys = BTreeMap<String, Decoy>;

/// The text of a chunk with its decoy, as an agent sees it.
pub(super) fn with_decoy(text: &str, decoy: Option<&Decoy>) -> String {
    match decoy.and_then(|d| Some((d, text.split_at_checked(d.offset as usize)?))) {
        Some((d, (before, after))) => [before, &d.insertion, after].concat(),
        None => text.to_owned(),
    }
}

/// The decoys of a round.
pub(super) fn of_round(decoys: Vec<Decoy>, round: u64) -> RoundDecoys {
    decoys.into_iter().filter(|d| d.round == round).map(|d| (d.chunk_sha256.clone(), d)).collect()
}

/// A chunk that shows a decoy or a negative control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pick<'a> {
    sha256: &'a str,
    control: bool,
}

/// Chooses the chunks of a round that show a decoy. The choice depends only on the key, the release and the round.
fn picks<'a>(key: [u8; 32], id: &str, round: u64, percent: u8, all: &'a [Chunk<'_>]) -> Vec<Pick<'a>> {
    let round = round.to_string();
    let mut ranked: Vec<(u64, &str)> = all
        .iter()
        .filter(|c| !c.insertion_points.is_empty())
        .map(|c| (KeyedRandom::new(key, &["pick", id, &round, &c.sha256]).bits(), c.sha256.as_str()))
        .collect();
    ranked.sort_unstable();
    let share = |percent: usize| (ranked.len() * percent).div_ceil(100);
    let decoys = share(usize::from(percent)).max(MIN_DECOYS).min(ranked.len());
    let controls = share(CONTROL_PERCENT).min((ranked.len() - decoys) / 2);
    let chosen = ranked.iter().take(decoys + controls).enumerate();
    chosen.map(|(i, (_, sha256))| Pick { sha256, control: i >= decoys }).collect()
}

/// The chunks of a review that are about to be served.
pub(super) struct ServingPlan<'a> {
    /// The rows that have to be read.
    pub rows: &'a [SealedRow],
    /// All chunks of the rows.
    pub all: &'a [Chunk<'a>],
    /// The chunks that are not read yet, in reading order.
    pub unread: &'a [&'a Chunk<'a>],
    /// How many of them are served now.
    pub served_now: usize,
}

impl ServingPlan<'_> {
    /// The chunks among those served now that get a new decoy.
    fn new_decoys<'p>(&'p self, mut picks: Vec<Pick<'p>>, decoys: &RoundDecoys) -> Vec<Pick<'p>> {
        let open: BTreeSet<&str> = self
            .unread
            .iter()
            .filter(|c| !c.insertion_points.is_empty() && !decoys.contains_key(&c.sha256))
            .map(|c| c.sha256.as_str())
            .collect();
        picks.retain(|p| open.contains(p.sha256));
        // An agent that reads only the rest of a release must be measured too, so the minimum applies to the unread
        // chunks.
        let existing = decoys.values().filter(|d| !d.control).count();
        for sha256 in open {
            if existing + picks.iter().filter(|p| !p.control).count() >= MIN_DECOYS {
                break;
            }
            if picks.iter().all(|p| p.sha256 != sha256) {
                picks.push(Pick { sha256, control: false });
            }
        }
        let now: BTreeSet<&str> =
            self.unread.iter().take(self.served_now).map(|c| c.sha256.as_str()).collect();
        picks.retain(|p| now.contains(p.sha256));
        picks
    }
}

/// The text to insert, so that the chunk stays valid JSON and the sentence looks like a part of its text.
fn insertion(point: InsertionPoint, sentence: &str) -> String {
    match (point.side, point.text) {
        (TextSide::LineStart, _) => format!("{sentence}\\n"),
        (TextSide::TextEnd, TextKind::Prose) => format!(" {sentence}"),
        (TextSide::TextEnd, TextKind::Output) => format!("\\n{sentence}"),
    }
}

impl App {
    /// The key of all decoys. It never leaves the archive, so an agent cannot compute which values are invented.
    fn decoy_key(&self) -> Result<[u8; 32], Failure> {
        key_from_hex(&self.archive.meta_or_insert("planting_key", &random_key_hex()?)?)
    }

    /// Makes the decoys of the chunks that are served now. Existing decoys stay.
    pub(super) fn add_decoys(
        &self,
        open: &OpenRelease,
        plan: &ServingPlan<'_>,
        decoys: &mut RoundDecoys,
    ) -> Result<(), Failure> {
        let (id, round) = (open.id(), open.data.round);
        let key = self.decoy_key()?;
        let picks = picks(key, id, round, self.config.review.planted_percent, plan.all);
        let new = plan.new_decoys(picks, decoys);
        if new.is_empty() {
            return Ok(());
        }
        let policy = self.policy_for(&self.export_options(&open.data));
        let mut redactor = Redactor::new(Engine::builtin()?, policy, key);
        for pick in new {
            let Some(chunk) = plan.all.iter().find(|c| c.sha256 == pick.sha256) else { continue };
            let Some((text, point)) = decoy_for(key, open, chunk, pick, &mut |text| {
                // A value that is in a row would not be invented, and a rule would redact what it recognises.
                plan.rows.iter().all(|r| !r.text.contains(&text.value))
                    && redactor.redact_text(&text.sentence).text == text.sentence
            }) else {
                continue;
            };
            let decoy = Decoy {
                release: id.to_owned(),
                round,
                chunk_sha256: pick.sha256.to_owned(),
                kind: text.kind.to_owned(),
                insertion: insertion(point, &text.sentence),
                value: text.value,
                offset: point.at as u64,
                control: pick.control,
                outcome: None,
                misses: 0,
            };
            self.archive.put_decoy(&decoy)?;
            decoys.insert(pick.sha256.to_owned(), decoy);
        }
        Ok(())
    }

    /// The measurement of the agent that read in this round. `None` if no agent answered a chunk that could show a
    /// decoy.
    pub(super) fn measure_reader(
        &self,
        round: u64,
        all: &[Chunk<'_>],
        served: &[ServedChunk],
        decoys: &RoundDecoys,
    ) -> Option<ReaderMeasurement> {
        let count = |outcomes: &[DecoyOutcome]| {
            decoys.values().filter(|d| d.outcome.is_some_and(|o| outcomes.contains(&o))).count() as u64
        };
        let measured = ReaderMeasurement {
            decoys: count(&[DecoyOutcome::Found, DecoyOutcome::Missed]),
            found: count(&[DecoyOutcome::Found]),
            controls: count(&[DecoyOutcome::Flagged, DecoyOutcome::Passed]),
            flagged: count(&[DecoyOutcome::Flagged]),
            min_recall_percent: self.config.review.floor_percent,
        };
        let with_text: BTreeSet<&str> =
            all.iter().filter(|c| !c.insertion_points.is_empty()).map(|c| c.sha256.as_str()).collect();
        let agent_read = served.iter().any(|s| {
            s.round == round
                && s.answered.is_some()
                && s.reviewer != PERSON
                && with_text.contains(s.chunk_sha256.as_str())
        });
        (agent_read || measured.decoys > 0).then_some(measured)
    }

    /// Checks that no decoy is in the sealed files.
    pub(super) fn check_no_decoy_is_sealed(&self, open: &OpenRelease) -> Result<(), Failure> {
        let decoys = self.archive.decoys(open.id())?;
        let values: BTreeSet<&str> = decoys.iter().filter(|d| !d.control).map(|d| d.value.as_str()).collect();
        if values.is_empty() {
            return Ok(());
        }
        let finder = AhoCorasick::new(values).map_err(|e| Failure::failed("planted", e.to_string()))?;
        let files = self.sealed_files(open)?;
        let Some(file) = files.iter().find(|f| finder.is_match(&f.bytes)) else { return Ok(()) };
        let message = format!(
            "{} contains a decoy, which was invented to measure the reader. Probably one of the chosen sessions is \
             the one that did this review; it must be removed from the release.",
            file.path
        );
        Err(Failure::new(Kind::Refused, "planted_in_release", message)
            .hint_command("clawgate block KEY", "leaves out the session of the review")
            .hint(format!("clawgate prepare {}", open.id())))
    }
}

/// Finds a decoy for a chunk that `is_usable` accepts, with its position. `None` after [`MAX_ATTEMPTS`].
fn decoy_for(
    key: [u8; 32],
    open: &OpenRelease,
    chunk: &Chunk<'_>,
    pick: Pick<'_>,
    is_usable: &mut dyn FnMut(&DecoyText) -> bool,
) -> Option<(DecoyText, InsertionPoint)> {
    let round = open.data.round.to_string();
    (0..MAX_ATTEMPTS).find_map(|attempt| {
        let purpose = ["make", open.id(), &round, pick.sha256, &attempt.to_string()];
        let mut random = KeyedRandom::new(key, &purpose);
        let point = *chunk.insertion_points.get(random.below(chunk.insertion_points.len()))?;
        let text = match pick.control {
            true => negative_control(&mut random, point.text),
            false => decoy(&mut random, point.text),
        };
        is_usable(&text).then_some((text, point))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::release::data::StoredRow;
    use crate::app::release::review::chunks::Risk;

    #[test]
    fn the_insertion_appears_at_its_offset_and_never_inside_a_character() {
        let d = Decoy {
            release: "r".into(),
            round: 1,
            chunk_sha256: "c".into(),
            kind: "PERSON".into(),
            value: "Bo".into(),
            insertion: " Ask Bo.".into(),
            offset: 3,
            control: false,
            outcome: None,
            misses: 0,
        };
        assert_eq!(with_decoy("abcdef", Some(&d)), "abc Ask Bo.def");
        assert_eq!(with_decoy("abcdef", None), "abcdef");
        assert_eq!(with_decoy("é", Some(&Decoy { offset: 1, ..d.clone() })), "é");
        assert_eq!(with_decoy("a", Some(&d)), "a");
    }

    #[test]
    fn a_share_of_the_chunks_is_picked_and_at_least_three() {
        let row = StoredRow::for_tests("s");
        let point = InsertionPoint { at: 1, text: TextKind::Prose, side: TextSide::TextEnd };
        let chunk = |n: usize, has_text: bool| Chunk {
            row: &row,
            range: 0..3,
            text: "abc",
            sha256: format!("{n:04}"),
            risk: Risk::Typed,
            insertion_points: if has_text { vec![point] } else { Vec::new() },
        };
        let count = |n: usize, round: u64| {
            let all: Vec<_> = (0..n).map(|i| chunk(i, true)).chain([chunk(9999, false)]).collect();
            let picks = picks([7; 32], "r", round, 15, &all);
            assert!(picks.iter().all(|p| p.sha256 != "9999"));
            let decoys = picks.iter().filter(|p| !p.control).count();
            (decoys, picks.len() - decoys)
        };
        assert_eq!(
            [0, 1, 2, 5, 20, 100, 400].map(|n| count(n, 1)),
            [(0, 0), (1, 0), (2, 0), (3, 1), (3, 1), (15, 5), (60, 20)]
        );
        let all: Vec<_> = (0..50).map(|i| chunk(i, true)).collect();
        let of = |key: u8, round| picks([key; 32], "r", round, 15, &all);
        assert_eq!(of(7, 1), of(7, 1));
        assert_ne!(of(7, 1), of(7, 2), "another round has the same picks");
        assert_ne!(of(7, 1), of(8, 1), "another key has the same picks");
    }
}
