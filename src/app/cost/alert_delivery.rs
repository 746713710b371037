//! Alerts that leave the terminal: to the webhook and the command of the configuration, once a window.

use std::io;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::trace::Timestamp;
use crate::usage::Alert;

use crate::app::http::{Post, check, post};
use crate::app::{App, Failure};

/// Starts a program with these arguments, writes the text to its standard input and waits for it; whether it ended
/// well. Only the edge starts processes.
pub type RunCommand = fn(&[String], &str) -> io::Result<bool>;

/// A webhook is tried again after so long.
const RETRIES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// What was delivered.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Delivery {
    /// Alerts that were newly due.
    pub alerts: Vec<RaisedAlert>,
    /// Where they went: `webhook`, `command`; empty where nothing is configured.
    pub delivered_to: Vec<&'static str>,
    /// What went wrong on the way.
    pub problems: Vec<String>,
}

/// An alert with its sentence.
#[derive(Debug, Clone, Serialize)]
pub struct RaisedAlert {
    /// The alert.
    #[serde(flatten)]
    pub alert: Alert,
    /// What happened, in a sentence.
    pub message: String,
}

impl From<Alert> for RaisedAlert {
    fn from(alert: Alert) -> Self {
        RaisedAlert { message: alert.message(), alert }
    }
}

/// What goes out: figures, session keys, sentences; no text of any session.
fn body(alerts: &[RaisedAlert], at: Timestamp) -> String {
    let text: Vec<&str> = alerts.iter().map(|a| a.message.as_str()).collect();
    // `text` is what chat webhooks show.
    json!({ "source": "clawgate", "at": at, "text": text.join("\n"), "alerts": alerts }).to_string()
}

impl App {
    /// Whether alerts go anywhere but the terminal.
    pub fn delivers(&self) -> bool {
        self.config.alerts.webhook.is_some() || !self.config.alerts.command.is_empty()
    }

    /// Delivers the alerts that are newly due. Each counts as raised from then on, also where the way was broken:
    /// it is tried again when its window is over and not sooner, so that a dead webhook is not hammered.
    ///
    /// # Errors
    /// [`Failure`] where the archive refuses; what goes wrong on the way is in the answer.
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
                Ok(false) => out.problems.push("command: it ended with an error".to_owned()),
                Err(e) => out.problems.push(format!("command: cannot start it: {e}")),
            }
        }
        Ok(out)
    }
}

fn send(url: &str, body: &str) -> Result<(), Failure> {
    check(url, false)?;
    let request = Post { url, headers: &[], body };
    for wait in RETRIES {
        if post(&request).is_ok() {
            return Ok(());
        }
        std::thread::sleep(wait);
    }
    post(&request).map(drop)
}
