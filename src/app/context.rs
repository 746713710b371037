//! What a use-case works with: the surroundings, the archive, progress and cancellation.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::store::Archive;
use crate::trace::{Clock, Env, Timestamp};
use crate::workflow::Actor;

use crate::app::Failure;
use crate::app::config::Config;
use crate::app::failure::Kind;

/// Where long work reports how far it is.
pub trait Progress: Send + Sync {
    /// `done` of `total` units (0 where unknown) of the step `what`.
    fn report(&self, what: &str, done: u64, total: u64);

    /// The same for a step whose parts are told apart: name, done, total each.
    fn report_parts(&self, what: &str, parts: &[(&str, u64, u64)]) {
        let (done, total) = parts.iter().fold((0, 0), |(d, t), part| (d + part.1, t + part.2));
        self.report(what, done, total);
    }
}

/// Reports to nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn report(&self, _what: &str, _done: u64, _total: u64) {}
}

/// What the edge passes in; cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// Surroundings.
    pub env: Arc<Env>,
    /// Clock.
    pub clock: Arc<dyn Clock>,
    /// Where progress goes.
    pub progress: Arc<dyn Progress>,
    /// Set when the caller wants to stop.
    pub cancel: Arc<AtomicBool>,
    /// Who is asking.
    pub actor: Actor,
    /// The name that an agent's client gives itself, where it does; a claim, kept with what it read.
    pub client: Option<String>,
}

impl Context {
    /// A context that reports to nobody.
    pub fn new(env: Env, clock: Arc<dyn Clock>, actor: Actor) -> Self {
        Context {
            env: Arc::new(env),
            clock,
            progress: Arc::new(Quiet),
            cancel: Arc::new(AtomicBool::new(false)),
            actor,
            client: None,
        }
    }

    /// Who is asking, as review evidence names them: `person`, `agent`, or `agent:` and the client's name.
    pub fn reader(&self) -> String {
        let word = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
        let client: String = self.client.iter().flat_map(|c| c.chars()).filter(word).take(40).collect();
        match (self.actor, client.is_empty()) {
            (Actor::Agent, false) => format!("agent:{client}"),
            (actor, _) => actor.as_str().to_owned(),
        }
    }

    /// Fails with [`Kind::Cancelled`] once the caller wants to stop.
    ///
    /// # Errors
    /// The cancellation itself.
    pub fn check(&self) -> Result<(), Failure> {
        if self.cancel.load(Ordering::Relaxed) {
            let f = Failure::new(Kind::Cancelled, "cancelled", "Interrupted; what was done so far is kept.");
            return Err(f.hint("run the same command again to go on"));
        }
        Ok(())
    }
}

/// One user's clawgate, open: the context, the archive and the configuration.
pub struct App {
    /// Context.
    pub ctx: Context,
    /// Archive.
    pub archive: Archive,
    /// Configuration, as read when the application was opened.
    pub config: Config,
}

impl App {
    /// Opens the archive and reads the configuration.
    ///
    /// # Errors
    /// [`Failure`] where our directory cannot be made, the archive not opened or the configuration not read.
    pub fn open(ctx: Context) -> Result<Self, Failure> {
        let dir = &ctx.env.clawgate_home;
        crate::app::fs::make_private_dir(dir)?;
        let archive = Archive::open(&dir.join("clawgate.db"))?;
        let config = Config::read(&dir.join("config.toml"))?;
        Ok(App { ctx, archive, config })
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.ctx.clock.now()
    }

    /// Our own directory.
    pub fn dir(&self) -> PathBuf {
        self.ctx.env.clawgate_home.clone()
    }
}

#[cfg(test)]
mod tests {
    use crate::trace::{FixedClock, Timestamp};

    use super::*;

    #[test]
    fn no_client_passes_for_a_person() {
        let of = |actor, client: Option<&str>| {
            let mut ctx = Context::new(Env::bare("/h", "/c"), Arc::new(FixedClock(Timestamp(0))), actor);
            ctx.client = client.map(str::to_owned);
            ctx.reader()
        };
        assert_eq!(of(Actor::Agent, None), "agent");
        assert_eq!(of(Actor::Agent, Some("claude-code")), "agent:claude-code");
        assert_eq!(of(Actor::Agent, Some("person")), "agent:person");
        assert_eq!(of(Actor::Agent, Some("\u{202e} \n")), "agent");
        assert_eq!(of(Actor::Person, Some("person")), "person");
    }
}
