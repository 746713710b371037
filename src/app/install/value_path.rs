//! Paths of values in a configuration file, and what a command line in such a value starts.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One step of a path: a key of an object or a position in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Step {
    Index(usize),
    Key(String),
}

pub(super) type ValuePath = Vec<Step>;

/// Returns the path of these keys.
pub(super) fn keys(names: &[&str]) -> ValuePath {
    names.iter().map(|name| Step::Key((*name).to_owned())).collect()
}

/// Returns a path as people write it: `hooks.PreToolUse[0]`.
pub(super) fn display(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Index(i) => text.push_str(&format!("[{i}]")),
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text.push_str(&format!(".{key}")),
        }
    }
    text
}

pub(super) fn get<'a>(root: &'a Value, path: &[Step]) -> Option<&'a Value> {
    path.iter().try_fold(root, |value, step| match step {
        Step::Index(i) => value.get(i),
        Step::Key(key) => value.get(key),
    })
}

/// Sets a value. Objects that are missing on the way are created; the position after the last one of a list appends.
/// Returns whether the path fits the document.
pub(super) fn set(root: &mut Value, path: &[Step], new: Value) -> bool {
    let Some((step, rest)) = path.split_first() else {
        *root = new;
        return true;
    };
    match (root, step) {
        (Value::Object(map), Step::Key(key)) => {
            let missing = if matches!(rest.first(), Some(Step::Index(_))) {
                Value::Array(Vec::new())
            } else {
                Value::Object(serde_json::Map::new())
            };
            set(map.entry(key).or_insert(missing), rest, new)
        }
        (Value::Array(items), Step::Index(i)) => {
            if *i == items.len() {
                items.push(Value::Null);
            }
            items.get_mut(*i).is_some_and(|item| set(item, rest, new))
        }
        _ => false,
    }
}

/// Removes a value. Returns whether it existed.
pub(super) fn remove(root: &mut Value, path: &[Step]) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    let parent = parents.iter().try_fold(root, |value, step| match step {
        Step::Index(i) => value.get_mut(i),
        Step::Key(key) => value.get_mut(key),
    });
    match (parent, last) {
        (Some(Value::Object(map)), Step::Key(key)) => map.shift_remove(key).is_some(),
        (Some(Value::Array(items)), Step::Index(i)) if *i < items.len() => {
            items.remove(*i);
            true
        }
        _ => false,
    }
}

/// Returns whether a text starts clawgate with these arguments, under any path and with variables before it.
fn text_calls(text: &str, arguments: &str) -> bool {
    let Some(program) = text.trim_end().strip_suffix(arguments) else { return false };
    let program = program.trim_end().trim_end_matches(['"', '\'']);
    let name = program.rsplit(['/', '\\', ' ', '"', '\'']).next().unwrap_or_default();
    matches!(name, "clawgate" | "clawgate.exe")
}

/// Returns the object in `value` that starts clawgate with these arguments, as a path below `value`: with `command` as
/// a command line, as a list of words, or as a program next to `args`.
pub(super) fn find_call(value: &Value, arguments: &str) -> Option<ValuePath> {
    let words = |v: &Value| -> Option<String> {
        let words: Vec<&str> = v.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
        Some(words.join(" "))
    };
    match value {
        Value::Object(map) => {
            let command = match map.get("command").or_else(|| map.get("cmd")) {
                Some(Value::String(program)) => {
                    let args = map.get("args").and_then(words);
                    Some(args.map_or_else(|| program.clone(), |args| format!("{program} {args}")))
                }
                other => other.and_then(words),
            };
            if command.is_some_and(|text| text_calls(&text, arguments)) {
                return Some(Vec::new());
            }
            map.iter().find_map(|(key, inner)| {
                let rest = find_call(inner, arguments)?;
                Some([vec![Step::Key(key.clone())], rest].concat())
            })
        }
        Value::Array(items) => items.iter().enumerate().find_map(|(i, inner)| {
            let rest = find_call(inner, arguments)?;
            Some([vec![Step::Index(i)], rest].concat())
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_is_found_under_any_path_and_in_any_shape() {
        for value in [
            json!({ "command": "clawgate", "args": ["mcp"] }),
            json!({ "command": "/opt/a b/clawgate", "args": ["mcp"], "env": {} }),
            json!({ "command": "C:\\Tools\\clawgate.exe", "args": ["mcp"] }),
            json!({ "type": "local", "command": ["clawgate", "mcp"] }),
            json!({ "name": "clawgate", "cmd": "clawgate", "args": ["mcp"] }),
        ] {
            assert_eq!(find_call(&value, "mcp"), Some(Vec::new()), "{value}");
        }
        let nested = json!({ "transport": { "command": "clawgate", "args": ["mcp"] } });
        assert_eq!(find_call(&nested, "mcp"), Some(keys(&["transport"])));
        let hook =
            json!({ "hooks": [{ "command": "other" }, { "command": "A=b '/x/clawgate' hook claude" }] });
        assert_eq!(display(&find_call(&hook, "hook claude").unwrap()), "hooks[1]");
    }

    #[test]
    fn another_program_is_not_a_call() {
        for value in [
            json!({ "command": "notclawgate", "args": ["mcp"] }),
            json!({ "command": "clawgate", "args": ["serve"] }),
            json!({ "command": "clawgate-wrapper mcp" }),
            json!({ "command": "npx", "args": ["clawgate-mcp"] }),
            json!({ "url": "http://127.0.0.1/clawgate mcp" }),
        ] {
            assert_eq!(find_call(&value, "mcp"), None, "{value}");
        }
    }

    #[test]
    fn values_are_set_and_removed_by_their_path() {
        let mut root = json!({ "a": [] });
        assert!(set(&mut root, &keys(&["b", "c"]), json!(1)));
        assert!(set(&mut root, &[Step::Key("a".into()), Step::Index(0)], json!("x")));
        assert_eq!(root, json!({ "a": ["x"], "b": { "c": 1 } }));
        assert!(!set(&mut root, &keys(&["a", "c"]), json!(1)));
        assert!(remove(&mut root, &keys(&["b", "c"])));
        assert!(!remove(&mut root, &keys(&["b", "c"])));
        assert_eq!(root, json!({ "a": ["x"], "b": {} }));
    }
}
