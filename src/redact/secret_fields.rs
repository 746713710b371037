//! The values in an object whose name says that it holds secrets: `{"password": {"whatever": "Winterreise2026"}}`.
//!
//! The field names inside can be arbitrary; only the object's name says that the values are secrets. Field names of
//! schemas, of messages and of properties of a secret are excluded: `{"password": {"minLength": 8, "updated_at":
//! "2026-11-30"}}`.

use crate::rules::looks_wordy;

/// Objects in an object of secrets that are read, from the outermost on.
pub(super) const MAX_DEPTH: usize = 8;
/// Minimum length of a token, in bytes. Other values of an object of tokens are ids and names.
const MIN_TOKEN_BYTES: usize = 16;
/// Bytes of an object that are searched for the name of a schema.
const MAX_SCHEMA_BYTES: usize = 400;

/// Endings of the names of objects with passwords and with other secrets, in lowercase without other characters.
const PASSWORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "passwort",
    "kennwort",
    "senha",
    "wachtwoord",
    "salasana",
    "adgangskode",
];
const TOKENS: &[&str] = &["secret", "credential", "token", "apikey", "privatekey", "accesskey"];

/// Words in a name that say something about a secret, and words of schemas and messages.
const OTHER_WORDS: &[&str] = &[
    "type",
    "kind",
    "pattern",
    "regex",
    "format",
    "length",
    "min",
    "max",
    "minimum",
    "maximum",
    "description",
    "desc",
    "title",
    "label",
    "placeholder",
    "help",
    "hint",
    "message",
    "msg",
    "error",
    "errors",
    "reason",
    "policy",
    "strength",
    "rule",
    "rules",
    "algorithm",
    "alg",
    "enum",
    "schema",
    "example",
    "examples",
    "id",
    "ids",
    "uuid",
    "name",
    "names",
    "user",
    "username",
    "login",
    "email",
    "host",
    "hostname",
    "url",
    "uri",
    "href",
    "link",
    "path",
    "file",
    "filename",
    "env",
    "from",
    "ref",
    "source",
    "field",
    "column",
    "version",
    "revision",
    "created",
    "updated",
    "changed",
    "modified",
    "rotated",
    "expires",
    "expired",
    "expiry",
    "exp",
    "iat",
    "issued",
    "issuer",
    "issuers",
    "date",
    "time",
    "timestamp",
    "at",
    "status",
    "state",
    "scope",
    "scopes",
    "role",
    "roles",
    "audience",
    "region",
    "namespace",
    "required",
    "enabled",
    "usage",
    "model",
    "text",
    "xpath",
    "selector",
    "locator",
    "css",
    "class",
    "icon",
    "lang",
    "locale",
    "method",
    "provider",
    "note",
    "notes",
    "comment",
];

/// What an object holds, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretKind {
    Passwords,
    Tokens,
}

/// Returns what the object with this name holds, and the length of the part of the name that names one of them.
pub(super) fn holds(name: &str) -> Option<(SecretKind, usize)> {
    let singular = name.strip_suffix(['s', 'S']).filter(|n| !n.ends_with(['s', 'S'])).unwrap_or(name);
    let plain: String =
        singular.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let ends = |words: &[&str]| words.iter().any(|w| plain.ends_with(w));
    let kind = match () {
        () if ends(PASSWORDS) => SecretKind::Passwords,
        () if ends(TOKENS) => SecretKind::Tokens,
        () => return None,
    };
    Some((kind, singular.len()))
}

/// Whether the name of a field in such an object says itself what its value is.
pub(super) fn says_otherwise(name: &str) -> bool {
    let mut words = Vec::new();
    let mut previous = ' ';
    for c in name.chars() {
        if c.is_alphanumeric() {
            if !previous.is_alphanumeric() || previous.is_lowercase() && c.is_uppercase() {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(c.to_lowercase());
            }
        }
        previous = c;
    }
    name.starts_with(['$', '@']) || words.iter().any(|w| OTHER_WORDS.contains(&w.as_str()))
}

/// Whether an object, whose text begins here, is the schema of a value.
pub(super) fn is_schema(object: &str) -> bool {
    let head = &object[..object.floor_char_boundary(MAX_SCHEMA_BYTES.min(object.len()))];
    ["\"type\"", "\"$ref\"", "\"anyOf\"", "\"oneOf\"", "\"allOf\""].iter().any(|name| head.contains(name))
}

/// Whether a value may be a secret that an object holds, as opposed to a text, a place or a time.
pub(super) fn may_be_secret(value: &str, holds: SecretKind) -> bool {
    let is_date = value.len() >= 8
        && value.bytes().take(10).all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'/' | b'.' | b':'));
    let is_place =
        value.starts_with(['/', '.', '~', '#', '$']) && !value.starts_with("$2") || value.contains("://");
    let is_token =
        || value.len() >= MIN_TOKEN_BYTES && value.bytes().any(|b| b.is_ascii_digit()) && !looks_wordy(value);
    !is_date
        && !is_place
        && !value.contains(char::is_whitespace)
        && (holds == SecretKind::Passwords || is_token())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_object_says_what_it_holds() {
        for (name, expected) in [
            ("password", Some((SecretKind::Passwords, 8))),
            ("dbPasswords", Some((SecretKind::Passwords, 10))),
            ("DB_PASSWORDS", Some((SecretKind::Passwords, 11))),
            ("api_keys", Some((SecretKind::Tokens, 7))),
            ("secrets", Some((SecretKind::Tokens, 6))),
            ("passwordPolicy", None),
            ("usage", None),
            ("s", None),
        ] {
            assert_eq!(holds(name), expected, "{name}");
        }
    }

    #[test]
    fn names_about_a_secret_say_something_else() {
        for name in ["minLength", "updated_at", "type", "$ref", "userName", "error-message"] {
            assert!(says_otherwise(name), "{name}");
        }
        for name in ["whatever", "stage7", "master", "max_mustermann2", "old"] {
            assert_eq!(says_otherwise(name), name.starts_with("max_"), "{name}");
        }
    }

    #[test]
    fn times_places_and_texts_are_not_secrets() {
        for value in
            ["2026-11-30", "2026-11-30T10:00:00Z", "/reset?id=1", "https://x.fi/1", "at least 8 bytes"]
        {
            assert!(!may_be_secret(value, SecretKind::Passwords), "{value}");
        }
        assert!(may_be_secret("Winterreise2026", SecretKind::Passwords));
        assert!(!may_be_secret("Winterreise2026", SecretKind::Tokens));
        assert!(may_be_secret(&["9fK2xQ7v", "bar81LmZz"].concat(), SecretKind::Tokens));
    }
}
