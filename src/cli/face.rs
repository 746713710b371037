//! What every verb works with: the application, where answers go, and how failures read.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::app::release::Position;
use crate::app::{Actor, App, Context, Failure, Kind, Quiet, text::sanitize};
use crate::trace::Timestamp;

use super::Edge;
use super::progress::Bars;
use super::prompt::{self, Terminal};
use super::render::{bold, cyan, dim, red};

/// Why a verb ended other than by being done.
pub(super) enum End {
    /// It failed; the failure is still to be told.
    Failure(Failure),
    /// Nobody reads our output any more: no failure of ours.
    Pipe,
    /// All was said; only the exit code is left.
    Code(u8),
}

impl From<Failure> for End {
    fn from(f: Failure) -> Self {
        End::Failure(f)
    }
}

impl From<io::Error> for End {
    fn from(e: io::Error) -> Self {
        match e.kind() {
            io::ErrorKind::BrokenPipe => End::Pipe,
            _ => End::Failure(Failure::failed("output", format!("cannot write the answer: {e}"))),
        }
    }
}

/// The exit code after clap wrote to standard output.
pub(super) fn end_of_pipe(written: io::Result<()>) -> u8 {
    match written {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => 1,
        _ => 0,
    }
}

/// One command line at work.
pub(super) struct Face {
    /// What only the process's edge knows.
    pub edge: Edge,
    /// Whether the answer is JSON.
    pub json: bool,
    /// Bars, where a person watches.
    bars: Option<Arc<Bars>>,
    app: Option<App>,
}

impl Face {
    pub fn new(edge: Edge, json: bool) -> Self {
        let bars = (io::stderr().is_terminal() && !json).then(|| Arc::new(Bars::default()));
        Face { edge, json, bars, app: None }
    }

    /// The surroundings as a use-case wants them.
    pub fn context(&self) -> Context {
        // Where no terminal is, or an agent's marks are, nobody vouches for a person being there. This only narrows
        // what may be done; that a person approved is shown by the passphrase alone.
        let person = prompt::person_absent(&self.edge.env).is_none();
        let actor = if person { Actor::Person } else { Actor::Agent };
        let mut ctx = Context::new(self.edge.env.clone(), Arc::clone(&self.edge.clock), actor);
        ctx.cancel = Arc::clone(&self.edge.cancel);
        ctx.progress = match &self.bars {
            Some(bars) => Arc::clone(bars) as _,
            None => Arc::new(Quiet),
        };
        ctx
    }

    /// The application, opened at the first call.
    pub fn app(&mut self) -> Result<&mut App, Failure> {
        let app = match self.app.take() {
            Some(app) => app,
            None => App::open(self.context())?,
        };
        Ok(self.app.insert(app))
    }

    /// Closes the application, so that the next call opens it anew.
    pub fn close(&mut self) {
        self.app = None;
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.edge.clock.now()
    }

    /// Whether standard output is read by a person.
    pub fn on_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Columns that a line may take; no limit where no terminal is.
    pub fn width(&self) -> usize {
        if !self.on_terminal() {
            return usize::MAX;
        }
        let asked = self.edge.env.var("COLUMNS").and_then(|c| c.parse().ok());
        let seen = || terminal_size::terminal_size().map(|(w, _)| usize::from(w.0));
        asked.or_else(seen).unwrap_or(100).max(40)
    }

    /// The controlling terminal, for questions to the person.
    ///
    /// # Errors
    /// [`Failure`] that a human is needed, with the command they are to run.
    pub fn terminal(&self, command: &str) -> Result<Terminal, Failure> {
        self.clear_bars();
        prompt::open(&self.edge.env, command, Arc::clone(&self.edge.waiting), Arc::clone(&self.edge.cancel))
    }

    /// Whether questions can be asked.
    pub fn can_ask(&self) -> bool {
        !self.json && prompt::person_absent(&self.edge.env).is_none()
    }

    /// Writes text for people to standard output.
    pub fn print(&self, text: &str) -> Result<(), End> {
        self.clear_bars();
        let mut out = anstream::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }

    /// Shows a text page by page where a person reads it on a terminal; else writes it.
    pub fn page(&self, text: &str) -> Result<(), End> {
        let person = self.on_terminal() && io::stdin().is_terminal() && self.can_ask();
        let asked = self.edge.env.var("PAGER").map(str::to_owned);
        let command = asked.unwrap_or_else(|| "less -FRX".to_owned());
        let words: Vec<&str> = command.split_whitespace().collect();
        if !person || matches!(words[..], [] | ["cat"]) {
            return self.print(text);
        }
        self.clear_bars();
        let plain = anstream::AutoStream::choice(&io::stdout()) == anstream::ColorChoice::Never;
        let shown = if plain { anstream::adapter::strip_str(text).to_string() } else { text.to_owned() };
        match (self.edge.pager)(&words, &shown) {
            Ok(()) => Ok(()),
            Err(_) => self.print(text),
        }
    }

