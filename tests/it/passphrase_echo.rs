//! What the terminal shows while a person types a passphrase.

use std::fs;

use crate::world::{PASSPHRASE, Step, World, run_shell_on_terminal};

#[test]
fn the_terminal_shows_nothing_of_what_is_typed_while_a_passphrase_is_checked() {
    let world = World::new(&["claude-2.1.329"]);
    fs::create_dir_all(world.state()).unwrap();
    let log = world.tmp.path().join("echo");
    let binary = env!("CARGO_BIN_EXE_clawgate");
    // The settings of the terminal are recorded again and again: `echo` is on, `-echo` is off.
    let record = format!(
        "while :; do stty -a < /dev/tty | tr ' ;' '\\n\\n' | grep -x -e -echo -e echo; done > {}",
        log.display()
    );
    let last = "stty -a < /dev/tty | tr ' ;' '\\n\\n' | grep -x -e -echo -e echo";
    let shell = format!(
        "'{binary}' keys init >/dev/tty; echo READY; ({record}) & recorder=$!; '{binary}' keys rotate; kill $recorder; echo after:; {last}"
    );
    let answer = |text: &'static str| move || text.to_owned();
    let steps = vec![
        Step::new("12 characters): ", answer(PASSPHRASE)),
        Step::new("Repeat passphrase: ", answer(PASSPHRASE)),
        Step::new("none): ", answer("")),
        Step::new("Passphrase: ", answer("not the passphrase")),
        Step::new("Passphrase: ", answer(PASSPHRASE)),
    ];
    let ran = run_shell_on_terminal(&world, &shell, &[], steps);
    let states = fs::read_to_string(&log).unwrap();
    let mut changes: Vec<&str> = states.lines().collect();
    changes.dedup();
    assert!(matches!(changes[..], ["echo", "-echo"] | ["echo", "-echo", "echo"]), "{changes:?}: {}", ran.out);
    assert!(ran.out.trim_end().ends_with("\necho"), "{}", ran.out);
}
