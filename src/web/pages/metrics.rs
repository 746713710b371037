//! `/metrics`: the counters for Prometheus.

use crate::app::cost::LiveParams;
use crate::app::{App, Failure};
use crate::web::answer::Answer;
use crate::web::ask::Ask;

pub(super) fn answer(app: &mut App, _: &Ask) -> Result<Answer, Failure> {
    let meters = app.meters()?;
    let live = app.live(&LiveParams::default())?;
    Ok(Answer::text("text/plain; version=0.0.4; charset=utf-8", meters.prometheus(&live)))
}
