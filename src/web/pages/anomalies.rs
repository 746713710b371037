//! `GET /api/anomalies?days=30`: the last days that cost more than the days before them.

use crate::app::cost::ClassicParams;
use crate::app::{App, Failure};
use crate::web::answer::Answer;
use crate::web::ask::Ask;

use super::timezone;

pub(super) fn answer(app: &mut App, ask: &Ask) -> Result<Answer, Failure> {
    let odd_days = Some(ask.number("days", 30));
    let all =
        app.classic(&ClassicParams { odd_days, timezone: timezone(ask), ..ClassicParams::default() })?;
    Answer::json(&all.anomalies)
}
