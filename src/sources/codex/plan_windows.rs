//! Reads how much of the limits of the user's plan is used.

use crate::sources::codex::AGENT;
use crate::sources::codex::record::RateLimits;
use crate::trace::{FIVE_HOURS, PlanWindow, Timestamp, WEEK};

/// Returns the windows that an event at a time reports. A window is known by its length: a plan without a window of hours
/// has the weekly one in the first place.
pub(super) fn plan_windows<'a>(
    limits: &'a RateLimits<'_>,
    now: Timestamp,
) -> impl Iterator<Item = PlanWindow> + 'a {
    let name = limits.limit_name.some().or(limits.limit_id.some()).filter(|n| *n != AGENT);
    let windows = [(&limits.primary.0, FIVE_HOURS), (&limits.secondary.0, WEEK)];
    windows.into_iter().filter_map(move |(window, usual_minutes)| {
        let window = window.as_ref()?;
        let used = window.used_percent.0?;
        let seconds = |s: i64| s.checked_mul(1000);
        let resets = match (window.resets_at.0, window.resets_in_seconds.0) {
            (Some(at), _) => seconds(at),
            (None, Some(after)) => seconds(after).and_then(|ms| ms.checked_add(now.millis())),
            (None, None) => None,
        };
        let minutes = Some(window.window_minutes.count()).filter(|n| *n > 0).unwrap_or(usual_minutes);
        let found = PlanWindow::new(AGENT, minutes, used, now, resets.map(Timestamp))?;
        Some(PlanWindow { limit: name.map(str::to_owned), ..found })
    })
}
