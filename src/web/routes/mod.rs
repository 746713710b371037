//! The routes. To add one, add its function to a file here and its line to `ROUTES`.

mod api;
mod dashboard;
mod metrics;
mod style;

use crate::app::{App, Failure};

use super::request::Request;
use super::response::Response;

/// The function that answers a request.
pub(super) type Handler = fn(&mut App, &Request) -> Result<Response, Failure>;

/// A path and the function that answers `GET` and `HEAD` requests for it.
pub(super) struct Route {
    pub path: &'static str,
    pub handler: Handler,
}

const fn get(path: &'static str, handler: Handler) -> Route {
    Route { path, handler }
}

pub(super) const ROUTES: &[Route] = &[
    get("/", dashboard::page),
    get("/style.css", style::sheet),
    get("/api/health", api::health),
    get("/api/summary", api::summary),
    get("/api/costs", api::costs),
    get("/api/models", api::models),
    get("/api/projects", api::projects),
    get("/api/sessions", api::sessions),
    get("/api/anomalies", api::anomalies),
    get("/metrics", metrics::metrics),
];

/// Returns the route with this path.
pub(super) fn find(path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.path == path)
}
