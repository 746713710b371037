//! `/api/…`: the JSON API of ClawTrace's cost engine, with its paths, parameters and field names.

use serde_json::json;

use crate::app::cost::{ClawTraceParams, ClawTraceReport};
use crate::app::{App, Failure};
use crate::web::request::{Request, number};
use crate::web::response::Response;

/// Maximum number of sessions in an answer.
const MAX_SESSIONS: u32 = 10_000;
/// Default number of sessions in an answer.
const DEFAULT_SESSIONS: u32 = 5;

/// `GET /api/health`: the server answers and its archive opens.
pub(super) fn health(_: &mut App, _: &Request) -> Result<Response, Failure> {
    Response::json(&json!({ "status": "ok" }))
}

/// `GET /api/summary`: the current day.
pub(super) fn summary(app: &mut App, request: &Request) -> Result<Response, Failure> {
    Response::json(&report(app, request)?.summary)
}

/// `GET /api/costs?range=7d`: cost by day. An invalid range means a week, as in ClawTrace.
pub(super) fn costs(app: &mut App, request: &Request) -> Result<Response, Failure> {
    let days = request.get("range").and_then(|r| number(r.trim_end_matches('d')));
    let params = ClawTraceParams { days, ..params(request) };
    Response::json(&app.clawtrace_report(&params)?.timeseries)
}

/// `GET /api/models`: cost by model over all time.
pub(super) fn models(app: &mut App, request: &Request) -> Result<Response, Failure> {
    Response::json(&report(app, request)?.models)
}

/// `GET /api/projects`: cost by project over all time.
pub(super) fn projects(app: &mut App, request: &Request) -> Result<Response, Failure> {
    Response::json(&report(app, request)?.projects)
}

/// `GET /api/sessions?n=5`: the most expensive sessions.
pub(super) fn sessions(app: &mut App, request: &Request) -> Result<Response, Failure> {
    let sessions = Some(request.number("n", DEFAULT_SESSIONS).min(MAX_SESSIONS));
    let params = ClawTraceParams { sessions, ..params(request) };
    Response::json(&app.clawtrace_report(&params)?.sessions)
}

/// `GET /api/anomalies`: days whose cost was unusually high.
pub(super) fn anomalies(app: &mut App, request: &Request) -> Result<Response, Failure> {
    Response::json(&report(app, request)?.anomalies)
}

fn params(request: &Request) -> ClawTraceParams {
    ClawTraceParams { timezone: request.timezone(), ..ClawTraceParams::default() }
}

fn report(app: &mut App, request: &Request) -> Result<ClawTraceReport, Failure> {
    app.clawtrace_report(&params(request))
}
