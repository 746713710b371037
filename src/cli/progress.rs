//! Progress bars on standard error, where a person watches.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::app::Progress;

/// One bar at a time, named by the step it stands for.
#[derive(Default)]
pub(super) struct Bars {
    now: Mutex<Option<(String, ProgressBar)>>,
}

impl Bars {
    /// Takes the bar away, so that text can be written.
    pub fn clear(&self) {
        if let Some((_, bar)) = self.now.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Bars {
    fn report(&self, what: &str, done: u64, total: u64) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now.as_ref().is_none_or(|(name, _)| name != what) {
            if let Some((_, bar)) = now.take() {
                bar.finish_and_clear();
            }
            *now = Some((what.to_owned(), bar(what, total)));
        }
        if let Some((_, bar)) = now.as_ref() {
            bar.set_length(total.max(done));
            bar.set_position(done);
        }
    }
}

fn bar(what: &str, total: u64) -> ProgressBar {
    let bytes = matches!(what, "reading logs" | "sending");
    let template = match (total, bytes) {
        (0, _) => "{spinner} {msg} {pos}",
        (_, true) => "{msg} {bar:30} {bytes}/{total_bytes} {eta}",
        (_, false) => "{msg} {bar:30} {pos}/{len} {eta}",
    };
    let bar = ProgressBar::new(total);
    // A template that does not parse leaves the default bar.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    }
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
