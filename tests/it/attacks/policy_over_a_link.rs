//! The policy names a folder by way of a link. The destination is stored without links, so that the rule would not match it.

use std::fs;
use std::os::unix::fs::symlink;

use super::keys;
use crate::second_approval::policy;
use crate::world::{World, ok, run, run_on_terminal};

#[test]
fn a_rule_for_a_folder_over_a_link_forbids_everything_until_it_names_the_folder() {
    let world = World::new(&["claude-2.1.329"]);
    let release = world.confirmed();
    keys(&world);
    let root = world.out().parent().unwrap().canonicalize().unwrap();
    let (link, root) = (root.join("link"), root.display().to_string());
    symlink(&root, &link).unwrap();
    let demand =
        |folder: &str| policy(&world, &format!("[[rule]]\nmatch = \"folder:{folder}/*\"\nmax_rows = 0\n"));
    demand(&link.display().to_string());
    let refused = run_on_terminal(&world, &["sign", &release], &[]);
    assert_ne!(refused.code, 0, "{}", refused.out);
    assert!(refused.flat().contains("leads over the link"), "{}", refused.out);
    // The next step is to correct the policy.
    let status = ok(&world, &["status", "--json"]);
    assert_eq!(status["next"]["command"], "clawgate doctor", "{status}");
    // As the message says.
    demand(&root);
    let refused = run_on_terminal(&world, &["sign", &release], &[]);
    assert_eq!(refused.code, 3, "{}", refused.out);
    assert!(refused.flat().contains("at most 0 are allowed"), "{}", refused.out);
    assert!(run(&world, &["doctor"]).flat().contains(&format!("rules: folder:{root}/*")));
    assert!(!world.out().exists());
    // What the person signs says which rules apply.
    policy(&world, &format!("[[rule]]\nmatch = \"folder:{root}/*\"\nmax_rows = 1000\n"));
    let signed = run_on_terminal(&world, &["sign", &release], &[("to approve: ", "no")]);
    assert!(signed.flat().contains(&format!("rules that match: folder:{root}/*")), "{}", signed.out);
    fs::remove_file(link).unwrap();
}
