//! The lines of a Codex rollout, typed; only what is used.

use serde::Deserialize;

use crate::sources::common::lenient_serde::{Int, List, Obj, Text, TextOr};

/// One line with its envelope; 0.29 has none, its lines are bare [`Payload`]s.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Record<'a> {
    #[serde(borrow)]
    pub timestamp: Text<'a>,
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub payload: Obj<Payload<'a>>,
}

/// What counting needs of a line. Small, since most of a rollout's wanted lines are read as this.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LightRecord<'a> {
    #[serde(borrow)]
    pub timestamp: Text<'a>,
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub payload: Obj<LightPayload<'a>>,
}

/// Its payload: of requests, their settings and tool calls.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LightPayload<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub cwd: Text<'a>,
    #[serde(borrow)]
    pub model: Text<'a>,
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub namespace: Text<'a>,
    pub info: Obj<Info>,
    #[serde(borrow)]
    pub response_id: Text<'a>,
    pub usage: Obj<Counts>,
}

/// The payload of any kind of line: the kinds share few names, and none in two meanings that matter here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Payload<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub id: Text<'a>,

    // session_meta and turn_context
    #[serde(borrow)]
    pub timestamp: Text<'a>,
    #[serde(borrow)]
    pub cwd: Text<'a>,
    #[serde(borrow)]
    pub model: Text<'a>,
    #[serde(borrow)]
    pub model_provider: Text<'a>,
    #[serde(borrow)]
    pub cli_version: Text<'a>,
    #[serde(borrow)]
    pub parent_thread_id: Text<'a>,
    #[serde(borrow)]
    pub forked_from_id: Text<'a>,
    #[serde(borrow)]
    pub thread_source: Text<'a>,
    pub source: serde_json::Value,
    #[serde(borrow)]
    pub git: Obj<Git<'a>>,

    // messages and reasoning
    #[serde(borrow)]
    pub role: Text<'a>,
    #[serde(borrow)]
    pub content: TextOr<'a, Piece<'a>>,
    #[serde(borrow)]
    pub summary: List<Piece<'a>>,
    #[serde(borrow, rename = "internal_chat_message_metadata_passthrough")]
    pub marks: Obj<Marks<'a>>,
    /// Text of a `compacted` line; its `replacement_history` repeats the conversation and is never read.
    #[serde(borrow)]
    pub message: Text<'a>,

    // tool calls and results
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub namespace: Text<'a>,
    #[serde(borrow)]
    pub arguments: Text<'a>,
    #[serde(borrow)]
    pub input: Text<'a>,
    pub action: serde_json::Value,
    #[serde(borrow)]
    pub call_id: Text<'a>,
    #[serde(borrow)]
    pub output: TextOr<'a, Piece<'a>>,
    #[serde(borrow)]
    pub item: Obj<Item<'a>>,

    // usage
    pub info: Obj<Info>,
    #[serde(borrow)]
    pub response_id: Text<'a>,
    pub usage: Obj<Counts>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Git<'a> {
    #[serde(borrow)]
    pub branch: Text<'a>,
}

/// A piece of content: text, or an image as a data URL.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Piece<'a> {
    #[serde(borrow)]
    pub text: Text<'a>,
    #[serde(borrow)]
    pub image_url: Text<'a>,
}

/// Where the pieces of a message come from (0.169), for instance `user.text`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Marks<'a> {
    #[serde(borrow)]
    pub content_item_kinds: Kinds<'a>,
}

/// A list of names.
#[derive(Debug, Default)]
pub(super) struct Kinds<'a>(pub Vec<Text<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Kinds<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::sources::common::lenient_serde::texts(d).map(Kinds)
    }
}

/// A finished item of a turn (0.169).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Item<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub status: Text<'a>,
    #[serde(borrow)]
    pub tool: Text<'a>,
    pub exit_code: Int,
    #[serde(borrow)]
    pub receiver_thread_ids: Kinds<'a>,
}

/// `token_count.info`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Info {
    pub total_token_usage: Obj<Counts>,
    pub last_token_usage: Obj<Counts>,
}

/// Token counts: input includes cached, output includes reasoning.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    pub input_tokens: Int,
    pub cached_input_tokens: Int,
    pub cache_write_input_tokens: Int,
    pub output_tokens: Int,
    pub reasoning_output_tokens: Int,
}
