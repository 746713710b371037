//! The agent puts a symbolic link in the place of a key file, to exchange what it leads to while it is used.

use std::fs;

use super::HubWorld;

#[test]
fn a_link_in_the_place_of_a_key_file_is_refused() {
    for name in ["approver.json", "approvers.json"] {
        let w = HubWorld::confirmed();
        let (path, moved) = (w.key_file(name), w.world.tmp.path().join("moved"));
        fs::rename(&path, &moved).unwrap();
        std::os::unix::fs::symlink(&moved, &path).unwrap();
        let ran = w.person(&["sign", &w.release], &[]);
        assert_ne!(ran.code, 0, "{name}: {}", ran.out);
        assert!(ran.flat().contains("symbolic link"), "{name}: {}", ran.out);
        w.assert_nothing_left();
    }
}
