//! Questions to a person, on the controlling terminal only: never standard input, the environment or an argument.
//!
//! That a terminal is there, and that no agent's mark is in the environment, is evidence for a person and not
//! proof of one; proof is the passphrase.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zeroize::Zeroizing;

use crate::app::{Failure, Kind};
use crate::trace::Env;

use super::face::check_cancel;

/// Variables that coding agents set in the shells they run commands in, each with its agent.
const AGENT_MARKS: &[(&str, &str)] = &[
    ("CLAUDECODE", "Claude Code"),
    ("CLAUDE_CODE_ENTRYPOINT", "Claude Code"),
    ("CODEX_SANDBOX", "Codex"),
    ("CODEX_SANDBOX_NETWORK_DISABLED", "Codex"),
    ("CODEX_THREAD_ID", "Codex"),
    ("CODEX_CI", "Codex"),
    ("GEMINI_CLI", "Gemini CLI"),
    ("OPENCODE", "OpenCode"),
    ("CLINE_ACTIVE", "Cline"),
    ("CURSOR_AGENT", "Cursor"),
    ("QWEN_CODE", "Qwen Code"),
    ("OPENCLAW_SHELL", "OpenClaw"),
    ("AGENT", "an agent"),
    ("AI_AGENT", "an agent"),
];

#[cfg(unix)]
const TERMINAL: (&str, &str) = ("/dev/tty", "/dev/tty");
#[cfg(not(unix))]
const TERMINAL: (&str, &str) = ("CONIN$", "CONOUT$");

/// Why nobody vouches for a person being there, if so.
pub(super) fn person_absent(env: &Env) -> Option<String> {
    if let Some((name, agent)) = AGENT_MARKS.iter().find(|(name, _)| env.var(name).is_some()) {
        return Some(format!("This looks like a shell of {agent} ({name} is set)."));
    }
    // Agents run commands with standard input piped or closed, even where a terminal still controls them.
    (!io::stdin().is_terminal()).then(|| "There is no terminal to ask a person on.".to_owned())
}

/// The controlling terminal.
pub(super) struct Terminal {
    input: BufReader<File>,
    output: File,
    waiting: Arc<AtomicBool>,
    cancel: Arc<AtomicBool>,
}

/// Opens the controlling terminal, or says that a person has to run `command` in their own one.
///
/// # Errors
/// [`Failure`] of the kind that a human is needed.
pub(super) fn open(
    env: &Env,
    command: &str,
    waiting: Arc<AtomicBool>,
    cancel: Arc<AtomicBool>,
) -> Result<Terminal, Failure> {
    let absent = |why: String| {
        let message = format!("{why} A person has to run `{command}` in their own terminal.");
        Failure::new(Kind::HumanNeeded, "human_needed", message).hint(command)
    };
    if let Some(why) = person_absent(env) {
        return Err(absent(why));
    }
    let input = OpenOptions::new().read(true).open(TERMINAL.0);
    let output = OpenOptions::new().write(true).open(TERMINAL.1);
    match (input, output) {
        (Ok(input), Ok(output)) => Ok(Terminal { input: BufReader::new(input), output, waiting, cancel }),
        _ => Err(absent("There is no terminal to ask a person on.".to_owned())),
    }
}

fn lost(e: &io::Error) -> Failure {
    match e.kind() {
        io::ErrorKind::Interrupted => Failure::new(Kind::Cancelled, "cancelled", "Interrupted."),
        _ => Failure::new(Kind::Cancelled, "terminal_lost", format!("The terminal went away: {e}.")),
    }
}

impl Terminal {
    /// Asks for a line; `None` at the end of the input.
    pub fn line(&mut self, question: &str) -> Result<Option<String>, Failure> {
        let mut show = || -> io::Result<()> {
            write!(self.output, "{question}")?;
            self.output.flush()
        };
        show().map_err(|e| lost(&e))?;
        self.waiting.store(true, Ordering::SeqCst);
        let mut bytes = Vec::new();
        let read = self.input.read_until(b'\n', &mut bytes);
        self.waiting.store(false, Ordering::SeqCst);
        check_cancel(&self.cancel)?;
        match read.map_err(|e| lost(&e))? {
            0 => Ok(None),
            _ => Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned())),
        }
    }

    /// Asks for a line until it is not empty.
    pub fn required(&mut self, question: &str) -> Result<String, Failure> {
        loop {
            match self.line(question)? {
                Some(line) if line.is_empty() => {}
                Some(line) => return Ok(line),
                None => return Err(lost(&io::ErrorKind::UnexpectedEof.into())),
            }
        }
    }

    /// Asks for something that is not shown while it is typed.
    pub fn secret(&mut self, question: &str) -> Result<Zeroizing<String>, Failure> {
        let answer = rpassword::prompt_password(question).map(Zeroizing::new);
        check_cancel(&self.cancel)?;
        answer.map_err(|e| lost(&e))
    }

    /// Says something.
    pub fn say(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.output, "{text}").map_err(|e| lost(&e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_shell_is_told_by_its_variables() {
        let mut env = Env::bare("/h", "/c");
        env.vars.insert("CODEX_HOME".into(), "/h/.codex".into());
        env.vars.insert("AGENT".into(), String::new());
        assert!(!person_absent(&env).is_some_and(|why| why.contains("looks like")));
        env.vars.insert("CLAUDECODE".into(), "1".into());
        assert!(person_absent(&env).is_some_and(|why| why.contains("Claude Code")));
        let (waiting, cancel) = (Arc::default(), Arc::default());
        let Err(f) = open(&env, "clawgate sign r1", waiting, cancel) else { panic!("opened") };
        assert_eq!((f.exit_code(), f.hints), (4, vec!["clawgate sign r1".to_owned()]));
    }
}
