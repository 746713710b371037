//! The pages. One more of them: a file here, its `mod` line and its line in `PAGES`.

mod anomalies;
mod costs;
mod health;
mod home;
mod markup;
mod metrics;
mod models;
mod projects;
mod sessions;
mod style;
mod summary;

use crate::app::{App, Failure};

use super::answer::Answer;
use super::ask::Ask;

/// One page or one answer of the API.
pub(super) struct Page {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Its path; `{name}` stands for one part of it.
    pub path: &'static str,
    /// What it answers.
    pub answer: fn(&mut App, &Ask) -> Result<Answer, Failure>,
}

const fn get(path: &'static str, answer: fn(&mut App, &Ask) -> Result<Answer, Failure>) -> Page {
    Page { method: "GET", path, answer }
}

/// Every page there is.
pub(super) const PAGES: &[Page] = &[
    get("/", home::answer),
    get("/style.css", style::answer),
    get("/api/health", health::answer),
    get("/api/summary", summary::answer),
    get("/api/costs", costs::answer),
    get("/api/models", models::answer),
    get("/api/projects", projects::answer),
    get("/api/sessions", sessions::answer),
    get("/api/anomalies", anomalies::answer),
    get("/metrics", metrics::answer),
];

/// The time zone that was asked for.
fn timezone(ask: &Ask) -> Option<String> {
    ask.get("timezone").map(str::to_owned)
}
