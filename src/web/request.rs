//! The query of a request, with its values decoded.

use std::collections::BTreeMap;

/// The parameters of a request.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// The query; if a name occurs twice, the last value.
    query: BTreeMap<String, String>,
}

impl Request {
    /// Parses the query of a URL. Invalid percent-encoding is kept as it is.
    pub(super) fn parse(query: &str) -> Self {
        Request { query: form_urlencoded::parse(query.as_bytes()).into_owned().collect() }
    }

    /// Removes a value from the query and returns it.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.query.remove(name)
    }

    /// Returns a value of the query; an empty one counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// Returns a number of the query, or `default` if the value is not a number. Larger numbers become `u32::MAX`.
    pub(super) fn number(&self, name: &str, default: u32) -> u32 {
        self.get(name).and_then(number).unwrap_or(default)
    }

    /// Returns the time zone of the query.
    pub(super) fn timezone(&self) -> Option<String> {
        self.get("timezone").map(str::to_owned)
    }
}

/// Parses a number in decimal digits. Numbers that are too large become `u32::MAX`.
pub(super) fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_and_a_broken_one_does_no_harm() {
        let request = Request::parse("range=7d&zone=Europe%2FBerlin&a=b+c&x&=y&bad=%zz%4&n=%ff&range=9d");
        let get = |name: &str| request.query[name].as_str();
        assert_eq!([get("range"), get("zone"), get("a"), get("x")], ["9d", "Europe/Berlin", "b c", ""]);
        assert_eq!([get("bad"), get("n")], ["%zz%4", "\u{fffd}"]);
        assert_eq!(request.get("x"), None, "an empty value counts as absent");
    }

    #[test]
    fn a_number_has_only_digits_and_saturates() {
        let request = Request::parse("n=12&m=x&k=99999999999");
        let all = [request.number("n", 5), request.number("m", 5), request.number("k", 5)];
        assert_eq!(all, [12, 5, u32::MAX]);
        assert_eq!(["", "-1", "+1", "1.5", "1e3"].map(number), [None; 5]);
    }
}
