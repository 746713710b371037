//! The agent prepares the person's shell: another archive, libraries in front of the program, another program of the same
//! name, an open token.

use crate::world::{World, run_steps_on_terminal};

/// The variables of the attack. No library exists at these paths, so that the loader only prints a warning.
fn variables(dir: &str) -> Vec<(&'static str, String)> {
    vec![
        ("LD_AUDIT", format!("{dir}/none.so")),
        ("LD_LIBRARY_PATH", format!("{dir}/lib")),
        ("SSL_CERT_DIR", format!("{dir}/certs")),
        ("HF_TOKEN", "not-shown".to_owned()),
        ("HOSTALIASES", format!("{dir}/hosts")),
        ("PATH", format!("{dir}/bin:/usr/bin:/bin")),
    ]
}

#[cfg(unix)]
fn another_program(dir: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("bin/clawgate");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[cfg(unix)]
#[test]
fn everything_unusual_is_listed_before_a_passphrase_and_by_doctor() {
    let world = World::new(&["claude-2.1.329"]);
    let release = world.confirmed();
    super::keys(&world);
    another_program(world.tmp.path());
    let dir = world.tmp.path().display().to_string();
    let owned = variables(&dir);
    let given: Vec<(&str, &str)> = owned.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let names =
        ["CLAWGATE_HOME", "LD_AUDIT", "LD_LIBRARY_PATH", "SSL_CERT_DIR", "HF_TOKEN", "HOSTALIASES", "PATH="];
    let stop = || crate::world::Step::new("to approve: ", || "no".to_owned());
    let screen = run_steps_on_terminal(&world, &["sign", &release], &given, vec![stop()]);
    for name in names {
        assert!(screen.out.contains(name), "{name} is not listed: {}", screen.out);
    }
    assert!(!screen.out.contains("not-shown"), "{}", screen.out);
    assert!(!world.out().exists());

    let mut command = world.command();
    command.args(["doctor", "--json"]).envs(given);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    for name in names {
        assert!(text.contains(name), "doctor does not list {name}: {text}");
    }
    assert!(!text.contains("not-shown"));
}
