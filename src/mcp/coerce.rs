//! Lenient arguments: converts what a model sent to what the tool's input schema asks for.
//!
//! Accepts `"3"` and `3.0` for an integer, `"true"` for a boolean, one string for a list, and `null` for a missing
//! argument. An error names the argument and, if there is one, the nearest valid name or value.

use serde_json::{Map, Number, Value};

use crate::app::Failure;
use crate::app::text::nearest;

/// Converts arguments to the types of the schema.
///
/// # Errors
/// A usage [`Failure`] that names the argument and what it must be.
pub(super) fn coerce(schema: &Value, args: Map<String, Value>) -> Result<Map<String, Value>, Failure> {
    object(schema, args, "")
}

fn object(schema: &Value, args: Map<String, Value>, within: &str) -> Result<Map<String, Value>, Failure> {
    let empty = Map::new();
    let known = schema["properties"].as_object().unwrap_or(&empty);
    let mut out = Map::new();
    for (name, value) in args {
        if value.is_null() {
            continue;
        }
        let Some(of) = known.get(&name) else { return Err(unknown(&name, within, known)) };
        out.insert(name.clone(), one(of, value, &format!("{within}{name}"))?);
    }
    let missing: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|r| !out.contains_key(*r))
        .collect();
    if !missing.is_empty() {
        let message = format!("Missing: `{within}{}`.", missing.join(&format!("`, `{within}")));
        let mut failure = Failure::usage("missing_argument", message);
        for name in missing {
            if let Some(text) = known.get(name).and_then(|p| p["description"].as_str()) {
                failure = failure.hint(format!("{name}: {text}"));
            }
        }
        return Err(failure);
    }
    Ok(out)
}

fn one(schema: &Value, value: Value, name: &str) -> Result<Value, Failure> {
    let kind = schema["type"].as_str().unwrap_or_default();
    let shown = shown(&value);
    let bad =
        |due: &str| Err(Failure::usage("bad_argument", format!("`{name}` must be {due}; it was {shown}.")));
    match (kind, value) {
        ("integer", Value::Number(n)) => whole(&n).map_or_else(|| bad("a whole number"), Ok),
        ("integer", Value::String(s)) => match s.trim().parse::<Number>().ok().and_then(|n| whole(&n)) {
            Some(n) => Ok(n),
            None => bad("a whole number"),
        },
        ("integer", _) => bad("a whole number"),
        ("boolean", Value::Bool(b)) => Ok(Value::Bool(b)),
        ("boolean", Value::String(s)) => match s.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(Value::Bool(true)),
            "false" | "no" | "0" => Ok(Value::Bool(false)),
            _ => bad("true or false"),
        },
        ("boolean", Value::Number(n)) if n.as_i64() == Some(0) => Ok(Value::Bool(false)),
        ("boolean", Value::Number(n)) if n.as_i64() == Some(1) => Ok(Value::Bool(true)),
        ("boolean", _) => bad("true or false"),
        ("string", Value::String(s)) => word(schema, s, name),
        ("string", Value::Number(n)) => word(schema, n.to_string(), name),
        ("string", Value::Bool(b)) => word(schema, b.to_string(), name),
        // Some models wrap a single string in a list.
        ("string", Value::Array(mut list)) if list.len() == 1 => one(schema, list.remove(0), name),
        ("string", _) => bad("a string"),
        ("array", Value::Array(list)) => {
            let each = list.into_iter().filter(|v| !v.is_null());
            let each = each.enumerate().map(|(i, v)| one(&schema["items"], v, &format!("{name}[{i}]")));
            Ok(Value::Array(each.collect::<Result<_, _>>()?))
        }
        ("array", Value::String(s)) => match serde_json::from_str::<Value>(&s) {
            Ok(list @ Value::Array(_)) => one(schema, list, name),
            Ok(item @ Value::Object(_)) => one(schema, Value::Array(vec![item]), name),
            _ if s.trim().is_empty() => Ok(Value::Array(Vec::new())),
            _ => Ok(Value::Array(vec![one(&schema["items"], Value::String(s), name)?])),
        },
        ("array", other) => Ok(Value::Array(vec![one(&schema["items"], other, name)?])),
        ("object", Value::Object(map)) => Ok(Value::Object(object(schema, map, &format!("{name}."))?)),
        ("object", Value::String(s)) => match serde_json::from_str::<Value>(&s) {
            Ok(Value::Object(map)) => Ok(Value::Object(object(schema, map, &format!("{name}."))?)),
            _ => bad("an object"),
        },
        ("object", _) => bad("an object"),
        (_, value) => Ok(value),
    }
}

/// Returns a non-negative whole number, also from `3.0`.
fn whole(n: &Number) -> Option<Value> {
    if let Some(n) = n.as_u64() {
        return Some(Value::from(n));
    }
    let n = n.as_f64().filter(|f| f.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(f))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be whole and in range"
    )]
    let n = n as u64;
    Some(Value::from(n))
}

