//! The windows of the user's plans that have not ended.

use crate::app::{App, Failure};
use crate::trace::PlanWindow;

/// An unchanged report is stored again only after this time, because storing it makes the status line slower.
const MIN_RENEWAL_MS: i64 = 60_000;

impl App {
    /// Returns the newest report of each limit of the user's plans, as far as its window has not ended.
    ///
    /// # Errors
    /// [`Failure`] if the archive refuses.
    pub fn plan_windows(&self) -> Result<Vec<PlanWindow>, Failure> {
        let mut windows = self.archive.plan_windows()?;
        let now = self.now();
        windows.retain(|w| w.is_current(now));
        Ok(windows)
    }

    /// Stores what an agent tells about the limits of the user's plan.
    ///
    /// # Errors
    /// [`Failure`] if the archive refuses.
    pub fn observe_plan_windows(&mut self, windows: &[PlanWindow]) -> Result<(), Failure> {
        let known = self.archive.plan_windows()?;
        let is_known = |new: &PlanWindow| {
            known.iter().any(|old| {
                let age = new.observed.millis().saturating_sub(old.observed.millis());
                old.is_same_limit(new)
                    && (old.used_percent, old.resets) == (new.used_percent, new.resets)
                    && age < MIN_RENEWAL_MS
            })
        };
        let new: Vec<PlanWindow> = windows.iter().filter(|w| !is_known(w)).cloned().collect();
        if !new.is_empty() {
            self.archive.put_plan_windows(&new)?;
        }
        Ok(())
    }
}
