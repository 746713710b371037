//! Options that contain a number.

/// Parses the value of an option that is a number of things. Zero would select nothing.
///
/// # Errors
/// What the value must be, for the message that names the option.
pub(super) fn positive(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("it must be a whole number of at least 1".to_owned()),
    }
}