/// Returns the string, or the allowed word that it matches in any case.
fn word(schema: &Value, text: String, name: &str) -> Result<Value, Failure> {
    let Some(words) = schema["enum"].as_array() else { return Ok(Value::String(text)) };
    let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
    match words.iter().find(|w| w.eq_ignore_ascii_case(text.trim())) {
        Some(word) => Ok(Value::String((*word).to_owned())),
        None => {
            let mut f =
                Failure::usage("bad_argument", format!("`{name}` must be one of {}.", words.join(", ")));
            if let Some(near) = nearest(text.trim(), words.iter().copied()) {
                f = f.hint(format!("did you mean `{near}`?"));
            }
            Err(f)
        }
    }
}

fn unknown(name: &str, within: &str, known: &Map<String, Value>) -> Failure {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    let message = match names.is_empty() {
        true => format!("There is no argument `{within}{shown}`. This tool takes no arguments."),
        false => format!("There is no argument `{within}{shown}`. The arguments are {}.", names.join(", ")),
    };
    let failure = Failure::usage("unknown_argument", message);
    match nearest(name, names) {
        Some(near) => failure.hint(format!("did you mean `{within}{near}`?")),
        None => failure,
    }
}

/// Names the type of a value. An error never repeats the value, which may be a secret.
fn shown(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(n) if n.as_u64().is_none() => "a number below 0 or with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        let finding = json!({
            "type": "object",
            "properties": { "quote": { "type": "string" }, "type": { "type": "string", "description": "t" } },
            "required": ["quote", "type"],
        });
        json!({
            "type": "object",
            "properties": {
                "limit": { "type": "integer" },
                "new": { "type": "boolean" },
                "sessions": { "type": "array", "items": { "type": "string" } },
                "status": { "type": "string", "enum": ["approved", "blocked"] },
                "licence": { "type": "string" },
                "findings": { "type": "array", "items": finding },
            },
        })
    }

    fn go(args: Value) -> Result<Value, Failure> {
        let Value::Object(args) = args else { panic!("arguments are an object") };
        coerce(&schema(), args).map(Value::Object)
    }

    #[test]
    fn lenient_values_are_converted_to_the_type_of_the_schema() {
        for (given, taken) in [
            (json!({"limit": "3"}), json!({"limit": 3})),
            (json!({"limit": 3.0}), json!({"limit": 3})),
            (json!({"limit": " 3.0 "}), json!({"limit": 3})),
            (json!({"limit": null}), json!({})),
            (json!({"new": "true"}), json!({"new": true})),
            (json!({"new": 0}), json!({"new": false})),
            (json!({"sessions": "a"}), json!({"sessions": ["a"]})),
            (json!({"sessions": "[\"a\",\"b\"]"}), json!({"sessions": ["a", "b"]})),
            (json!({"sessions": ["a", null, 7]}), json!({"sessions": ["a", "7"]})),
            (json!({"status": " Approved"}), json!({"status": "approved"})),
            (json!({"licence": ["mit"]}), json!({"licence": "mit"})),
            (
                json!({"findings": {"quote": "x", "type": "y"}}),
                json!({"findings": [{"quote": "x", "type": "y"}]}),
            ),
            (
                json!({"findings": "[{\"quote\":\"x\",\"type\":\"y\"}]"}),
                json!({"findings": [{"quote": "x", "type": "y"}]}),
            ),
        ] {
            assert_eq!(go(given.clone()).unwrap(), taken, "{given}");
        }
    }

    #[test]
    fn an_invalid_argument_is_named_with_the_nearest_valid_one() {
        for (given, code, said) in [
            (json!({"limit": 2.5}), "bad_argument", "`limit` must be a whole number"),
            (json!({"limit": -1}), "bad_argument", "below 0"),
            (json!({"limit": "many"}), "bad_argument", "`limit`"),
            (json!({"new": "perhaps"}), "bad_argument", "true or false"),
            (json!({"status": "aproved"}), "bad_argument", "did you mean `approved`"),
            (json!({"license": "mit"}), "unknown_argument", "did you mean `licence`"),
            (json!({"findings": [{"quote": "x"}]}), "missing_argument", "`findings[0].type`"),
            (json!({"findings": [{"quote": "x", "typ": "y"}]}), "unknown_argument", "findings[0].type"),
        ] {
            let f = go(given.clone()).unwrap_err();
            assert_eq!(f.code, code, "{given}");
            let all = format!("{} {}", f.message, f.hints.join(" "));
            assert!(all.contains(said), "{given}: {all}");
        }
        let f = go(json!({"sk-secret": 1})).unwrap_err();
        assert!(f.hints.is_empty(), "no name is similar enough: {:?}", f.hints);
    }
}
