//! The sum of some requests.

use crate::trace::{Confidence, Tokens};

use super::pricer::PricedRow;
use super::row::CountedRow;

/// Requests, tokens and cost of some requests. Everything saturates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageSum {
    pub requests: u64,
    pub tokens: Tokens,
    /// Cost of the requests that have a price.
    pub picousd: i128,
    /// Tokens of the requests without a price.
    pub unpriced_tokens: u64,
    /// The lowest confidence of the parts.
    pub confidence: Confidence,
}

impl UsageSum {
    /// Returns the sum of a priced row.
    pub fn of(row: &CountedRow<'_>, priced: &PricedRow<'_>) -> Self {
        Self::of_part(row.requests(), row.request.tokens, priced.picousd, priced.confidence)
    }

    /// Returns the sum of a part of a request; `picousd` is `None` if no price is known.
    pub fn of_part(requests: u64, tokens: Tokens, picousd: Option<i64>, confidence: Confidence) -> Self {
        UsageSum {
            requests,
            tokens,
            picousd: picousd.unwrap_or_default().into(),
            unpriced_tokens: if picousd.is_none() { tokens.total() } else { 0 },
            confidence,
        }
    }

    pub fn add(&mut self, other: &UsageSum) {
        self.requests = self.requests.saturating_add(other.requests);
        self.tokens += other.tokens;
        self.picousd = self.picousd.saturating_add(other.picousd);
        self.unpriced_tokens = self.unpriced_tokens.saturating_add(other.unpriced_tokens);
        self.confidence = self.confidence.max(other.confidence);
    }

    /// Returns the confidence of the whole sum. If only a part of the tokens has a price, the cost is a lower bound.
    pub fn confidence(&self) -> Confidence {
        match self.confidence {
            Confidence::Unpriced if self.picousd > 0 => Confidence::LowerBound,
            confidence => confidence,
        }
    }

    /// Returns the cost as far as 64 bits can hold it.
    pub fn picousd_clamped(&self) -> i64 {
        clamp_picousd(self.picousd)
    }
}

/// Cuts an amount to the range of 64 bits.
pub fn clamp_picousd(picousd: i128) -> i64 {
    i64::try_from(picousd).unwrap_or(if picousd < 0 { i64::MIN } else { i64::MAX })
}
