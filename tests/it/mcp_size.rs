//! The size of the list of MCP tools.

use serde_json::{Value, json};

use crate::mcp_client::Client;
use crate::world::World;

/// Maximum size of a list of tools, in bytes as Python's `json.dumps` writes it: with a space after each comma and colon.
const MAX_TOOL_LIST_BYTES: usize = 12 * 1024;

/// The length of a value as Python's `json.dumps` writes it.
fn python_json_bytes(value: &Value) -> usize {
    fn blanks(value: &Value) -> usize {
        match value {
            Value::Array(items) => items.len().saturating_sub(1) + items.iter().map(blanks).sum::<usize>(),
            Value::Object(map) => (map.len() * 2).saturating_sub(1) + map.values().map(blanks).sum::<usize>(),
            _ => 0,
        }
    }
    let text = value.to_string();
    // A character outside ASCII is written as `\\uXXXX` for each of its UTF-16 units.
    let escapes: usize =
        text.chars().filter(|c| !c.is_ascii()).map(|c| 6 * c.len_utf16() - c.len_utf8()).sum();
    text.len() + escapes + blanks(value)
}

#[test]
fn the_list_of_tools_fits_what_clients_read() {
    let world = World::new(&[]);
    let mut client = Client::ready(&world);
    let list = client.ask("tools/list", &json!({}))["result"].clone();
    let size = python_json_bytes(&list);
    assert!(size <= MAX_TOOL_LIST_BYTES, "{size} bytes");
    client.end();
}
