//! `GET /api/costs?range=7d`: cost by day.

use crate::app::cost::ClassicParams;
use crate::app::{App, Failure};
use crate::web::answer::Answer;
use crate::web::ask::{Ask, number};

use super::timezone;

pub(super) fn answer(app: &mut App, ask: &Ask) -> Result<Answer, Failure> {
    // What is no range is a week, as callers of the first engine know it.
    let days = ask.get("range").and_then(|r| number(r.trim_end_matches('d')));
    let all = app.classic(&ClassicParams { days, timezone: timezone(ask), ..ClassicParams::default() })?;
    Answer::json(&all.timeseries)
}
