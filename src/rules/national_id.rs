//! National identity numbers whose shape is distinctive enough to be found inside any text.
//!
//! A mask describes the shape, a check excludes impossible digits: `529.982.247-25` is a Brazilian CPF, `529.982.247-26`
//! is not. Numbers that are recognized only if they are the entire text are in `bare_identifier.rs`; numbers that need a
//! keyword are regex rules.

use super::validate;

/// A further condition on a value that fits a mask, usually a check digit.
type Check = fn(&[u8]) -> bool;

/// In a mask `A` is a capital letter, `9` a digit, `N` either, and any other byte is itself.
const MASKS: &[(&[u8], Check)] = &[
    // India: PAN, GSTIN
    (b"AAAAA9999A", |v| b"ABCFGHJLPT".contains(&v[3])),
    (b"99AAAAA9999ANZN", |v| v[0] < b'4'),
    // Italy: codice fiscale
    (b"AAAAAA99A99A999A", |_| true),
    // Spain: NIF, NIE
    (b"99999999A", spanish),
    (b"99999999-A", spanish),
    (b"A9999999A", |v| b"XYZ".contains(&v[0]) && spanish(v) || b"STFGM".contains(&v[0])),
    (b"A9999999-A", |v| b"XYZ".contains(&v[0]) && spanish(v)),
    // Korea: passport
    (b"A999A9999", |v| b"MSRODG".contains(&v[0])),
    // Germany: social security, with day and month of birth inside
    (b"99999999A999", |v| (1..=31).contains(&two(v, 2)) && (1..=12).contains(&two(v, 4))),
    // Singapore: companies
    (b"999999999A", |v| v.starts_with(b"19") || v.starts_with(b"20")),
    // United Kingdom: national insurance, NHS, postcodes
    (b"AA 99 99 99 A", nino),
    (b"AA999999A", nino),
    (b"999 999 9999", |v| validate::nhs(v)),
    (b"A9 9AA", postcode),
    (b"A99 9AA", postcode),
    (b"AA9 9AA", postcode),
    (b"AA99 9AA", postcode),
    (b"A9A 9AA", postcode),
    (b"AA9A 9AA", postcode),
    // Brazil: CPF and CNPJ
    (b"999.999.999-99", |v| cpf(v)),
    (b"99.999.999/9999-99", |v| v.len() == 18 && !v.starts_with(b"00.000")),
    // India: Aadhaar
    (b"9999 9999 9999", verhoeff),
    // Canada, Australia
    (b"999 999 999", sin),
    (b"999-999-999", sin),
    (b"99 999 999 999", validate::abn),
];

fn two(v: &[u8], at: usize) -> u32 {
    u32::from(v[at] - b'0') * 10 + u32::from(v[at + 1] - b'0')
}

fn spanish(v: &[u8]) -> bool {
    std::str::from_utf8(v).is_ok_and(validate::spanish_id)
}

fn nino(v: &[u8]) -> bool {
    !b"DFIQUV".contains(&v[0]) && !b"DFIQUVO".contains(&v[1]) && v.last().is_some_and(|c| b"ABCD".contains(c))
}

fn postcode(v: &[u8]) -> bool {
    v[v.len() - 2..].iter().all(|c| !b"CIKMOV".contains(c)) && !b"QVX".contains(&v[0])
}

fn sin(v: &[u8]) -> bool {
    validate::luhn_sum(v).is_multiple_of(10) && !v.ends_with(b"000") && v[0] != b'8'
}

fn cpf(v: &[u8]) -> bool {
    let d: Vec<u32> = validate::digits(v).collect();
    let check = |n: usize| {
        let sum: u32 = d[..n].iter().zip((2..=n as u32 + 1).rev()).map(|(d, w)| d * w).sum();
        sum * 10 % 11 % 10
    };
    d.len() == 11 && check(9) == d[9] && check(10) == d[10] && d.iter().any(|n| *n != d[0])
}

