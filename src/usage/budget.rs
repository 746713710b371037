//! Budgets: how much of each is spent.

use serde::Serialize;

use crate::pricing::format_cents;

/// How much of a budget is spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BudgetState {
    /// `daily`, `weekly`, `monthly`, `session` or `block`.
    pub budget: &'static str,
    pub spent_picousd: i64,
    pub limit_picousd: i64,
    /// Per cent of the limit that is spent, rounded down.
    pub percent: u64,
    pub state: BudgetLevel,
    /// Tokens without a known price in the same period. Their cost is not in `spent_picousd`.
    pub unpriced_tokens: u64,
}

/// How near a budget is to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetLevel {
    /// Below the warning share.
    Ok,
    /// At or above the warning share.
    Near,
    Spent,
}

impl BudgetState {
    /// Compares what was spent with a limit. From `warn_percent` of the limit on, the budget is near its limit.
    pub fn of(
        budget: &'static str,
        limit_picousd: i64,
        spent_picousd: i64,
        unpriced_tokens: u64,
        warn_percent: u8,
    ) -> Self {
        let hundredfold = i128::from(spent_picousd).max(0) * 100;
        let state = if spent_picousd >= limit_picousd {
            BudgetLevel::Spent
        } else if hundredfold >= i128::from(limit_picousd) * i128::from(warn_percent) {
            BudgetLevel::Near
        } else {
            BudgetLevel::Ok
        };
        let percent = if limit_picousd > 0 { hundredfold / i128::from(limit_picousd) } else { 100 };
        let percent = u64::try_from(percent).unwrap_or(u64::MAX);
        BudgetState { budget, spent_picousd, limit_picousd, percent, state, unpriced_tokens }
    }

    /// Returns a sentence that says how much of the budget is spent.
    pub fn message(&self) -> String {
        let (spent, limit) = (format_cents(self.spent_picousd), format_cents(self.limit_picousd));
        let mut text = match self.state {
            BudgetLevel::Spent => format!("The {} budget is spent: {spent} of {limit}", self.budget),
            _ => format!("{} % of the {} budget is spent: {spent} of {limit}", self.percent, self.budget),
        };
        if self.unpriced_tokens > 0 {
            text.push_str(&format!(
                ", without the tokens that have no known price ({})",
                self.unpriced_tokens
            ));
        }
        text.push('.');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::PICO_PER_USD;

    #[test]
    fn a_budget_changes_its_level_exactly_at_the_warning_share_and_at_its_limit() {
        let of = |limit: i64, cents: i64| {
            BudgetState::of("daily", limit * PICO_PER_USD, cents * PICO_PER_USD / 100, 0, 80)
        };
        let level = |cents| of(10, cents).state;
        assert_eq!([level(0), level(799), level(800)], [BudgetLevel::Ok, BudgetLevel::Ok, BudgetLevel::Near]);
        assert_eq!(
            [level(999), level(1000), level(5000)],
            [BudgetLevel::Near, BudgetLevel::Spent, BudgetLevel::Spent]
        );
        assert_eq!(of(10, 1234).percent, 123);
        assert_eq!(of(0, 0).state, BudgetLevel::Spent, "nothing may be spent");
        assert_eq!(of(1, 150).message(), "The daily budget is spent: $1.50 of $1.00.");
    }
}
