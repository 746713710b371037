//! Layer 6: the use cases that every interface calls, grouped by area, and the one [`Failure`] that they return.

pub(crate) mod agents;
pub mod audit;
mod cache;
pub mod config;
pub mod context;
pub mod cost;
pub mod doctor;
pub mod environment;
mod failure;
pub(crate) mod fs;
mod http;
pub mod install;
pub mod pool;
mod projects;
pub mod random;
pub mod redaction;
pub mod release;
pub mod scan;
pub mod server_token;
pub mod sessions;
pub(crate) mod shell;
pub mod status;
pub mod text;
pub mod time_zone;

pub use crate::workflow::Actor;
pub use context::{App, Context, FormReply, Progress, Quiet};
pub use failure::{Failure, Kind, command_of_hint};
