//! Runs the detectors of the configuration as child processes that read and write JSON Lines.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::redact::{Detector, Detectors, ExternalSpan};

use crate::app::config::DetectorConfig;
use crate::app::{App, Failure};

/// Seconds that an answer may take unless the configuration says otherwise. The first answer may include loading a model.
const DEFAULT_TIMEOUT_SECONDS: u64 = 60;

#[derive(Serialize)]
struct DetectorRequest<'a> {
    id: u64,
    text: &'a str,
}

#[derive(Deserialize)]
struct DetectorReply {
    #[serde(default)]
    id: Option<u64>,
    #[serde(default)]
    spans: Vec<ExternalSpan>,
    #[serde(default)]
    error: Option<String>,
}

/// A running detector, which is stopped when this value is dropped.
struct DetectorProcess {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    timeout: Duration,
    /// Number of requests so far, which is the id of the last one.
    requests: u64,
}

impl DetectorProcess {
    #[expect(clippy::disallowed_methods, reason = "the person's configuration names this program")]
    fn start(config: &DetectorConfig) -> Result<Self, Failure> {
        let failed = |what: &str| {
            Failure::failed("detector", format!("The detector {:?} {what}.", config.name)).hint_command(
                "clawgate config",
                "names the file; check its entry in [[detectors]], or remove it",
            )
        };
        let Some((program, args)) = config.command.split_first() else {
            return Err(Failure::usage("bad_config", "A detector needs a command."));
        };
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| failed(&format!("does not start ({e})")))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("has no pipes"));
        };
        let (send, lines) = channel();
        // A thread reads the answers, because a read from a pipe has no timeout.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let timeout = Duration::from_secs(config.timeout_seconds.unwrap_or(DEFAULT_TIMEOUT_SECONDS).max(1));
        Ok(DetectorProcess {
            name: config.name.clone(),
            child,
            input: Some(input),
            lines,
            timeout,
            requests: 0,
        })
    }
}

impl Detector for DetectorProcess {
    fn name(&self) -> &str {
        &self.name
    }

    fn spans(&mut self, text: &str) -> Result<Vec<ExternalSpan>, String> {
        self.requests += 1;
        let mut line =
            serde_json::to_vec(&DetectorRequest { id: self.requests, text }).map_err(|e| e.to_string())?;
        line.push(b'\n');
        let input = self.input.as_mut().ok_or("is stopped")?;
        input
            .write_all(&line)
            .and_then(|()| input.flush())
            .map_err(|_| "ended before it answered".to_owned())?;
        loop {
            let line = self.lines.recv_timeout(self.timeout).map_err(|e| match e {
                RecvTimeoutError::Timeout => format!("did not answer within {} s", self.timeout.as_secs()),
                RecvTimeoutError::Disconnected => "ended before it answered".to_owned(),
            })?;
            // The answer may contain the sensitive text, so the reason does not quote it.
            let reply: DetectorReply = serde_json::from_str(&line)
                .map_err(|_| "answered with something that is not {\"spans\"}".to_owned())?;
            if reply.error.is_some() {
                return Err("reported an error".to_owned());
            }
            if reply.id.is_none_or(|id| id == self.requests) {
                return Ok(reply.spans);
            }
        }
    }
}

impl Drop for DetectorProcess {
    fn drop(&mut self) {
        // The end of its input tells the detector to finish.
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl App {
    /// Starts the detectors of the configuration.
    ///
    /// # Errors
    /// [`Failure`] if one does not start.
    pub fn detectors(&self) -> Result<Detectors, Failure> {
        let mut all: Vec<Box<dyn Detector>> = Vec::new();
        for config in &self.config.detectors {
            all.push(Box::new(DetectorProcess::start(config)?));
        }
        Ok(Detectors::new(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> DetectorConfig {
        DetectorConfig {
            name: "test".into(),
            command: vec!["sh".into(), "-c".into(), script.into()],
            timeout_seconds: Some(2),
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_detector_answers_line_by_line() {
        let script = r#"while read -r l; do echo '{"spans":[{"start":0,"end":3,"type":"NAME"}]}'; done"#;
        let mut p = DetectorProcess::start(&shell(script)).unwrap();
        for _ in 0..3 {
            let spans = p.spans("Ada has it").unwrap();
            assert_eq!((spans[0].start, spans[0].end, spans[0].kind.as_str()), (0, 3, "NAME"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_detector_that_is_silent_invalid_or_dead_fails() {
        for (script, want) in [
            ("sleep 60", "did not answer"),
            ("read -r l; echo hello", "not {\"spans\"}"),
            ("exit 0", "ended"),
            (r#"read -r l; echo '{"error":"x"}'"#, "reported an error"),
        ] {
            let mut p = DetectorProcess::start(&shell(script)).unwrap();
            let reason = p.spans("some text").unwrap_err();
            assert!(reason.contains(want), "{script}: {reason}");
        }
        let none =
            DetectorConfig { name: "x".into(), command: vec!["/nowhere/x".into()], timeout_seconds: None };
        assert!(DetectorProcess::start(&none).is_err());
    }
}
