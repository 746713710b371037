//! A request as a page sees it: its path's variables, its query, its body.

use std::collections::BTreeMap;

/// What is asked for.
#[derive(Debug, Default)]
#[allow(dead_code, reason = "the room is open: the cost pages have neither variables nor bodies")]
pub(super) struct Ask {
    /// Variables of the path, by their name in the page's pattern.
    pub path: BTreeMap<&'static str, String>,
    /// The query; of a name that comes twice, the last.
    pub query: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Ask {
    /// A value of the query; an empty one counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// A number of the query; `usual` where it is none, the greatest there is where it is greater.
    pub(super) fn number(&self, name: &str, usual: u32) -> u32 {
        self.get(name).and_then(number).unwrap_or(usual)
    }
}

/// A number written in digits, the greatest there is where it is greater.
pub(super) fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

/// The parts of `path` that `pattern` (`/release/{id}`) names; `None` where it does not match.
pub(super) fn matches(pattern: &'static str, path: &str) -> Option<BTreeMap<&'static str, String>> {
    let mut out = BTreeMap::new();
    let (mut wanted, mut found) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return Some(out),
            (Some(w), Some(f)) => match w.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
                Some(name) if !f.is_empty() => drop(out.insert(name, decode(f, false))),
                None if w == f => {}
                _ => return None,
            },
            _ => return None,
        }
    }
}

/// The pairs of a query.
pub(super) fn query(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter(|p| !p.is_empty());
    pairs
        .map(|p| p.split_once('=').unwrap_or((p, "")))
        .map(|(name, value)| (decode(name, true), decode(value, true)))
        .collect()
}

/// Undoes percent-encoding; what is no encoding stands for itself, what is no UTF-8 becomes replacement characters.
fn decode(text: &str, plus: bool) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'%', [a, b, after @ ..]) => {
                let digit = |c: &u8| char::from(*c).to_digit(16);
                match (digit(a), digit(b)) {
                    (Some(a), Some(b)) => {
                        out.push((a * 16 + b) as u8);
                        rest = after;
                    }
                    _ => out.push(b'%'),
                }
            }
            (b'+', _) if plus => out.push(b' '),
            (c, _) => out.push(*c),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_paths() {
        assert!(matches("/api/summary", "/api/summary").is_some());
        for path in ["/api/summary/", "/api", "/api/summaryx", "//api/summary", "/api/Summary"] {
            assert!(matches("/api/summary", path).is_none(), "{path}");
        }
        assert_eq!(matches("/s/{key}/x", "/s/claude%3Aa%2Fb/x").unwrap()["key"], "claude:a/b");
        assert!(matches("/s/{key}", "/s/").is_none());
    }

    #[test]
    fn queries_are_decoded_and_broken_ones_do_no_harm() {
        let q = query("range=7d&zone=Europe%2FBerlin&a=b+c&x&=y&bad=%zz%4&n=%ff&range=9d");
        let get = |k: &str| q[k].as_str();
        assert_eq!([get("range"), get("zone"), get("a"), get("x")], ["9d", "Europe/Berlin", "b c", ""]);
        assert_eq!([get("bad"), get("n")], ["%zz%4", "\u{fffd}"]);
        let ask = Ask { query: query("n=12&m=x&k=99999999999"), ..Ask::default() };
        assert_eq!([ask.number("n", 5), ask.number("m", 5), ask.number("k", 5)], [12, 5, u32::MAX]);
        assert_eq!(["", "-1", "+1", "1.5", "1e3"].map(number), [None; 5]);
    }
}
