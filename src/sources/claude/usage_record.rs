//! The lines of a Claude Code log, with only the fields that usage reports need.

use serde::Deserialize;

use crate::sources::claude::record::Usage;
use crate::sources::common::lenient_serde::{Flag, List, Obj, Text};

/// One line, without its content.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct UsageRecord<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub uuid: Text<'a>,
    #[serde(borrow)]
    pub session_id: Text<'a>,
    #[serde(borrow)]
    pub cwd: Text<'a>,
    #[serde(borrow)]
    pub timestamp: Text<'a>,
    #[serde(borrow)]
    pub request_session_id: Text<'a>,
    #[serde(borrow)]
    pub provider: Text<'a>,
    #[serde(borrow)]
    pub attribution_agent: Text<'a>,
    #[serde(borrow)]
    pub attribution_skill: Text<'a>,
    #[serde(borrow)]
    pub version: Text<'a>,
    #[serde(borrow)]
    pub prompt_id: Text<'a>,
    #[serde(borrow, rename = "sourceToolAssistantUUID")]
    pub source_answer: Text<'a>,
    pub is_sidechain: Flag,
    #[serde(borrow)]
    pub message: Obj<UsageMessage<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UsageMessage<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub model: Text<'a>,
    #[serde(borrow)]
    pub stop_reason: Text<'a>,
    #[serde(borrow)]
    pub usage: Obj<Usage<'a>>,
    #[serde(borrow)]
    pub content: List<UsageBlock<'a>>,
}

/// A content block, with only the name of the called tool.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UsageBlock<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub name: Text<'a>,
}
