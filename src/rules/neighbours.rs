//! The bytes next to an offset of a text.

/// The byte before `i`, or a space at the start of the text.
pub(super) fn before(text: &[u8], i: usize) -> u8 {
    if i == 0 { b' ' } else { text[i - 1] }
}

/// The byte at `i`, or a space at the end of the text.
pub(super) fn after(text: &[u8], i: usize) -> u8 {
    text.get(i).copied().unwrap_or(b' ')
}
