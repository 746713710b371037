//! `clawgate selftest`: measures the redaction on a corpus that is made at this moment.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use crate::cli::context::{CliContext, CommandError};
use crate::cli::table::{Align, Table};
use crate::redact::{SelfTest, Tally, selftest};
use crate::rules::Engine;

/// Measure the redaction on a corpus made from a seed
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to measure
    #[arg(value_parser = ["redact"], default_value = "redact")]
    what: String,
    /// The corpus to make: any words; random unless given
    #[arg(long)]
    seed: Option<String>,
    /// How many values to make of every kind
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=1000))]
    rounds: u64,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let seed = args.seed.unwrap_or_else(|| format!("{:x}", RandomState::new().build_hasher().finish()));
    let engine = Engine::builtin().map_err(crate::app::Failure::from)?;
    let ctx = cli.app()?.ctx.clone();
    let report = selftest(engine, &seed, args.rounds, &|| ctx.check().is_err());
    ctx.check()?;
    let width = cli.width();
    cli.print_report(&report, |r| render(r, width))
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn render(r: &SelfTest, width: usize) -> String {
    let mut table = Table::new(&[
        ("", Align::Truncate),
        ("caught", Align::Right),
        ("of", Align::Right),
        ("share", Align::Right),
    ]);
    let mut row = |name: &str, t: Tally| {
        table.row([name.to_owned(), t.caught.to_string(), t.total.to_string(), percent(t.share())]);
    };
    row("secrets", r.secrets);
    row("personal data", r.pii);
    for (carrier, t) in &r.by_carrier {
        row(&format!("  in {carrier}"), *t);
    }
    let mut out = table.render(width);
    out.push_str(&format!(
        "\nprecision (removed stretches that stand in something sensitive): {}\nharmless text left as it is: {} of bytes, {} of texts\n",
        percent(r.precision.share()),
        percent(r.harmless_bytes.share()),
        percent(r.harmless_texts.share()),
    ));
    for (rule, carriers) in r.missed.iter().take(20) {
        out.push_str(&format!("missed: {rule} in {}\n", carriers.join(", ")));
    }
    if r.missed.len() > 20 {
        out.push_str(&format!("… and {} more rules\n", r.missed.len() - 20));
    }
    out.push_str(&format!(
        "\nseed {}. The values are of kinds the rules know: this shows what wrappings cost and what goes for nothing,\nnot how well unknown kinds are found. docs/redaction.md has the figures on a labelled corpus.\n",
        r.seed
    ));
    out
}