    /// Writes bytes as they are to standard output.
    pub fn print_raw(&self, bytes: &[u8]) -> Result<(), End> {
        self.clear_bars();
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()?;
        Ok(())
    }

    fn clear_bars(&self) {
        if let Some(bars) = &self.bars {
            bars.clear();
        }
    }

    /// Answers with exactly this value; `human` renders it for people, followed by the next step.
    pub fn answer<T: Serialize>(&mut self, report: &T, human: impl FnOnce(&T) -> String) -> Result<(), End> {
        if self.json {
            return self.print_json(report);
        }
        let text = human(report);
        self.print(&text)?;
        self.print_next()
    }

    /// The same, where the JSON also says where the user stands.
    pub fn answer_placed<T: Serialize>(
        &mut self,
        report: &T,
        human: impl FnOnce(&T) -> String,
    ) -> Result<(), End> {
        if !self.json {
            return self.answer(report, human);
        }
        let mut value = to_value(report)?;
        let position = self.app()?.position()?;
        if let Value::Object(map) = &mut value {
            place(map, &position);
        }
        self.print_json(&value)
    }

    /// Written as it is made: a report can have a million lines.
    fn print_json<T: Serialize>(&self, value: &T) -> Result<(), End> {
        self.clear_bars();
        let mut out = io::BufWriter::new(io::stdout().lock());
        let done = match self.on_terminal() {
            true => serde_json::to_writer_pretty(&mut out, value),
            false => serde_json::to_writer(&mut out, value),
        };
        match done {
            Err(e) if e.is_io() => return Err(io::Error::from(e).into()),
            done => done.map_err(|e| Failure::failed("json", e.to_string()))?,
        }
        out.write_all(b"\n")?;
        out.flush()?;
        Ok(())
    }

    /// Prints what is next.
    pub fn print_next(&mut self) -> Result<(), End> {
        let position = self.app()?.position()?;
        let person = self.app()?.ctx.actor == Actor::Person;
        self.print(&next_text(&position, person))
    }

    /// Tells a failure; returns the exit code.
    pub fn failed(&mut self, f: &Failure) -> u8 {
        self.clear_bars();
        let _ = if self.json { self.failed_json(f) } else { self.failed_text(f) };
        f.exit_code()
    }

    fn failed_json(&mut self, f: &Failure) -> Result<(), End> {
        let mut map = Map::new();
        map.insert("error".into(), json!({ "code": f.code, "kind": f.kind, "message": f.message }));
        map.insert("hints".into(), json!(f.hints));
        map.insert("refusal".into(), json!(f.refusal));
        let position = match &mut self.app {
            Some(app) => app.position().ok(),
            None => None,
        };
        match position {
            Some(position) => place(&mut map, &position),
            None => {
                map.insert("state".into(), Value::Null);
                map.insert("next".into(), Value::Null);
            }
        }
        self.print_json(&Value::Object(map))
    }

    fn failed_text(&self, f: &Failure) -> Result<(), End> {
        let mut err = anstream::stderr().lock();
        // A refusal's own words say the next step for both faces; here the hints do.
        let message = match &f.refusal {
            Some(r) => {
                let missing = match r.missing.is_empty() {
                    true => String::new(),
                    false => format!(" Missing: {}.", r.missing.join("; ")),
                };
                format!("{} (state: {}).{missing}", r.code.meaning(), r.state)
            }
            None => f.message.clone(),
        };
        writeln!(err, "{} {}", red("error:"), sanitize(&message))?;
        for hint in &f.hints {
            writeln!(err, "{} {}", cyan("next:"), sanitize(hint))?;
        }
        if f.hints.is_empty() && f.kind == Kind::Usage {
            writeln!(err, "{} clawgate --help", cyan("next:"))?;
        }
        Ok(())
    }
}

fn to_value<T: Serialize>(report: &T) -> Result<Value, Failure> {
    serde_json::to_value(report).map_err(|e| Failure::failed("json", e.to_string()))
}

/// Adds where the user stands; what the report says itself stays.
fn place(map: &mut Map<String, Value>, position: &Position) {
    if let Ok(Value::Object(place)) = serde_json::to_value(position) {
        for (key, value) in place {
            map.entry(key).or_insert(value);
        }
    }
}

/// The next step as the last lines of an answer.
pub(super) fn next_text(position: &Position, person: bool) -> String {
    let mut text = format!("\n{} {}\n", cyan("next:"), bold(&sanitize(&position.next.command)));
    if let Some(action) = position.human_action.as_ref().filter(|_| !person) {
        text.push_str(&format!("      {}\n", dim(&sanitize(action))));
    }
    text
}

/// Fails once the person pressed Ctrl-C.
pub(super) fn check_cancel(cancel: &std::sync::atomic::AtomicBool) -> Result<(), Failure> {
    match cancel.load(Ordering::SeqCst) {
        true => Err(Failure::new(Kind::Cancelled, "cancelled", "Interrupted; what was done so far is kept.")),
        false => Ok(()),
    }
}
