//! What a review leaves behind: the root over everything that was served and answered, and how good the reader was.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::canonical;

/// The review's evidence, as a receipt binds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// [`coverage_root`] over every answered piece and every planted value.
    pub root: String,
    /// Number of leaves below it.
    pub leaves: u64,
    /// How an agent that read did on what was planted; none where only people read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
}

/// How many of the planted values a reader reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Measured {
    /// Planted values whose page was answered.
    pub planted: u64,
    /// Those that were reported in the first answer.
    pub found: u64,
    /// Harmless values (public names, example.com) that were planted too.
    pub harmless: u64,
    /// Those that were reported all the same.
    pub flagged: u64,
    /// The least recall that counts as a review, in percent.
    pub floor_percent: u8,
}

/// z of a two-sided 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson's lower 95 % bound of the share `found / planted`; 0 where nothing was planted.
pub fn wilson_lower(found: u64, planted: u64) -> f64 {
    if planted == 0 {
        return 0.0;
    }
    let n = planted as f64;
    let p = found.min(planted) as f64 / n;
    let z2 = Z * Z;
    let centre = p + z2 / (2.0 * n);
    let margin = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    ((centre - margin) / (1.0 + z2 / n)).max(0.0)
}

impl Measured {
    /// The share of planted values that was reported; 0 where nothing was planted.
    pub fn recall(&self) -> f64 {
        if self.planted == 0 { 0.0 } else { self.found as f64 / self.planted as f64 }
    }

    /// Wilson's lower 95 % bound of it.
    pub fn lower_bound(&self) -> f64 {
        wilson_lower(self.found, self.planted)
    }

    /// Whether this counts as a review.
    ///
    /// The lower bound reaches the floor; or, where too few values fit for the bound to forgive even one miss (fewer
    /// than 25 at a floor of .80), at most one was missed and the plain recall reaches the floor. Who was not
    /// measured does not pass.
    pub fn passes(&self) -> bool {
        let floor = f64::from(self.floor_percent) / 100.0;
        let missed = self.planted.saturating_sub(self.found);
        self.planted > 0 && (self.lower_bound() >= floor || (missed <= 1 && self.recall() >= floor))
    }
}

/// Merkle root (SHA-256, lower-case hex) over leaves in any order.
///
/// Each leaf is hashed as `0x00` and its canonical JSON, the hashes are sorted, and pairs are hashed as `0x01 left
/// right`; an odd one moves up as it is. No leaf can pass for a node, and equal sets have equal roots.
pub fn coverage_root(leaves: &[serde_json::Value]) -> String {
    let mut level: Vec<[u8; 32]> = leaves
        .iter()
        .map(|leaf| Sha256::new().chain_update([0]).chain_update(canonical(leaf)).finalize().into())
        .collect();
    level.sort_unstable();
    if level.is_empty() {
        return data_encoding::HEXLOWER.encode(&Sha256::digest([]));
    }
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => {
                    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
                }
                other => other.first().copied().unwrap_or_default(),
            })
            .collect();
    }
    data_encoding::HEXLOWER.encode(&level.first().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_bound_is_wilsons() {
        let close = |found, planted, expected: f64| {
            let bound = wilson_lower(found, planted);
            assert!((bound - expected).abs() < 0.000_5, "{found}/{planted}: {bound}");
        };
        close(38, 40, 0.835);
        close(60, 60, 0.940);
        close(0, 5, 0.0);
        close(5, 5, 0.566);
        assert_eq!(wilson_lower(0, 0), 0.0);
    }

    #[test]
    fn few_planted_values_forgive_one_miss_and_many_what_the_bound_forgives() {
        let passes =
            |found, planted| Measured { planted, found, floor_percent: 80, ..Measured::default() }.passes();
        for (found, planted) in [(1, 1), (3, 3), (4, 5), (15, 16), (23, 24), (24, 25), (38, 40), (60, 60)] {
            assert!(passes(found, planted), "{found}/{planted}");
        }
        for (found, planted) in [(0, 0), (0, 1), (2, 3), (3, 4), (4, 6), (14, 16), (22, 24), (35, 40)] {
            assert!(!passes(found, planted), "{found}/{planted}");
        }
        // More found is never worse.
        for planted in 1..80 {
            let first = (0..=planted).find(|found| passes(*found, planted)).unwrap();
            assert!((first..=planted).all(|found| passes(found, planted)), "{planted}");
        }
    }

    #[test]
    fn every_leaf_counts_and_their_order_does_not() {
        let leaf = |n: u64| json!(["row", n, "agent"]);
        for count in 1..9 {
            let leaves: Vec<_> = (0..count).map(leaf).collect();
            let root = coverage_root(&leaves);
            let mut turned = leaves.clone();
            turned.reverse();
            assert_eq!(coverage_root(&turned), root);
            for i in 0..leaves.len() {
                let mut other = leaves.clone();
                other[i] = leaf(99);
                assert_ne!(coverage_root(&other), root, "leaf {i} of {count}");
                other.remove(i);
                assert_ne!(coverage_root(&other), root, "without leaf {i} of {count}");
            }
        }
        assert_ne!(coverage_root(&[]), coverage_root(&[leaf(0)]));
    }
}
