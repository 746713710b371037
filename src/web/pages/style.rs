//! `/style.css`: how every page looks.

use crate::app::{App, Failure};
use crate::web::answer::Answer;
use crate::web::ask::Ask;

pub(super) fn answer(_: &mut App, _: &Ask) -> Result<Answer, Failure> {
    Ok(Answer::text("text/css; charset=utf-8", include_str!("style.css")))
}
