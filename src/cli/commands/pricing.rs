//! `clawgate pricing`: what requests are priced by.

use std::path::PathBuf;

use crate::app::cost::{ImportPricesParams, ModelPrice, PricingCheck, PricingReport, SetPriceParams};
use crate::app::text::sanitize;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_count, pluralize};
use crate::cli::render::{dim, green, yellow};
use crate::cli::table::{Align, Table};
use crate::pricing::{Decimal, OwnPrice};

/// Show, set, import and check prices
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Prices of a model, or of all models in the ledger
    Show {
        /// Model id as the logs have it
        model: Option<String>,
    },
    /// Set a price of your own, USD per million tokens
    Set(Box<SetArgs>),
    /// Import a signed price file, offline
    Import(ImportArgs),
    /// What has no price, and what else may be off
    Check,
}

#[derive(Debug, clap::Args)]
struct SetArgs {
    /// Model id, exactly; leave it out for every model of --provider
    model: Option<String>,
    /// Provider it holds for
    #[arg(long)]
    provider: Option<String>,
    /// Project (path) it holds in
    #[arg(long)]
    project: Option<String>,
    /// Input
    #[arg(long, value_name = "USD", required_unless_present = "remove")]
    input: Option<String>,
    /// Output
    #[arg(long, value_name = "USD", required_unless_present = "remove")]
    output: Option<String>,
    /// Cache reads
    #[arg(long, value_name = "USD")]
    cache_read: Option<String>,
    /// Writes to the five-minute cache
    #[arg(long = "cache-write-5m", value_name = "USD")]
    cache_write_5m: Option<String>,
    /// Writes to the one-hour cache
    #[arg(long = "cache-write-1h", value_name = "USD")]
    cache_write_1h: Option<String>,
    /// A web search, USD each
    #[arg(long, value_name = "USD")]
    web_search: Option<String>,
    /// Remove the price instead
    #[arg(long)]
    remove: bool,
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// The price file
    file: PathBuf,
    /// Its Ed25519 signature (default: FILE.sig)
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// The signer's public key: hex, base64, or a PEM file (default: trusted_keys of the configuration)
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Also where it is older than the prices in force
    #[arg(long)]
    older: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let width = cli.width();
    match args.what.unwrap_or(What::Show { model: None }) {
        What::Show { model } => {
            let report = cli.app()?.pricing(model.as_deref())?;
            cli.print_report(&report, |r| show(r, width))
        }
        What::Set(args) => {
            let text = |t: Option<String>| t.map(Decimal);
            let price = OwnPrice {
                model: args.model,
                provider: args.provider,
                project: args.project,
                input: Decimal(args.input.unwrap_or_default()),
                output: Decimal(args.output.unwrap_or_default()),
                cache_read: text(args.cache_read),
                cache_write_5m: text(args.cache_write_5m),
                cache_write_1h: text(args.cache_write_1h),
                web_search: text(args.web_search),
            };
            let report = cli.app()?.set_price(&SetPriceParams { price, remove: args.remove })?;
            cli.print_report(&report, |r| show(r, width))
        }
        What::Import(args) => {
            let ImportArgs { file, signature, key, older } = args;
            let report = cli.app()?.import_prices(&ImportPricesParams { file, signature, key, older })?;
            cli.print_report(&report, |r| {
                format!(
                    "imported {} of {}, signed by {}\n",
                    pluralize(r.rows, "price"),
                    sanitize(&r.as_of),
                    r.signed_by
                )
            })
        }
        What::Check => {
            let report = cli.app()?.check_pricing()?;
            cli.print_report(&report, check)?;
            if report.ok { Ok(()) } else { Err(CommandError::ExitCode(1)) }
        }
    }
}

fn show(r: &PricingReport, width: usize) -> String {
    let mut table = Table::new(&[
        ("model", Align::Truncate),
        ("input", Align::Right),
        ("output", Align::Right),
        ("cache read", Align::Right),
        ("write 5m", Align::Right),
        ("write 1h", Align::Right),
        ("price row", Align::Truncate),
        ("", Align::Left),
    ]);
    for m in &r.models {
        let name = name(m);
        if m.prices.is_empty() {
            let what = if m.status == "no_request" { "no request" } else { "no price" };
            table.row([name.as_str(), "", "", "", "", "", "", what]);
        }
        for p in &m.prices {
            let text = |t: &Option<String>| t.clone().unwrap_or_else(|| "–".to_owned());
            let since = p.from.map(|f| format!("since {}", &f.to_string()[..10])).unwrap_or_default();
            let note = match p.tiers.first() {
                Some(t) => format!("{since} dearer above {} tokens", format_count(t.above)).trim().to_owned(),
                None => since,
            };
            table.row([
                name.clone(),
                text(&p.rates.input),
                text(&p.rates.output),
                text(&p.rates.cache_read),
                text(&p.rates.cache_write_5m),
                text(&p.rates.cache_write_1h),
                p.id.clone(),
                note,
            ]);
        }
    }
    let mut out = if table.is_empty() { String::new() } else { table.render(width) };
    let origin = if r.imported { "imported prices" } else { "prices that ship with clawgate" };
    out.push_str(&dim(&format!(
        "USD per million tokens; {origin} of {}, {} of your own\n",
        r.as_of,
        r.own.len()
    )));
    out
}

fn name(m: &ModelPrice) -> String {
    m.provider.as_deref().map_or_else(|| m.model.clone(), |p| format!("{} ({p})", m.model))
}

fn check(r: &PricingCheck) -> String {
    let mut out = String::new();
    for m in &r.unpriced {
        let line = format!(
            "no price: {}, {}, {} tokens",
            name(m),
            pluralize(m.requests, "request"),
            format_count(m.tokens)
        );
        out.push_str(&format!("{}\n", yellow(&sanitize(&line))));
    }
    for note in &r.notes {
        out.push_str(&format!("{}\n", sanitize(note)));
    }
    if r.ok {
        out.push_str(&format!("{}\n", green("every request of the ledger has a price")));
    } else {
        out.push_str("set one: clawgate pricing set MODEL --input USD --output USD\n");
    }
    out
}
