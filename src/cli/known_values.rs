//! The values that options take, for shell completions and manual pages.

use clap::builder::PossibleValuesParser;

use crate::app::cost::CostSort;
use crate::app::install::setup_names;
use crate::app::scan::BADGE_NAMES;
use crate::app::sessions::{DocKind, Mark, SearchRole, SortKey};
use crate::app::text::known_names;
use crate::sources;
use crate::usage::Dimension;
use crate::workflow::Visibility;

/// Adds the known values to the options that take one of them, in every command. Only completions and manual pages need
/// this: when a command runs, the use case checks the value, and its message suggests the nearest one.
pub(super) fn with_values(command: clap::Command) -> clap::Command {
    let options: Vec<(String, Vec<String>)> = command
        .get_arguments()
        .filter_map(|arg| {
            // The only argument without a name that takes known values is the agent to set up.
            let positional = (command.get_name() == "update-skill").then(|| arg.get_id().as_str());
            let values = values_of(arg.get_long().or(positional)?, command.get_name())?;
            Some((arg.get_id().to_string(), values))
        })
        .collect();
    let command = options.into_iter().fold(command, |command, (id, values)| {
        // clap takes static text. The process ends after it has printed the script.
        let values = values.into_iter().map(|value| &*value.leak());
        command.mut_arg(id, |arg| arg.value_parser(PossibleValuesParser::new(values)))
    });
    command.mut_subcommands(with_values)
}

/// Returns the values of an option.
fn values_of(option: &str, command: &str) -> Option<Vec<String>> {
    Some(match (option, command) {
        ("by", _) => known_names::<Dimension>(),
        ("status", _) => known_names::<Mark>(),
        ("sort", "inbox") => known_names::<SortKey>(),
        ("sort", "cost") => known_names::<CostSort>(),
        ("badge", _) => BADGE_NAMES.iter().map(|name| (*name).to_owned()).collect(),
        // The names of all zones would be most of the script.
        ("timezone", _) => ["UTC", "local"].map(str::to_owned).to_vec(),
        ("kind", "search") => known_names::<DocKind>(),
        ("role", _) => known_names::<SearchRole>(),
        ("visibility", _) => known_names::<Visibility>(),
        ("agent", "update-skill") => setup_names().into_iter().map(str::to_owned).collect(),
        ("agent" | "source", _) => {
            sources::REGISTRY.iter().map(|s| s.agent().to_owned()).chain(["all".to_owned()]).collect()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::command_line;

    #[test]
    fn options_with_known_values_offer_them() {
        let command = with_values(command_line(None));
        let offered = |path: &[&str], option: &str| -> Vec<String> {
            let found = path.iter().fold(&command, |c, name| c.find_subcommand(name).unwrap());
            let arg =
                found.get_arguments().find(|a| a.get_long().or(Some(a.get_id().as_str())) == Some(option));
            let arg = arg.unwrap();
            arg.get_possible_values().iter().map(|v| v.get_name().to_owned()).collect()
        };
        for (path, option, value) in [
            (&["cost"][..], "by", "model"),
            (&["cost", "explain"], "by", "day"),
            (&["inbox"], "status", "approved"),
            (&["inbox"], "sort", "cost"),
            (&["inbox"], "badge", "tests-failed"),
            (&["cost"], "sort", "requests"),
            (&["cost"], "timezone", "UTC"),
            (&["scan"], "agent", "claude"),
            (&["scope"], "agent", "codex"),
            (&["search"], "kind", "tool_output"),
            (&["search"], "role", "assistant"),
            (&["config"], "visibility", "private"),
            (&["update-skill"], "agent", "opencode"),
        ] {
            let values = offered(path, option);
            assert!(values.iter().any(|v| v == value), "{path:?} --{option}: {values:?}");
        }
    }
}
