//! The agent reads the memory of a command that holds the passphrase or the token.

use super::{HubWorld, REPO};
use crate::world::{Step, run_steps_on_terminal};

/// The ids of the processes that sign this release.
pub fn processes(release: &str) -> Vec<u32> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(&format!("sign {release}")) && !line.contains("script") && !line.starts_with("sh ") {
            out.push(pid);
        }
    }
    out
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_that_asks_for_the_passphrase_cannot_be_dumped() {
    use std::os::unix::fs::MetadataExt;
    let w = HubWorld::confirmed();
    let mut seen = 0;
    let steps = vec![Step::new("to approve: ", || {
        for pid in processes(&w.release) {
            // The files of a process that cannot be dumped belong to root, so that its own user cannot open its memory.
            let owner = std::fs::metadata(format!("/proc/{pid}/mem")).unwrap().uid();
            let limit = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            assert_eq!(owner, 0);
            assert!(limit.contains("CoreDumping:\t0"), "{limit}");
            seen += 1;
        }
        format!("not {REPO}")
    })];
    let ran = run_steps_on_terminal(&w.world, &["sign", &w.release], &[], steps);
    assert_ne!(ran.code, 0, "{}", ran.out);
    assert!(seen > 0, "the process was not found");
    w.assert_nothing_left();
}

/// A user who is not root: the files of root's processes belong to root anyway.
const OTHER_USER: &str = "setpriv --reuid=12345 --regid=12345 --clear-groups";

/// Whether this user, or another one that root becomes, can read the list of the memory of a process.
#[cfg(target_os = "linux")]
fn can_read(prefix: &str, pid: u32) -> bool {
    let line = format!("{prefix} head -c 1 /proc/{pid}/maps >/dev/null 2>&1");
    std::process::Command::new("sh").args(["-c", &line]).status().unwrap().success()
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_of_the_same_user_who_is_not_root_cannot_read_it() {
    use crate::world::{World, run_shell_on_terminal};
    let world = World::new(&["claude-2.1.329"]);
    let release = world.confirmed();
    super::keys(&world);
    let mut prefix = "";
    let mut program = std::path::PathBuf::from(env!("CARGO_BIN_EXE_clawgate"));
    if nix::unistd::geteuid().is_root() {
        prefix = OTHER_USER;
        let copy = world.tmp.path().join("clawgate");
        std::fs::copy(&program, &copy).unwrap();
        program = copy;
        let owned =
            std::process::Command::new("chown").args(["-R", "12345:12345"]).arg(world.tmp.path()).status();
        assert!(owned.unwrap().success());
    }
    // A process that can be dumped is readable, so that the test can fail.
    let control = format!("{prefix} sleep 60");
    let mut words = control.split_whitespace();
    let mut control = std::process::Command::new(words.next().unwrap()).args(words).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(200));
    let control_is_readable = can_read(prefix, control.id());
    control.kill().unwrap();
    control.wait().unwrap();
    assert!(control_is_readable);
    let mut seen = 0;
    let steps = vec![Step::new("to approve: ", || {
        for pid in processes(&release) {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
            if line.starts_with(program.to_str().unwrap().as_bytes()) {
                assert!(!can_read(prefix, pid), "the memory of {pid} is readable");
                seen += 1;
            }
        }
        "no".to_owned()
    })];
    let shell = format!("{prefix} '{}' sign {release}", program.display());
    let ran = run_shell_on_terminal(&world, &shell, &[], steps);
    assert!(ran.flat().contains("Nothing was signed"), "{}", ran.out);
    assert_eq!(seen, 1, "the process was not found");
}

/// Whether the writable memory of a process contains these bytes. `None` if it cannot be read.
#[cfg(target_os = "linux")]
fn memory_contains(pid: u32, wanted: &[&[u8]]) -> Option<Vec<bool>> {
    use std::os::unix::fs::FileExt;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut found = vec![false; wanted.len()];
    for line in maps.lines().filter(|l| l.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw"))) {
        let (from, to) = line.split(' ').next()?.split_once('-')?;
        let (from, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
        let mut bytes = vec![0; usize::try_from(to - from).ok()?];
        if memory.read_exact_at(&mut bytes, from).is_ok() {
            for (found, wanted) in found.iter_mut().zip(wanted) {
                *found |= bytes.windows(wanted.len()).any(|w| w == *wanted);
            }
        }
    }
    Some(found)
}

#[cfg(target_os = "linux")]
#[test]
fn after_its_use_the_passphrase_is_nowhere_in_the_memory() {
    use std::time::{Duration, Instant};

    use crate::hub_double::Fault;
    use crate::world::PASSPHRASE;
    let w = HubWorld::confirmed();
    // The upload waits, so that the memory is read after the passphrase was used.
    w.hub.fault("GET", "whoami", Fault::RateLimit(2));
    let read = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let start = Instant::now();
            while w.hub.seen().is_empty() && start.elapsed() < Duration::from_secs(60) {
                std::thread::sleep(Duration::from_millis(5));
            }
            let pid = *processes(&w.release).last().unwrap();
            for file in ["environ", "cmdline"] {
                let text = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
                assert!(!text.windows(PASSPHRASE.len()).any(|t| t == PASSPHRASE.as_bytes()), "{file}");
            }
            memory_contains(pid, &[PASSPHRASE.as_bytes(), REPO.as_bytes()])
        });
        let signed = w.sign();
        assert_eq!(signed.code, 0, "{}", signed.out);
        reader.join().unwrap()
    });
    // Only root, and not in every container, can read the memory of a process that cannot be dumped.
    if let Some(found) = read {
        assert_eq!(found, [false, true], "the passphrase, and a text that must be there");
    }
}
