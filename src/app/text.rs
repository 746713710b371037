//! Session text on its way to a model or a terminal: made visible, and fenced as untrusted.

/// Whether a character can hide or reorder text: controls, zero-width, bidi, tags, variation selectors.
pub fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        c if c.is_control() => true,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => true,
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' => true,
        '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

/// Text with every hidden character written out as `\u{…}`, so that nothing in it acts unseen.
pub fn sanitize(text: &str) -> String {
    if !text.chars().any(is_hidden) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if c == '\r' {
            out.push('\n');
        } else if is_hidden(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Fences untrusted text with a nonce that the text cannot know.
pub fn fence(nonce: &str, text: &str) -> String {
    format!("<untrusted-{nonce}>\n{text}\n</untrusted-{nonce}>")
}

/// JSON bytes with hidden characters as `\uXXXX` escapes: the same JSON value, safe to show byte for byte.
pub fn escape_hidden_json(json: &str) -> String {
    if !json.chars().any(is_hidden) {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len() + 32);
    let mut units = [0u16; 2];
    for c in json.chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hidden_is_left_and_json_keeps_its_value() {
        let hostile = "a\u{202e}b\u{200b}c\u{e0041}d\u{1b}[31m\u{fe0f}\r\nend";
        assert!(!sanitize(hostile).chars().any(is_hidden));
        assert!(sanitize(hostile).starts_with("a\\u{202e}b"));
        let json = serde_json::to_string(&serde_json::json!({ "t": hostile })).unwrap();
        let escaped = escape_hidden_json(&json);
        assert!(!escaped.chars().any(is_hidden));
        let back: serde_json::Value = serde_json::from_str(&escaped).unwrap();
        assert_eq!(back["t"], hostile);
    }
}
