//! How much of a subscription's limit is used, as an agent reports it.

use serde::Serialize;

use super::Timestamp;

/// Length of the window of hours that most plans have, in minutes.
pub const FIVE_HOURS: u64 = 300;

/// Length of the weekly window, in minutes.
pub const WEEK: u64 = 7 * 24 * 60;

const MINUTE_MS: i64 = 60_000;

/// Reports of one window name its end with this difference at most.
const SAME_RESET_MS: i64 = MINUTE_MS;

/// The state of one window of a plan when an agent last reported it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanWindow {
    pub agent: String,
    /// What the limit applies to, if the plan has several limits of one length, for example a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// Length of the window in minutes.
    pub window_minutes: u64,
    /// The used part of the limit, in percent.
    pub used_percent: f64,
    /// When the agent reported it.
    pub observed: Timestamp,
    /// When the window ends and the used part becomes zero.
    pub resets: Timestamp,
}

impl PlanWindow {
    /// Makes a window from what an agent reports. Returns `None` for figures that make no sense.
    ///
    /// Some agents report a length that is a minute too short, so it is rounded up to five minutes. A window without an
    /// end is taken for one that began when it was reported.
    pub fn new(
        agent: &str,
        window_minutes: u64,
        used_percent: f64,
        observed: Timestamp,
        resets: Option<Timestamp>,
    ) -> Option<Self> {
        let window_minutes = window_minutes.div_ceil(5) * 5;
        let length = i64::try_from(window_minutes).ok()?.checked_mul(MINUTE_MS).filter(|ms| *ms > 0)?;
        let default_reset = Timestamp(observed.millis().saturating_add(length));
        if !(0.0..=1000.0).contains(&used_percent) {
            return None;
        }
        let resets = resets.unwrap_or(default_reset);
        Some(PlanWindow {
            agent: agent.to_owned(),
            limit: None,
            window_minutes,
            used_percent,
            observed,
            resets,
        })
    }

    /// Whether the window has not ended.
    pub fn is_current(&self, now: Timestamp) -> bool {
        self.resets > now
    }

    /// Whether two reports are about the same limit.
    pub fn is_same_limit(&self, other: &PlanWindow) -> bool {
        (&self.agent, &self.limit, self.window_minutes) == (&other.agent, &other.limit, other.window_minutes)
    }

    /// Whether this report says more about the limit than `known`. Idle terminals repeat old figures and copied logs repeat
    /// them at new times, so the time of a report does not decide: a window that ends later is newer, and within one window
    /// the used part only grows.
    pub fn replaces(&self, known: &PlanWindow) -> bool {
        let later = self.resets.millis().saturating_sub(known.resets.millis());
        match later.abs() <= SAME_RESET_MS {
            false => later > 0,
            true if self.used_percent == known.used_percent => self.observed >= known.observed,
            true => self.used_percent > known.used_percent,
        }
    }

    /// Returns the name of the window: `5 h`, `week`, and the limit if the plan has several.
    pub fn name(&self) -> String {
        let length = match self.window_minutes {
            WEEK => "week".to_owned(),
            n if n % 1440 == 0 => format!("{} d", n / 1440),
            n if n % 60 == 0 => format!("{} h", n / 60),
            n => format!("{n} min"),
        };
        match &self.limit {
            Some(limit) => format!("{length} ({limit})"),
            None => length,
        }
    }

    /// Adds newer reports to a list that has one report for each limit.
    pub fn merge(all: &mut Vec<PlanWindow>, newer: impl IntoIterator<Item = PlanWindow>) {
        for window in newer {
            match all.iter_mut().find(|w| w.is_same_limit(&window)) {
                Some(known) if window.replaces(known) => *known = window,
                Some(_) => {}
                None => all.push(window),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(minutes: u64, percent: f64, at: i64, resets: Option<i64>) -> Option<PlanWindow> {
        PlanWindow::new("codex", minutes, percent, Timestamp(at), resets.map(Timestamp))
    }

    #[test]
    fn a_window_is_current_until_it_ends() {
        let w = window(300, 12.5, 1_000, Some(5_000)).unwrap();
        assert!(w.is_current(Timestamp(4_999)) && !w.is_current(Timestamp(5_000)));
        let open = window(300, 1.0, 1_000, None).unwrap();
        assert_eq!(open.resets, Timestamp(1_000 + 300 * MINUTE_MS));
        for (minutes, percent) in [(0, 1.0), (u64::MAX - 9, 1.0), (300, -1.0), (300, f64::NAN), (300, 1e9)] {
            assert_eq!(window(minutes, percent, 1, None), None, "{minutes} {percent}");
        }
    }

    #[test]
    fn windows_are_named_by_their_length() {
        let name = |minutes| window(minutes, 1.0, 1, None).unwrap().name();
        assert_eq!(
            [299, 300, 10_079, 10_080, 1440, 30].map(name),
            ["5 h", "5 h", "week", "week", "1 d", "30 min"]
        );
        let model = PlanWindow { limit: Some("opus".to_owned()), ..window(10_080, 1.0, 1, None).unwrap() };
        assert_eq!(model.name(), "week (opus)");
    }

    #[test]
    fn the_time_of_a_report_does_not_decide_which_one_counts() {
        let report = |percent, at, resets| window(300, percent, at, Some(resets)).unwrap();
        let (hour, now) = (60 * MINUTE_MS, 1_000_000_000);
        let busy = report(60.0, now, now + hour);
        assert!(!report(15.0, now + 5, now + hour).replaces(&busy), "an idle terminal repeats an old figure");
        assert!(!report(90.0, now + 5, now - hour).replaces(&busy), "that window has ended");
        assert!(report(61.0, now - 5, now + hour + 1_000).replaces(&busy), "the used part only grows");
        assert!(report(3.0, now + 5, now + 5 * hour).replaces(&busy), "a new window began");
        assert!(
            report(60.0, now + 5, now + hour).replaces(&busy)
                && !report(60.0, now - 5, now + hour).replaces(&busy)
        );
    }

    #[test]
    fn the_newest_report_of_each_limit_is_kept() {
        let mut all = Vec::new();
        let report = |minutes, percent, at| window(minutes, percent, at, None).unwrap();
        PlanWindow::merge(&mut all, [report(300, 1.0, 5), report(10_080, 2.0, 5), report(300, 3.0, 4)]);
        PlanWindow::merge(&mut all, [report(300, 4.0, 6)]);
        assert_eq!(all.iter().map(|w| w.used_percent).collect::<Vec<_>>(), [4.0, 2.0]);
    }
}
