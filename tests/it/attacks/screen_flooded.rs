//! Many projects with long names, or names with gaps, push the destination off the screen or imitate its lines.

use clawgate::app::release::PrepareParams;
use clawgate::gate::KdfParams;

use super::{HubWorld, REPO, keys};
use crate::hub_double::{HubDouble, write_token};
use crate::world::{PASSPHRASE, World, run_on_terminal};

/// The lines of the screen, from the destination to the question.
fn last_screen(out: &str) -> Vec<&str> {
    let lines: Vec<&str> = out.lines().map(str::trim_end).collect();
    let question = lines.iter().rposition(|l| l.starts_with("Type \"")).unwrap();
    let from = lines[..question].iter().rposition(|l| l.starts_with("destination")).unwrap();
    lines[from..=question].to_vec()
}

#[test]
fn sixty_projects_leave_the_destination_and_its_audience_above_the_question() {
    let names: Vec<String> =
        (0..60).map(|n| format!("/srv/project-number-{n:02}-with-a-rather-long-name-of-a-client")).collect();
    let world = crate::scope::world_with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    world.configure(&format!(
        "[publish]\nrepo = \"{REPO}\"\nvisibility = \"public\"\nlicence = \"cc-by-4.0\"\n"
    ));
    let release = world.confirmed_with(&PrepareParams::default());
    let w = HubWorld { world, hub: HubDouble::start(), release };
    let mut app = w.app(0);
    let access = app.hub_access(&write_token(), None).unwrap();
    app.keys_init_with(PASSPHRASE, Some(&access), KdfParams::cheap()).unwrap();
    drop(app);
    let ran = w.person(&["sign", &w.release], &[("to approve: ", "no")]);
    let screen = last_screen(&ran.out);
    assert!(screen.len() <= 30, "{}", screen.join("\n"));
    let above = screen[screen.len() - 2];
    assert!(above.contains("PUBLIC: everyone will be able to read 60 rows"), "{above}");
    assert!(screen[screen.len() - 1].contains(&format!("Type \"{REPO}\" to approve:")));
    for name in &names {
        assert!(ran.out.contains(name.trim_start_matches("/srv/")), "{name} is in full above the screen");
    }
}

#[test]
fn a_private_release_says_so_directly_above_the_question() {
    let w = HubWorld::confirmed();
    let ran = w.person(&["sign", &w.release], &[("to approve: ", "no")]);
    let screen = last_screen(&ran.out);
    assert!(screen[screen.len() - 2].contains("private: "), "{}", screen.join("\n"));
}

#[test]
fn a_name_with_gaps_and_line_ends_stays_on_one_line() {
    let gaps = format!("/srv/shop{}strings       always redacted: Kasimir", "\u{a0}".repeat(70));
    let world: World = crate::scope::world_with(&[&gaps, "/srv/shop\u{2028}destination   elsewhere"]);
    let release = world.confirmed_with(&PrepareParams {
        folder: Some(world.out().display().to_string()),
        ..PrepareParams::default()
    });
    keys(&world);
    let ran = run_on_terminal(&world, &["sign", &release], &[("to approve: ", "no")]);
    let screen = last_screen(&ran.out).join("\n");
    assert!(
        !screen.contains('\u{a0}') && !screen.contains("strings       always redacted: Kasimir"),
        "{screen}"
    );
    assert_eq!(screen.lines().filter(|l| l.starts_with("destination")).count(), 1, "{screen}");
}