/// Whether the Verhoeff check digit is right; it is computed in the dihedral group of order ten.
fn verhoeff(v: &[u8]) -> bool {
    let times = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + b) % 5,
        (false, true) => 5 + (a + 5 - b) % 5,
        (false, false) => (a + 5 - b) % 5,
    };
    const TURN: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let d: Vec<u32> = validate::digits(v).collect();
    let sum = d
        .iter()
        .rev()
        .enumerate()
        .fold(0, |sum, (i, n)| times(sum, (0..i % 8).fold(*n, |n, _| TURN[n as usize])));
    sum == 0 && d.first().is_some_and(|n| *n >= 2)
}

/// Returns the span of the national id around the digits that start at `start`.
pub(crate) fn at(text: &[u8], start: usize) -> Option<(usize, usize)> {
    let mut s = start;
    let capital = start > 0
        && (text[start - 1].is_ascii_uppercase()
            || start > 1 && text[start - 1] == b' ' && text[start - 2].is_ascii_uppercase());
    if !capital && !may_begin_mask(&text[start..]) {
        return None;
    }
    // The capitals before the digits belong to the id, as does the space in `AB 12 34 56 C`.
    if s > 2 && text[s - 1] == b' ' && text[s - 2].is_ascii_uppercase() && text[s - 3].is_ascii_uppercase() {
        s -= 1;
    }
    while s > 0 && start - s < 8 && text[s - 1].is_ascii_uppercase() {
        s -= 1;
    }
    let found = match_mask(text, s);
    if found.is_none() && s < start && text[start - 1] == b' ' { match_mask(text, start) } else { found }
}

/// Whether a mask that begins with a digit could fit, judged by the length of the run and the byte after it.
///
/// Most numbers in a log fail this test, so the masks are rarely compared.
fn may_begin_mask(text: &[u8]) -> bool {
    let run = text.iter().take(10).take_while(|b| b.is_ascii_digit()).count();
    text.get(run).is_some_and(|next| match run {
        2 => next.is_ascii_uppercase() || matches!(next, b' ' | b'.'),
        3 => matches!(next, b' ' | b'-' | b'.'),
        4 => *next == b' ',
        8 => next.is_ascii_uppercase() || *next == b'-',
        9 => next.is_ascii_uppercase(),
        _ => false,
    })
}

/// Returns the span of the id that begins at `s` and is not part of a longer word.
fn match_mask(text: &[u8], s: usize) -> Option<(usize, usize)> {
    let word = |b: Option<&u8>| {
        b.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/' | b'.'))
    };
    if word(s.checked_sub(1).and_then(|i| text.get(i))) {
        return None;
    }
    MASKS.iter().find_map(|(mask, check)| {
        let e = s + mask.len();
        let v = text.get(s..e)?;
        let fit = mask.iter().zip(v).all(|(m, c)| match m {
            b'A' => c.is_ascii_uppercase(),
            b'9' => c.is_ascii_digit(),
            b'N' => c.is_ascii_uppercase() || c.is_ascii_digit(),
            m => m == c,
        });
        let next = text.get(e);
        let open = next.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
            || next == Some(&b' ') && text.get(e + 1).is_some_and(u8::is_ascii_digit) && mask[0] == b'9';
        (fit && !open && check(v)).then_some((s, e))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_by_its_mask_and_check_digit() {
        for (text, at_digit, want) in [
            ("PAN QRSPT4821K.", 9, "QRSPT4821K"),
            ("at LS4A 7QD now", 5, "LS4A 7QD"),
            ("n 943 476 5919", 2, "943 476 5919"),
            ("cpf 529.982.247-25.", 4, "529.982.247-25"),
            ("on 2341 2341 2346 ok", 3, "2341 2341 2346"),
        ] {
            let (s, e) = at(text.as_bytes(), at_digit).unwrap();
            assert_eq!(&text[s..e], want);
        }
        for (text, at_digit) in [("48213907C", 0), ("ABCDE1234Z", 5), ("100 000 000", 0), ("x-LS4A 7QD", 4)] {
            assert_eq!(at(text.as_bytes(), at_digit), None, "{text}");
        }
    }
}
