//! Decompresses values that agents store as zstd frames.

use std::io::Read as _;

/// Decompresses a zstd frame; stops after `limit` bytes.
///
/// # Errors
/// The reason, if the frame is broken or empty.
pub(crate) fn decompress(frame: &[u8], limit: usize) -> Result<Vec<u8>, &'static str> {
    let broken = "a compressed record cannot be decompressed";
    let mut out = Vec::new();
    let decoder = zstd::stream::read::Decoder::new(frame).map_err(|_| broken)?;
    decoder.take(limit as u64 + 1).read_to_end(&mut out).map_err(|_| broken)?;
    if out.is_empty() { Err(broken) } else { Ok(out) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_up_to_the_limit_and_a_broken_one_is_an_error() {
        let frame = zstd::stream::encode_all(&[b'x'; 5000][..], 3).unwrap();
        assert_eq!(decompress(&frame, 9000).unwrap().len(), 5000);
        assert_eq!(decompress(&frame, 99).unwrap().len(), 100);
        assert!(decompress(&frame[..frame.len() / 2], 9000).is_err());
        assert!(decompress(b"no frame", 9000).is_err());
        assert!(decompress(b"", 9000).is_err());
    }
}
