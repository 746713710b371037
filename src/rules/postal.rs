//! Finds postal addresses that no keyword announces: street and number, a comma, a postal code, a town.
//!
//! Found: `Vesterbrogade 107, 1620 København V`, `24 Rua das Laranjeiras, 1200-281 Lisboa`, `東京都渋谷区神宮前2-6-5`.
//! Not found: `Version 3, 1991 Free Software`, `July 12, 2026 The`, `[1, 2, 3, 1200 Things]`.

use super::word_lists::WordList;

/// Maximum length of a text before the comma that is examined, in bytes.
const MAX_STREET_BYTES: usize = 64;

/// Words that come before a number without being a street (`Chapter 12`), or after one without being a town.
static NOT_STREETS: WordList = WordList::new(
    "\
    address all and appendix april august book bug build chapter class column commit copyright day december \
    edition eq equation error ethernet event february figure fig free friday from id inc index inc. issue items \
    january jan july june jul jun level line lines march may monday mon module no node november number october \
    offset os page pages part port python release revision rfc row rows rust samples saturday section september \
    series slot step sunday table test the thursday total tuesday unit update version vol volume wednesday week \
    windows word words year feb mar apr aug sep oct nov dec iso java node.js ubuntu debian macos android ios \
    php ruby swift postgres postgresql mysql redis gpu cpu core intel amd nvidia room area block batch epoch \
    task job phase sprint item entry record case example exercise question answer option type version: state",
);

/// Small words in the names of streets and towns.
const PARTICLES: &[&str] = &[
    "am", "an", "auf", "av.", "aan", "al", "d", "da", "das", "de", "degli", "dei", "del", "della", "den",
    "der", "des", "di", "do", "dos", "du", "el", "im", "in", "la", "las", "le", "les", "los", "op", "sur",
    "ten", "ter", "und", "van", "von", "zu", "zum", "zur", "y",
];

/// Words and endings that only names of streets have.
const STREET_ENDINGS: &[&str] = &[
    "straße",
    "strasse",
    "str.",
    "gasse",
    "weg",
    "platz",
    "allee",
    "ring",
    "damm",
    "ufer",
    "gade",
    "vej",
    "gata",
    "gatan",
    "vägen",
    "veien",
    "straat",
    "laan",
    "gracht",
    "plein",
    "kade",
    "katu",
    "tie",
    "street",
    "road",
    "avenue",
    "lane",
    "drive",
    "rue",
    "rua",
    "via",
    "calle",
    "avenida",
    "piazza",
    "boulevard",
    "quai",
    "ulica",
    "utca",
];

fn is_capitalized(w: &str) -> bool {
    w.chars().next().is_some_and(char::is_uppercase)
}

fn is_street_word(w: &str) -> bool {
    let low = w.to_lowercase();
    STREET_ENDINGS.iter().any(|s| low.ends_with(s))
}

fn is_excluded(w: &str) -> bool {
    NOT_STREETS.has(w.to_lowercase().trim_matches(|c: char| !c.is_alphanumeric()))
}

/// Whether a word is a house number: `12`, `12a`, `12-14`, `12/3`.
fn is_house_number(w: &str) -> bool {
    let digits = w.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &w[digits..];
    (1..=4).contains(&digits)
        && !w.starts_with('0')
        && (rest.is_empty()
            || rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_alphabetic())
            || rest.len() <= 4 && (rest.starts_with('-') || rest.starts_with('/')) && rest.len() > 1)
}

/// Returns how many of the last words form the name of a street: capitalized words and particles.
fn street_words(words: &[&str]) -> usize {
    let mut n = 0;
    for (k, w) in words.iter().rev().enumerate().take(5) {
        if is_excluded(w) {
            return 0;
        }
        if is_capitalized(w) {
            n = k + 1;
        } else if !PARTICLES.contains(w) {
            break;
        }
    }
    let own = &words[words.len() - n..];
    if own.iter().any(|w| is_capitalized(w) && w.chars().filter(|c| c.is_alphabetic()).count() >= 4) {
        n
    } else {
        0
    }
}

