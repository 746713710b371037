//! Sends progress to the client: at most about ten notices per second, with rising values.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::{Peer, RoleServer};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::app::Progress;

/// Minimum time between two notices.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, PartialEq)]
struct Notice {
    done: u64,
    total: Option<u64>,
    what: String,
}

/// Receives the progress of a tool call.
pub(super) struct Reporter {
    out: mpsc::UnboundedSender<Notice>,
    last: Mutex<LastNotice>,
}

#[derive(Default)]
struct LastNotice {
    sent: Option<Instant>,
    value: u64,
    /// Value at the start of the current step. Each step counts from 0, but the protocol requires rising values.
    base: u64,
    done: u64,
}

impl Progress for Reporter {
    fn report(&self, what: &str, done: u64, total: u64) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if done < last.done {
            last.base = last.value;
        }
        last.done = done;
        let value = last.base.saturating_add(done);
        let ends = total > 0 && done >= total;
        if value <= last.value && last.sent.is_some()
            || (!ends && last.sent.is_some_and(|t| t.elapsed() < MIN_INTERVAL))
        {
            return;
        }
        last.sent = Some(Instant::now());
        last.value = value;
        let total = (total > 0).then(|| last.base.saturating_add(total));
        let _ = self.out.send(Notice { done: value, total, what: what.to_owned() });
    }
}

/// Returns a reporter, and the task that sends its notices to the client until the reporter is dropped.
#[expect(clippy::cast_precision_loss, reason = "the protocol counts in floating point")]
pub(super) fn to_client(peer: Peer<RoleServer>, token: ProgressToken) -> (Reporter, JoinHandle<()>) {
    let (reporter, mut notices) = channel();
    let pump = tokio::spawn(async move {
        while let Some(n) = notices.recv().await {
            let mut param = ProgressNotificationParam::new(token.clone(), n.done as f64).with_message(n.what);
            if let Some(total) = n.total {
                param = param.with_total(total as f64);
            }
            if peer.notify_progress(param).await.is_err() {
                return;
            }
        }
    });
    (reporter, pump)
}

fn channel() -> (Reporter, mpsc::UnboundedReceiver<Notice>) {
    let (out, notices) = mpsc::unbounded_channel();
    (Reporter { out, last: Mutex::default() }, notices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_reports_become_a_few_rising_notices() {
        let (reporter, mut notices) = channel();
        for step in ["first", "second"] {
            for i in 0..=10_000u64 {
                reporter.report(step, i, 10_000);
            }
        }
        drop(reporter);
        let mut seen = Vec::new();
        while let Ok(n) = notices.try_recv() {
            seen.push(n);
        }
        assert!((3..50).contains(&seen.len()), "{}", seen.len());
        assert!(seen.windows(2).all(|w| w[0].done < w[1].done), "{seen:?}");
        assert!(seen.iter().all(|n| n.total.is_some_and(|t| n.done <= t)), "{seen:?}");
        assert_eq!(seen.last().map(|n| (n.done, n.what.as_str())), Some((20_000, "second")));
    }
}
