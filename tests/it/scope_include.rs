//! Which exclusions are removed when a project is included again.

use serde_json::{Value, json};

use crate::scope::{excluded, world_with};
use crate::world::{ok, run};

#[test]
fn the_path_of_a_project_includes_only_that_project_and_every_removed_exclusion_is_named() {
    let world = world_with(&["/home/u", "/home/u/calc-app", "/home/u/calc-app/sub", "/srv/shop"]);
    ok(&world, &["scope", "--exclude", "calc-app", "--confirm", "--json"]);
    let before = excluded(&world);
    let answer = ok(&world, &["scope", "--include", "/home/u", "--json"]);
    assert_eq!(answer["removed"], json!([]), "{answer}");
    assert_eq!(excluded(&world), before);
    let ran = run(&world, &["scope", "--include", "/home/u"]);
    assert!(ran.out.contains("No exclusion was removed"), "{}", ran.out);

    let ran = run(&world, &["scope", "--include", "calc-app"]);
    assert!(ran.out.contains("no longer excluded: calc-app (/home/u/calc-app)"), "{}", ran.out);
    assert!(excluded(&world).is_empty());
    // A directory that is not a project means everything below it, and every removed exclusion is named.
    ok(&world, &["scope", "--exclude", "shop,/home/u/calc-app", "--json"]);
    let answer = ok(&world, &["config", "--remove-exclude", "/srv", "--json"]);
    assert_eq!(answer["removed"], json!(["shop (/srv/shop)"]), "{answer}");
    assert_eq!(excluded(&world), before);
    assert_eq!(ok(&world, &["scope", "--json"])["removed"], Value::Null);
}
