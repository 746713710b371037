//! Progress bars on standard error.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::app::Progress;

use super::table::{text_width, truncate};

/// The progress bars of the current step.
#[derive(Default)]
pub(super) struct Bars {
    current: Mutex<Option<StepBars>>,
}

/// The bars of one step: one bar for each part, or a single bar with an empty name.
struct StepBars {
    name: String,
    bars: Vec<(String, ProgressBar)>,
    all: MultiProgress,
}

impl Bars {
    /// Removes the bars, so that text can be printed.
    pub fn clear(&self) {
        if let Some(step) = self.current.lock().unwrap_or_else(PoisonError::into_inner).take() {
            step.clear();
        }
    }
}

impl StepBars {
    fn clear(self) {
        self.bars.into_iter().for_each(|(_, bar)| bar.finish_and_clear());
        // If the terminal is closed, nothing needs to be cleared.
        let _ = self.all.clear();
    }
}

impl Progress for Bars {
    fn report(&self, what: &str, done: u64, total: u64) {
        self.report_parts(what, &[("", done, total)]);
    }

    fn report_parts(&self, what: &str, parts: &[(&str, u64, u64)]) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_none_or(|step| step.name != what) {
            if let Some(step) = current.take() {
                step.clear();
            }
            *current = Some(StepBars { name: what.to_owned(), bars: Vec::new(), all: MultiProgress::new() });
        }
        let Some(step) = current.as_mut() else { return };
        let width = parts.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
        for (name, done, total) in parts {
            let known = step.bars.iter().position(|(part, _)| part == name);
            let at = known.unwrap_or_else(|| {
                let label = if name.is_empty() { what.to_owned() } else { format!("{name:width$}") };
                // Added before it is drawn: a bar that draws itself first leaves a line behind.
                let bar = step.all.add(ProgressBar::new(*total));
                set_up(&bar, what, &label, *total);
                step.bars.push(((*name).to_owned(), bar));
                step.bars.len() - 1
            });
            if let Some((_, bar)) = step.bars.get(at) {
                bar.set_length((*total).max(*done));
                bar.set_position(*done);
            }
        }
    }
}

/// Columns of a line besides its label and its bar: numbers, units and the remaining time.
const FIGURES_WIDTH: usize = 36;

/// Sets what a bar shows. The line never fills the terminal, because some terminals would then begin a new line.
fn set_up(bar: &ProgressBar, what: &str, label: &str, total: u64) {
    let width = terminal_size::terminal_size_of(std::io::stderr()).map_or(80, |(w, _)| usize::from(w.0));
    let label = truncate(label, width.saturating_sub(FIGURES_WIDTH).clamp(8, 40));
    let drawn = width.saturating_sub(FIGURES_WIDTH + text_width(&label)).min(30);
    let drawn = if drawn < 6 { String::new() } else { format!("{{bar:{drawn}}} ") };
    let bytes = matches!(what, "reading logs" | "sending");
    let template = match (total, bytes) {
        (0, _) => "{spinner} {msg} {pos}".to_owned(),
        (_, true) => format!("{{msg}} {drawn}{{bytes}}/{{total_bytes}} {{eta}}"),
        (_, false) => format!("{{msg}} {drawn}{{pos}}/{{len}} {{eta}}"),
    };
    // If a template does not parse, the default bar is used.
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    }
    bar.set_message(label);
    bar.enable_steady_tick(Duration::from_millis(200));
}
