//! Commands of ClawTrace and DataClaw that have another name here, or none.

use crate::app::Failure;

/// A command of a predecessor, the commands that replace it here, and the command to run first.
struct Predecessor {
    names: &'static [&'static str],
    here: &'static str,
    next: &'static str,
}

const PREDECESSORS: &[Predecessor] = &[
    Predecessor {
        names: &["share", "upload", "push", "bundle-share"],
        here: "a release is shared in four steps: `clawgate prepare`, `clawgate review`, `clawgate confirm` and \
               `clawgate sign`, which publishes it; `clawgate preview` shows what would be published",
        next: "clawgate status",
    },
    Predecessor {
        names: &["bundles", "bundle-create"],
        here: "a bundle is a release, and `clawgate bundle create` makes one of the approved sessions",
        next: "clawgate bundle --help",
    },
    Predecessor {
        names: &["bundle-list"],
        here: "a bundle is a release, and `clawgate releases` lists them",
        next: "clawgate releases",
    },
    Predecessor {
        names: &["bundle-view"],
        here: "a bundle is a release, and `clawgate preview` shows what it would publish",
        next: "clawgate preview --help",
    },
    Predecessor {
        names: &["bundle-export"],
        here: "a bundle is a release, and `clawgate bundle export` writes its sessions to a folder",
        next: "clawgate bundle export --help",
    },
    Predecessor {
        names: &["card"],
        here: "`clawgate show KEY` shows one session, redacted",
        next: "clawgate show --help",
    },
    Predecessor {
        names: &["huggingface-cli", "logout", "auth"],
        here: "`clawgate login` stores, replaces or removes the encrypted Hub token",
        next: "clawgate login",
    },
    Predecessor {
        names: &["budget", "budgets", "alerts"],
        here: "budgets are in config.toml, and `clawgate cost alerts` shows their state",
        next: "clawgate cost alerts",
    },
    Predecessor {
        names: &["unapprove", "unblock"],
        here: "`clawgate unmark` removes the mark of a session",
        next: "clawgate unmark --help",
    },
];

/// Returns what the command of a predecessor is called here.
pub(super) fn renamed(name: &str) -> Option<Failure> {
    let found = PREDECESSORS.iter().find(|p| p.names.contains(&name))?;
    let message = format!("clawgate has no command `{name}`. In clawgate, {}.", found.here);
    Some(Failure::usage("renamed_command", message).hint(found.next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{called_command, command_line};

    #[test]
    fn a_renamed_command_names_commands_that_exist() {
        let line = command_line(None);
        for p in PREDECESSORS {
            for name in p.names {
                assert!(line.find_subcommand(name).is_none(), "{name} exists");
            }
            let quoted = p.here.split('`').skip(1).step_by(2);
            for command in quoted.chain([p.next]) {
                let words = command.strip_prefix("clawgate ").unwrap();
                assert!(
                    !called_command(&line, words.split(' ').filter(|w| *w != "help")).is_empty(),
                    "{command}"
                );
            }
        }
        assert!(renamed("share").unwrap().message.contains("`clawgate sign`"));
        assert!(renamed("scan").is_none());
    }
}
