//! The cost sections of the configuration: display, alerts, budgets, anomalies and keys of price files.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::pricing::{Decimal, format_usd, parse_usd};
use crate::usage::{MeanRule, RobustRule, Thresholds};

/// An amount of US dollars in the configuration, stored in pico-USD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usd(pub i64);

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = Decimal::deserialize(d)?.0;
        let amount = parse_usd(&text).filter(|n| *n >= 0);
        amount.map(Usd).ok_or_else(|| serde::de::Error::custom("expected US dollars, for instance 2.50"))
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let text = format_usd(self.0, 12);
        s.serialize_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// `[cost]`: display of cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CostConfig {
    /// The place of [`Config::timezone`](super::Config::timezone) in earlier versions. Parsing moves it there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timezone: Option<String>,
    /// Name of this machine in exported ledgers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// `[alerts]`: thresholds and delivery of alerts. A threshold of 0 is off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlertConfig {
    /// US dollars per local day.
    pub daily_budget_usd: Usd,
    /// US dollars per session.
    pub session_spike_usd: Usd,
    /// US dollars in the last hour.
    pub hourly_burn_rate_usd: Usd,
    /// Requests in the last hour.
    pub hourly_request_volume: u64,
    /// Tokens in the last hour.
    pub hourly_token_volume: u64,
    /// Minutes from a session's first to its last request.
    pub session_duration_minutes: u64,
    /// Minutes in which an unacknowledged alert suppresses another one of the same kind and session.
    pub dedup_window_minutes: u64,
    /// URL that alerts are posted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// Program and arguments. The program reads an alert from standard input.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
}

impl Default for AlertConfig {
    fn default() -> Self {
        let t = Thresholds::default();
        let usd = |v: Option<i64>| Usd(v.unwrap_or_default());
        let n = |v: Option<i64>| v.and_then(|v| u64::try_from(v).ok()).unwrap_or_default();
        AlertConfig {
            daily_budget_usd: usd(t.daily_budget_picousd),
            session_spike_usd: usd(t.session_spike_picousd),
            hourly_burn_rate_usd: usd(t.hourly_burn_picousd),
            hourly_request_volume: n(t.hourly_requests),
            hourly_token_volume: n(t.hourly_tokens),
            session_duration_minutes: n(t.session_minutes),
            dedup_window_minutes: n(Some(t.dedup_window_minutes)),
            webhook: None,
            command: Vec::new(),
        }
    }
}

impl AlertConfig {
    /// Returns the thresholds. Those that are 0 are left out.
    pub fn thresholds(&self) -> Thresholds {
        let usd = |u: Usd| Some(u.0).filter(|n| *n > 0);
        let n = |n: u64| i64::try_from(n).ok().filter(|n| *n > 0);
        Thresholds {
            daily_budget_picousd: usd(self.daily_budget_usd),
            session_spike_picousd: usd(self.session_spike_usd),
            hourly_burn_picousd: usd(self.hourly_burn_rate_usd),
            hourly_requests: n(self.hourly_request_volume),
            hourly_tokens: n(self.hourly_token_volume),
            session_minutes: n(self.session_duration_minutes),
            dedup_window_minutes: n(self.dedup_window_minutes).unwrap_or_default(),
        }
    }
}

/// What happens if a budget is used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetAction {
    /// The agent gets a warning and continues.
    #[default]
    Warn,
    /// The agent's next step is denied.
    Deny,
}

/// `[budgets]`: limits that hooks enforce. There are no default limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetConfig {
    /// US dollars per local day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily_usd: Option<Usd>,
    /// US dollars per ISO week.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekly_usd: Option<Usd>,
    /// US dollars per calendar month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly_usd: Option<Usd>,
    /// US dollars per session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_usd: Option<Usd>,
    /// US dollars per five-hour block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_usd: Option<Usd>,
    /// What happens if a budget is used up.
    pub action: BudgetAction,
    /// Percentage of a budget at which a warning is given.
    pub warn_percent: u8,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        BudgetConfig {
            daily_usd: None,
            weekly_usd: None,
            monthly_usd: None,
            session_usd: None,
            block_usd: None,
            action: BudgetAction::default(),
            warn_percent: 80,
        }
    }
}

/// `[anomalies]`: settings of the two anomaly rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnomalyConfig {
    /// Mean rule: number of previous active days in the mean.
    pub window_days: u16,
    /// Mean rule: number of first active days that are never reported.
    pub skip_days: u16,
    /// Mean rule: percentage above the mean that is a warning.
    pub warning_pct: u32,
    /// Mean rule: percentage above the mean that is critical.
    pub critical_pct: u32,
    /// Robust rule: number of calendar days of history.
    pub history_days: u16,
    /// Robust rule: minimum number of days with usage.
    pub min_days: u16,
    /// Robust rule: minimum distance from the median in scaled median absolute deviations.
    pub deviations: u32,
    /// Robust rule: minimum amount above the median.
    pub min_over_usd: Usd,
}

impl Default for AnomalyConfig {
    fn default() -> Self {
        let (seed, robust) = (MeanRule::default(), RobustRule::default());
        AnomalyConfig {
            window_days: seed.window as u16,
            skip_days: seed.skip as u16,
            warning_pct: seed.warning_pct,
            critical_pct: seed.critical_pct,
            history_days: 28,
            min_days: robust.min_days as u16,
            deviations: robust.deviations as u32,
            min_over_usd: Usd(robust.min_over_picousd),
        }
    }
}

impl AnomalyConfig {
    pub fn mean_rule(&self) -> MeanRule {
        MeanRule {
            window: self.window_days.into(),
            skip: self.skip_days.into(),
            warning_pct: self.warning_pct,
            critical_pct: self.critical_pct,
        }
    }

    pub fn robust(&self) -> RobustRule {
        RobustRule {
            min_days: self.min_days.into(),
            deviations: self.deviations.into(),
            min_over_picousd: self.min_over_usd.0,
        }
    }
}

/// `[pricing]`: keys that may sign price files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PricingConfig {
    /// Ed25519 public keys, hex or base64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trusted_keys: Vec<String>,
}

/// Returns whether a section has only default values, so that it is left out of reports.
pub(in crate::app) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_thresholds_apply_and_zero_turns_one_off() {
        assert_eq!(AlertConfig::default().thresholds(), Thresholds::default());
        let c: AlertConfig = toml::from_str("daily_budget_usd = 2.5\nhourly_burn_rate_usd = 0\n").unwrap();
        let t = c.thresholds();
        assert_eq!(t.daily_budget_picousd, Some(2_500_000_000_000));
        assert_eq!((t.hourly_burn_picousd, t.session_minutes), (None, Some(180)));
        assert!(toml::from_str::<AlertConfig>("daily_budget_usd = -1").is_err());
        assert!(toml::from_str::<AlertConfig>("daily_budget = 1").is_err());
    }

    #[test]
    fn amounts_keep_their_value_when_they_are_read_and_written() {
        let b: BudgetConfig = toml::from_str("daily_usd = \"12.34\"\naction = \"deny\"").unwrap();
        assert_eq!((b.daily_usd, b.action), (Some(Usd(12_340_000_000_000)), BudgetAction::Deny));
        assert_eq!(serde_json::to_value(Usd(10_000_000_000_000)).unwrap(), "10");
        assert_eq!(serde_json::to_value(Usd(2_500_000_000_000)).unwrap(), "2.5");
        assert_eq!(AnomalyConfig::default().robust(), RobustRule::default());
        assert_eq!(AnomalyConfig::default().mean_rule(), MeanRule::default());
    }
}
