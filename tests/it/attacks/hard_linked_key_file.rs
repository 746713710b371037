//! The agent keeps a second name of a key file, or opens it to others, to change it later.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::HubWorld;

#[test]
fn a_key_file_with_a_second_name_or_open_permissions_is_refused() {
    let w = HubWorld::confirmed();
    let (path, second) = (w.key_file("approvers.json"), w.world.tmp.path().join("second"));
    fs::hard_link(&path, &second).unwrap();
    let ran = w.person(&["sign", &w.release], &[]);
    assert_ne!(ran.code, 0, "{}", ran.out);
    assert!(ran.flat().contains("hard link"), "{}", ran.out);
    fs::remove_file(&second).unwrap();

    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let ran = w.person(&["sign", &w.release], &[]);
    assert_ne!(ran.code, 0, "{}", ran.out);
    assert!(ran.out.contains("666"), "{}", ran.out);
    w.assert_nothing_left();
}
