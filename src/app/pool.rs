//! Open archives, kept for the next call.
//!
//! Opening one costs more than most calls take, so those not in use wait here. Nothing is opened before the first
//! call needs it: starting the server touches no file.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use crate::trace::{Clock, Env};

use crate::app::config::Config;
use crate::app::{Actor, App, Context, Failure, Progress, Quiet};

/// No more than so many wait; a burst of calls opens more for as long as it lasts.
const KEPT: usize = 2;

/// Archives waiting for a call.
pub struct Pool {
    context: Context,
    free: Mutex<Vec<Held>>,
}

struct Held {
    app: App,
    file: Option<(u64, u64)>,
}

impl Pool {
    /// A pool with nothing open yet; calls act as `actor`.
    pub fn new(env: Env, clock: Arc<dyn Clock>, actor: Actor) -> Self {
        Pool { context: Context::new(env, clock, actor), free: Mutex::new(Vec::new()) }
    }

    /// Does something with an open archive.
    ///
    /// # Errors
    /// [`Failure`] where none can be opened or the configuration not be read.
    pub fn with<T>(
        &self,
        progress: Arc<dyn Progress>,
        cancel: Arc<AtomicBool>,
        work: impl FnOnce(&mut App) -> T,
    ) -> Result<T, Failure> {
        let mut held = self.take()?;
        held.app.ctx.progress = progress;
        held.app.ctx.cancel = cancel;
        let done = work(&mut held.app);
        held.app.ctx.progress = Arc::new(Quiet);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT {
            free.push(held);
        }
        Ok(done)
    }

    fn take(&self) -> Result<Held, Failure> {
        let dir = &self.context.env.clawgate_home;
        let database = dir.join("clawgate.db");
        let held = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut held) = held
            && held.file == identity(&database)
        {
            // Another process may have edited it since.
            held.app.config = Config::read(&dir.join("config.toml"))?;
            return Ok(held);
        }
        let app = App::open(self.context.clone())?;
        Ok(Held { app, file: identity(&database) })
    }
}

/// What tells a file from another one put in its place.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let meta = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((meta.dev(), meta.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = meta;
        Some((0, 0))
    }
}
