//! `clawgate selftest`: measures redaction on a generated corpus.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use crate::cli::context::{CliContext, CommandError};
use crate::cli::table::{Column, Table};
use crate::redact::{SelfTest, Tally, selftest};
use crate::rules::Engine;

/// Measure redaction on a generated corpus
#[derive(Debug, clap::Args)]
pub struct Args {
    // `selftest redact` was the only form of earlier versions.
    #[arg(value_parser = ["redact"], hide = true, help = "Ignored")]
    _what: Option<String>,
    /// Seed of the corpus, any text [default: random]
    #[arg(long, value_name = "TEXT")]
    seed: Option<String>,
    /// Number of values of each kind
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=1000))]
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

/// The report lists this many rules with missed values.
const MAX_MISSED_LISTED: usize = 20;

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn render(r: &SelfTest, width: usize) -> String {
    let mut table = Table::new([
        Column::left("").cut_end(20).rank(1),
        Column::right("caught"),
        Column::right("of"),
        Column::right("share"),
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
        "\nprecision (share of redactions that hit a sensitive value): {}\nharmless text left unchanged: {} of bytes, {} of texts\n",
        percent(r.precision.share()),
        percent(r.harmless_bytes.share()),
        percent(r.harmless_texts.share()),
    ));
    for (rule, carriers) in r.missed.iter().take(MAX_MISSED_LISTED) {
        out.push_str(&format!("missed: {rule} in {}\n", carriers.join(", ")));
    }
    if r.missed.len() > MAX_MISSED_LISTED {
        out.push_str(&format!("… and {} more rules\n", r.missed.len() - MAX_MISSED_LISTED));
    }
    out.push_str(&format!(
        "\nseed {}\nAll values are of kinds that the rules know, so this measures encodings and false positives, not unknown kinds\nof data. docs/redaction.md has figures for a labelled corpus.\n",
        r.seed
    ));
    out
}
