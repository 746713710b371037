//! Code that the readers of several agents share.

pub(crate) mod database;
pub(crate) mod document;
pub(crate) mod files;
pub(crate) mod genai;
pub(crate) mod json_fields;
pub(crate) mod lenient_serde;
pub(crate) mod line_reader;
pub(crate) mod long_numbers;
pub(crate) mod pi_transcript;
pub(crate) mod read;
pub(crate) mod session_builder;
pub(crate) mod spliced_line;
pub(crate) mod sqlite;
pub(crate) mod tool_attribution;
pub(crate) mod walk;
pub(crate) mod zstd_frame;