/// Returns the end of the name of a town that begins at `from`.
fn town_end(text: &[u8], from: usize) -> Option<usize> {
    let to = (from + 60).min(text.len());
    let line = &text[from..to];
    let stop =
        |b: &u8| b.is_ascii_punctuation() && !matches!(*b, b'.' | b'-' | b'\'') || b.is_ascii_control();
    let line = &line[..line.iter().position(stop).unwrap_or(line.len())];
    let s = match std::str::from_utf8(line) {
        Ok(s) => s,
        Err(e) => std::str::from_utf8(&line[..e.valid_up_to()]).ok()?,
    };
    let mut end = 0;
    let mut at = 0;
    for (k, w) in s.split(' ').enumerate().take(5) {
        if k == 0
            && (!is_capitalized(w)
                || is_excluded(w)
                || w.chars().count() < 3
                || !w.chars().skip(1).any(char::is_lowercase))
        {
            return None;
        }
        if is_capitalized(w) && !is_excluded(w) {
            end = at + w.trim_end_matches(['.', '-']).len();
        } else if !PARTICLES.contains(&w) {
            break;
        }
        at += w.len() + 1;
    }
    Some(from + end)
}

/// Returns the end of the postal code that begins with the digits `[start, end)`, in the format of any country.
fn code_end(text: &[u8], start: usize, end: usize) -> Option<usize> {
    let digits = |from: usize, n: usize| {
        text.get(from..from + n).is_some_and(|d| d.iter().all(u8::is_ascii_digit))
            && !text.get(from + n).is_some_and(u8::is_ascii_alphanumeric)
    };
    match (end - start, text.get(end)?) {
        (4, b'-') if digits(end + 1, 3) => Some(end + 4),
        (2, b'-') if digits(end + 1, 3) => Some(end + 4),
        (3, b' ') if digits(end + 1, 2) => Some(end + 3),
        (4, b' ')
            if text.get(end + 1..end + 3).is_some_and(|c| c.iter().all(u8::is_ascii_uppercase))
                && text.get(end + 3) == Some(&b' ') =>
        {
            Some(end + 3)
        }
        (4..=6, b' ') => Some(end),
        _ => None,
    }
}

/// Returns the span of the address around the postal code that begins with the digits `[start, end)`.
pub(crate) fn at(text: &[u8], start: usize, end: usize) -> Option<(usize, usize)> {
    if start < 8 || text[start - 1] != b' ' || text[start - 2] != b',' {
        return None;
    }
    let code = code_end(text, start, end)?;
    if text.get(code) != Some(&b' ') {
        return None;
    }
    let until = town_end(text, code + 1)?;
    let comma = start - 2;
    let stop = |b: &u8| {
        matches!(*b, b'"' | b'\'' | b'`' | b'|' | b'<' | b'>' | b';' | b':' | b'(' | b'=' | b',')
            || b.is_ascii_control()
    };
    let mut from = comma - text[..comma].iter().rev().take(MAX_STREET_BYTES).take_while(|b| !stop(b)).count();
    while from < comma && text[from] & 0xc0 == 0x80 {
        from += 1;
    }
    let line = std::str::from_utf8(&text[from..comma]).ok()?;
    let words: Vec<&str> = line.split(' ').collect();
    let begin = |k: usize| from + words[..k].iter().map(|w| w.len() + 1).sum::<usize>();
    // A code such as 1991 may be a year; then the street must have the ending of one.
    let year = end - start == 4 && code == end && matches!(&text[start..start + 2], b"19" | b"20");
    // Street, house number, and at most two parts that name the door: `Mannerheimintie 23 A 4`.
    for k in (1..words.len()).rev().take(3) {
        if is_house_number(words[k]) && words[k + 1..].iter().all(|w| w.len() <= 2) {
            let n = street_words(&words[..k]);
            let named = words[k - n.min(k)..k].iter().any(|w| is_street_word(w));
            if n > 0 && (!year || named) {
                return Some((begin(k - n), until));
            }
        }
    }
    // House number, then street: `24 Rua das Laranjeiras`.
    let k = words.iter().position(|w| is_house_number(w))?;
    let rest = &words[k + 1..];
    (rest.len() >= 2 && !year && street_words(rest) >= rest.len().min(5)).then(|| (begin(k), until))
}

