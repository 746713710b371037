//! A pool of open archives for the servers.
//!
//! Opening an archive takes longer than most calls, so that archives are reused. The first one is opened by the first call:
//! starting a server touches no file.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use crate::platform::file_id;
use crate::trace::{Clock, Env};

use crate::app::config::Config;
use crate::app::{Actor, App, Context, Failure, Progress, Quiet};

/// Maximum number of idle archives. More are opened while more calls run at the same time.
const MAX_IDLE: usize = 2;

/// Open archives that no request uses at the moment.
pub struct Pool {
    context: Context,
    idle: Mutex<Vec<PooledApp>>,
}

struct PooledApp {
    app: App,
    /// Identity of the database file when it was opened.
    file: Option<(u64, u64)>,
}

impl Pool {
    /// Returns an empty pool. Calls act as `actor`.
    pub fn new(env: Env, clock: Arc<dyn Clock>, actor: Actor) -> Self {
        Pool { context: Context::new(env, clock, actor), idle: Mutex::new(Vec::new()) }
    }

    /// Runs `work` with an open archive.
    ///
    /// # Errors
    /// [`Failure`] if the archive cannot be opened or the configuration is invalid.
    pub fn with<T>(
        &self,
        progress: Arc<dyn Progress>,
        cancel: Arc<AtomicBool>,
        work: impl FnOnce(&mut App) -> T,
    ) -> Result<T, Failure> {
        let mut pooled = self.take()?;
        pooled.app.ctx.progress = progress;
        pooled.app.ctx.cancel = cancel;
        let done = work(&mut pooled.app);
        pooled.app.ctx.progress = Arc::new(Quiet);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(pooled);
        }
        Ok(done)
    }

    fn take(&self) -> Result<PooledApp, Failure> {
        let dir = &self.context.env.clawgate_home;
        let database = dir.join("clawgate.db");
        let pooled = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut pooled) = pooled
            && pooled.file == identity(&database)
        {
            // Another process may have edited the file.
            pooled.app.config = Config::read(&dir.join("config.toml"))?;
            return Ok(pooled);
        }
        let app = App::open(self.context.clone())?;
        Ok(PooledApp { app, file: identity(&database) })
    }
}

/// Returns the device and inode of a file, which differ if the file was replaced.
fn identity(path: &Path) -> Option<(u64, u64)> {
    // A system without file ids has the same one for every file that exists.
    std::fs::metadata(path).ok().map(|meta| file_id(&meta).unwrap_or_default())
}
