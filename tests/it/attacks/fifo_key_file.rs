//! The agent puts a FIFO in the place of a key file or a receipt, to stop the program at a moment of its choice.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::HubWorld;

fn fifo(path: &Path) {
    let _ = fs::remove_file(path);
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
}

#[test]
fn a_fifo_does_not_stop_sign_or_publish() {
    for (name, command) in [
        ("keys/approvers.json", "sign"),
        ("keys/approver.json", "sign"),
        ("keys/approvers.json", "publish"),
        ("keys/approver.json", "publish"),
        ("receipts", "publish"),
    ] {
        let w = HubWorld::confirmed();
        if command == "publish" {
            assert_eq!(w.sign_only().code, 0);
        }
        match name {
            "receipts" => fifo(&w.receipt()),
            name => fifo(&w.world.state().join(name)),
        }
        let start = Instant::now();
        let ran = w.person(&[command, &w.release], &[]);
        assert!(start.elapsed() < Duration::from_secs(30), "{name}: it waited");
        assert_ne!(ran.code, 0, "{name}: {}", ran.out);
        assert!(ran.flat().contains("not a regular file"), "{name}: {}", ran.out);
        w.assert_nothing_left();
    }
}