/// Returns the span of an address of East Asia around the digits `[start, end)`.
///
/// `東京都渋谷区神宮前2-6-5`, `北京市朝阳区建国路132号`, `서울특별시 강남구 테헤란로 174`: at least two characters for an
/// administrative division come before the digits, and a block, a lane or a house number follows. One such character is
/// not enough: `東京都の人口は1400万人` is a sentence.
pub(crate) fn east_asian(text: &[u8], start: usize, end: usize) -> Option<(usize, usize)> {
    let mut from = start.saturating_sub(90);
    while from < start && text[from] & 0xc0 == 0x80 {
        from += 1;
    }
    let head = std::str::from_utf8(&text[from..start]).ok()?;
    let script =
        |c: char| matches!(c, '\u{3005}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}');
    let hangul = head.ends_with("로 ") || head.ends_with("길 ");
    let run: Vec<(usize, char)> =
        head.char_indices().rev().take(32).take_while(|(_, c)| script(*c) || hangul && *c == ' ').collect();
    let signs = if hangul { "시구군도" } else { "都道府県市区郡町村省區縣县" };
    let count = run.iter().filter(|(_, c)| signs.contains(*c)).count();
    let begin = from + run.iter().rev().find(|(_, c)| *c != ' ')?.0;
    if count < 2 || run.len() < 6 {
        return None;
    }
    if hangul {
        return Some((begin, end));
    }
    // Blocks and houses: `2-6-5`, `8丁目5番`, `132号`.
    let mut e = end;
    let mut marked = false;
    loop {
        let rest = text.get(e..)?;
        let marks = ["丁目", "番地", "番", "号", "號", "の"];
        let step = marks.iter().find(|m| rest.starts_with(m.as_bytes())).map(|m| m.len());
        let dash = rest.first() == Some(&b'-') && rest.get(1).is_some_and(u8::is_ascii_digit);
        match step {
            Some(n) => e += n,
            None if dash => e += 1,
            None => break,
        }
        marked = true;
        e += text[e..].iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    }
    marked.then_some((begin, e))
}

/// Whether a value that a label calls an address looks like one.
pub(crate) fn plausible(value: &str) -> bool {
    let words: Vec<&str> = value.split([' ', ',']).filter(|w| !w.is_empty()).collect();
    let names = words
        .iter()
        .filter(|w| is_capitalized(w) && w.chars().filter(|c| c.is_alphabetic()).count() >= 3)
        .count();
    value.bytes().any(|b| b.is_ascii_digit())
        && !words.iter().any(|w| is_excluded(w))
        && names >= 1
        && (names >= 2 || value.contains(',') || words.iter().any(|w| is_capitalized(w) && is_street_word(w)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str) -> Option<&str> {
        let bytes = text.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            if bytes[i].is_ascii_digit() {
                let e = i + bytes[i..].iter().take_while(|b| b.is_ascii_digit()).count();
                if let Some((s, e)) = at(bytes, i, e) {
                    return Some(&text[s..e]);
                }
                i = e;
            } else {
                i += 1;
            }
        }
        None
    }

    #[test]
    fn addresses_of_many_countries_are_found() {
        for (text, want) in [
            ("wohnt Kärntner Ring 13, 1010 Wien.", "Kärntner Ring 13, 1010 Wien"),
            ("to Vesterbrogade 107, 1620 København V please", "Vesterbrogade 107, 1620 København V"),
            ("Mannerheimintie 23 A 4, 00100 Helsinki", "Mannerheimintie 23 A 4, 00100 Helsinki"),
            ("24 Rua das Laranjeiras, 1200-281 Lisboa", "24 Rua das Laranjeiras, 1200-281 Lisboa"),
            ("at Storgatan 17, 111 23 Stockholm", "Storgatan 17, 111 23 Stockholm"),
            ("Keizersgracht 12, 1015 CX Amsterdam", "Keizersgracht 12, 1015 CX Amsterdam"),
        ] {
            assert_eq!(find(text), Some(want), "{text}");
        }
    }

    #[test]
    fn east_asian_addresses_are_found() {
        for (text, want) in [
            ("住所: 東京都渋谷区神宮前2-6-5", Some("東京都渋谷区神宮前2-6-5")),
            ("北京市朝阳区建国路132号 x", Some("北京市朝阳区建国路132号")),
            ("서울특별시 강남구 테헤란로 174", Some("서울특별시 강남구 테헤란로 174")),
            ("東京都の人口は1400万人", None),
            ("바로 12 개", None),
            ("第3章の表2-1", None),
        ] {
            let s = text.find(|c: char| c.is_ascii_digit()).unwrap();
            let e = s + text[s..].bytes().take_while(u8::is_ascii_digit).count();
            assert_eq!(east_asian(text.as_bytes(), s, e).map(|(s, e)| &text[s..e]), want, "{text}");
        }
    }

    #[test]
    fn lists_dates_and_versions_are_not_addresses() {
        for text in [
            "Version 3, 1991 Free Software",
            "July 12, 2026 The",
            "[1, 2, 3, 1200 Things]",
            "Springer 12, 2004 Berlin",
            "take 4, 12345 Rows",
            "foo(3, 1234 As x)",
        ] {
            assert_eq!(find(text), None, "{text}");
        }
    }
}
