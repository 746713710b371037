//! `GET /metrics`: counters for Prometheus.

use crate::app::{App, Failure};
use crate::web::request::Request;
use crate::web::response::Response;

pub(super) fn metrics(app: &mut App, _: &Request) -> Result<Response, Failure> {
    let (usage, live) = app.usage_metrics_with_current()?;
    Ok(Response::text("text/plain; version=0.0.4; charset=utf-8", usage.prometheus(&live)))
}
