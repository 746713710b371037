//! The key of placeholders that a person gives.

use crate::app::Failure;
use crate::app::random::{key_from_hex, random_key_hex};

/// The key of the placeholders: the given one, else the stored one, else a new one.
///
/// # Errors
/// [`Failure`] if the given key is not 32 bytes in hex.
pub(super) fn placeholder_key(given: Option<&str>, stored: &str) -> Result<[u8; 32], Failure> {
    match given {
        Some(hex) => key_from_hex(&hex.to_ascii_lowercase()).map_err(|_| {
            Failure::usage(
                "bad_placeholder_key",
                "The key of the placeholders must be 64 hexadecimal digits.",
            )
        }),
        None if stored.is_empty() => key_from_hex(&random_key_hex()?),
        None => key_from_hex(stored),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_64_hexadecimal_digits() {
        assert_eq!(placeholder_key(Some(&"0A".repeat(32)), "").unwrap(), [10; 32]);
        for bad in ["", "00", &"zz".repeat(32)] {
            assert_eq!(placeholder_key(Some(bad), "").unwrap_err().code, "bad_placeholder_key");
        }
        assert_eq!(placeholder_key(None, &"01".repeat(32)).unwrap(), [1; 32]);
        assert_ne!(placeholder_key(None, "").unwrap(), placeholder_key(None, "").unwrap());
    }
}
