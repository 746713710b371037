//! Addresses of Bitcoin wallets, recognized by their checksums: Base58Check for legacy addresses, Bech32 and Bech32m
//! (BIP 173, BIP 350) for `bc1…`.

use sha2::{Digest, Sha256};

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Returns the span of the address around the digit at `start`: it begins there (`1…`, `3…`) or two bytes before (`bc1…`).
pub(crate) fn at(text: &[u8], start: usize) -> Option<(usize, usize)> {
    let segwit = start >= 2 && text[start] == b'1' && text[start - 2..start].eq_ignore_ascii_case(b"bc");
    let from = if segwit { start - 2 } else { start };
    if from > 0 && (text[from - 1].is_ascii_alphanumeric() || text[from - 1] == b'_') {
        return None;
    }
    let run = text[start..].iter().take(91).take_while(|b| b.is_ascii_alphanumeric()).count();
    let end = start + run;
    let whole = &text[from..end];
    let good = match segwit {
        true => (14..=74).contains(&whole.len()) && bech32(whole),
        false => matches!(text[start], b'1' | b'3') && (26..=35).contains(&whole.len()) && base58check(whole),
    };
    (good && text.get(end) != Some(&b'_')).then_some((from, end))
}

/// Whether an address decodes to a version byte, a hash, and the first four bytes of the double SHA-256 over both.
fn base58check(address: &[u8]) -> bool {
    let mut bytes = [0u8; 25];
    for c in address {
        let Some(mut carry) = BASE58.iter().position(|b| b == c) else { return false };
        for b in bytes.iter_mut().rev() {
            carry += usize::from(*b) * 58;
            *b = (carry & 0xff) as u8;
            carry >>= 8;
        }
        if carry > 0 {
            return false;
        }
    }
    Sha256::digest(Sha256::digest(&bytes[..21]))[..4] == bytes[21..]
}

/// Whether the checksum of a `bc1…` address is that of Bech32 or Bech32m.
fn bech32(address: &[u8]) -> bool {
    let mut data: Vec<u32> =
        vec![u32::from(b'b' >> 5), u32::from(b'c' >> 5), 0, u32::from(b'b' & 31), u32::from(b'c' & 31)];
    for c in &address[3..] {
        match BECH32.iter().position(|b| *b == c.to_ascii_lowercase()) {
            Some(n) => data.push(n as u32),
            None => return false,
        }
    }
    let mut check = 1u32;
    for n in data {
        let top = check >> 25;
        check = (check & 0x01ff_ffff) << 5 ^ n;
        for (i, g) in
            [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3].into_iter().enumerate()
        {
            if top >> i & 1 == 1 {
                check ^= g;
            }
        }
    }
    matches!(check, 1 | 0x2bc8_30a3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes a hash as a Base58Check address.
    fn legacy(hash: [u8; 20]) -> String {
        let mut bytes = vec![0u8];
        bytes.extend(hash);
        let sum = Sha256::digest(Sha256::digest(&bytes));
        bytes.extend(&sum[..4]);
        let zeros = bytes.iter().take_while(|b| **b == 0).count();
        let mut out = Vec::new();
        while bytes.iter().any(|b| *b > 0) {
            let mut rest = 0u32;
            for b in &mut bytes {
                let n = rest << 8 | u32::from(*b);
                *b = (n / 58) as u8;
                rest = n % 58;
            }
            out.push(BASE58[rest as usize]);
        }
        out.extend(std::iter::repeat_n(b'1', zeros));
        out.reverse();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_address_with_a_wrong_checksum_is_not_found() {
        let good = legacy([0x5a; 20]);
        let text = format!("pay {good}, please");
        assert_eq!(at(text.as_bytes(), 4), Some((4, 4 + good.len())));
        let bad = good.replacen(&good[5..6], if &good[5..6] == "x" { "y" } else { "x" }, 1);
        assert_eq!(at(bad.as_bytes(), 0), None);
        // the example of BIP 173
        let segwit = ["bc1qw508d6qejxtdg4y5r3zarvary0c5xw7k", "v8f3t4"].concat();
        assert_eq!(at(segwit.as_bytes(), 2), Some((0, segwit.len())));
        assert_eq!(at(segwit.replace("w5", "w6").as_bytes(), 2), None);
    }
}
