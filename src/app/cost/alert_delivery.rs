//! Delivers alerts to the configured webhook and command, once per window.

use std::io;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::trace::Timestamp;
use crate::usage::Alert;

use crate::app::http::Poster;
use crate::app::{App, Failure};

/// Starts a program with these arguments, writes the text to its standard input and waits for it. Returns whether the
/// program succeeded. Only the edge starts processes.
pub type RunCommand = fn(&[String], &str) -> io::Result<bool>;

/// Waiting times before each retry of a webhook.
const RETRY_DELAYS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// Result of a delivery.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Delivery {
    /// Alerts that were newly due.
    pub alerts: Vec<RaisedAlert>,
    /// The destinations that accepted the alerts: `webhook`, `command`.
    pub delivered_to: Vec<&'static str>,
    /// Why a destination did not accept the alerts.
    pub problems: Vec<String>,
}

/// An alert with its sentence.
#[derive(Debug, Clone, Serialize)]
pub struct RaisedAlert {
    #[serde(flatten)]
    pub alert: Alert,
    /// A sentence that describes the alert.
    pub message: String,
}

impl From<Alert> for RaisedAlert {
    fn from(alert: Alert) -> Self {
        RaisedAlert { message: alert.message(), alert }
    }
}

/// Returns the JSON that is sent: figures, session keys and sentences, but no text of a session.
fn body(alerts: &[RaisedAlert], at: Timestamp) -> String {
    let text: Vec<&str> = alerts.iter().map(|a| a.message.as_str()).collect();
    // Chat webhooks show the field `text`.
    json!({ "source": "clawgate", "at": at, "text": text.join("\n"), "alerts": alerts }).to_string()
}

impl App {
    /// Returns whether a webhook or a command is configured.
    pub fn delivers(&self) -> bool {
        self.config.alerts.webhook.is_some() || !self.config.alerts.command.is_empty()
    }

    /// Delivers the alerts that are newly due. Each one counts as raised even if its delivery fails. It is repeated in
    /// the next window and not earlier, so that an unreachable webhook is not called all the time.
    ///
    /// # Errors
    /// [`Failure`] if the archive refuses. Failed deliveries are in [`Delivery::problems`].
    pub fn deliver_alerts(&mut self, run: RunCommand) -> Result<Delivery, Failure> {
        let at = self.now();
        let alerts: Vec<RaisedAlert> = self.alerts()?.into_iter().map(RaisedAlert::from).collect();
        let mut out = Delivery { alerts, ..Delivery::default() };
        if out.alerts.is_empty() {
            return Ok(out);
        }
        let text = body(&out.alerts, at);
        if let Some(url) = self.config.alerts.webhook.clone() {
            match send(&url, &text) {
                Ok(()) => out.delivered_to.push("webhook"),
                Err(e) => out.problems.push(format!("webhook: {}", e.message)),
            }
        }
        let command = &self.config.alerts.command;
        if !command.is_empty() {
            match run(command, &format!("{text}\n")) {
                Ok(true) => out.delivered_to.push("command"),
                Ok(false) => out.problems.push("command: it exited with an error".to_owned()),
                Err(e) => out.problems.push(format!("command: cannot start it: {e}")),
            }
        }
        Ok(out)
    }
}

fn send(url: &str, body: &str) -> Result<(), Failure> {
    let poster = Poster::new(url, &[])?;
    for wait in RETRY_DELAYS {
        if poster.post(body).is_ok() {
            return Ok(());
        }
        std::thread::sleep(wait);
    }
    poster.post(body).map(drop)
}
