//! `GET /api/summary`: the present day.

use crate::app::cost::ClassicParams;
use crate::app::{App, Failure};
use crate::web::answer::Answer;
use crate::web::ask::Ask;

use super::timezone;

pub(super) fn answer(app: &mut App, ask: &Ask) -> Result<Answer, Failure> {
    let all = app.classic(&ClassicParams { timezone: timezone(ask), ..ClassicParams::default() })?;
    Answer::json(&all.summary)
}
