//! `clawgate pricing`: shows and edits model prices.

use std::path::PathBuf;

use crate::app::cost::{ImportPricesParams, ModelPrice, PricingCheck, PricingReport, SetPriceParams};
use crate::app::text::sanitize;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_count, pluralize};
use crate::cli::render::{dim, green, yellow};
use crate::cli::table::{Cell, Column, Table};
use crate::pricing::{CustomPrice, Decimal};

/// Show, set, import and check model prices
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Option<PricingCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum PricingCommand {
    /// Show the prices of one model or of all models in the usage ledger
    Show {
        /// Model ID as it appears in the logs
        model: Option<String>,
    },
    /// Set a custom price in USD per million tokens
    Set(Box<SetArgs>),
    /// Import a signed price file
    Import(ImportArgs),
    /// List models without a price and other price problems
    Check,
}

#[derive(Debug, clap::Args)]
struct SetArgs {
    /// Exact model ID [default: every model of --provider]
    model: Option<String>,
    /// Only for requests to this provider
    #[arg(long)]
    provider: Option<String>,
    /// Only for requests in this project
    #[arg(long, value_name = "PATH")]
    project: Option<String>,
    /// Price of input tokens
    #[arg(long, value_name = "USD", required_unless_present = "remove")]
    input: Option<String>,
    /// Price of output tokens
    #[arg(long, value_name = "USD", required_unless_present = "remove")]
    output: Option<String>,
    /// Price of tokens read from the cache
    #[arg(long, value_name = "USD")]
    cache_read: Option<String>,
    /// Price of tokens written to the five-minute cache
    #[arg(long = "cache-write-5m", value_name = "USD")]
    cache_write_5m: Option<String>,
    /// Price of tokens written to the one-hour cache
    #[arg(long = "cache-write-1h", value_name = "USD")]
    cache_write_1h: Option<String>,
    /// Price of one web search
    #[arg(long, value_name = "USD")]
    web_search: Option<String>,
    /// Remove the custom price
    #[arg(long)]
    remove: bool,
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// Price file
    file: PathBuf,
    /// Ed25519 signature of the file [default: FILE.sig]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Public key of the signer: hex, base64 or a PEM file [default: trusted_keys in config.toml]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Import the file even if it is older than the current prices
    #[arg(long)]
    older: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let width = cli.width();
    match args.command.unwrap_or(PricingCommand::Show { model: None }) {
        PricingCommand::Show { model } => {
            let report = cli.app()?.pricing(model.as_deref())?;
            cli.print_report(&report, |r| show(r, width))
        }
        PricingCommand::Set(args) => {
            let text = |t: Option<String>| t.map(Decimal);
            let price = CustomPrice {
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
        PricingCommand::Import(args) => {
            let ImportArgs { file, signature, key, older } = args;
            let report = cli.app()?.import_prices(&ImportPricesParams { file, signature, key, older })?;
            cli.print_report(&report, |r| {
                format!(
                    "Imported {} of {}, signed by {}\n",
                    pluralize(r.rows, "price"),
                    sanitize(&r.as_of),
                    r.signed_by
                )
            })
        }
        PricingCommand::Check => {
            let report = cli.app()?.check_pricing()?;
            cli.print_report(&report, check)?;
            if report.ok { Ok(()) } else { Err(CommandError::ExitCode(1)) }
        }
    }
}

fn show(r: &PricingReport, width: usize) -> String {
    let mut table = Table::new([
        Column::left("model").cut_middle(16).want(40).want_eighths(3).rank(9),
        Column::right("input"),
        Column::right("output"),
        Column::right("cache read").optional().rank(3),
        Column::right("write 5m").optional().rank(2),
        Column::right("write 1h").optional().rank(1),
        Column::left("since").optional().rank(7),
        Column::left("long prompts").short_form().optional().rank(4),
        Column::left("price row").cut_middle(16).optional().rank(0),
    ]);
    for m in &r.models {
        let name = name(m);
        if m.prices.is_empty() {
            let status = if m.status == "no_request" { "no request" } else { "no price" };
            table.row([name.as_str(), "", "", "", "", "", status, "", ""]);
        }
        for p in &m.prices {
            let text = |t: &Option<String>| t.clone().unwrap_or_else(|| "–".to_owned());
            // Prices change at midnight UTC.
            let since = p.from.map(|f| f.to_string()[..10].to_owned()).unwrap_or_default();
            let tier = p.tiers.first().map(|t| {
                Cell::new(format!("higher above {} tokens", format_count(t.above)))
                    .short(format!(">{}k", t.above / 1000))
            });
            table.row([
                Cell::from(name.as_str()),
                Cell::from(text(&p.rates.input)),
                Cell::from(text(&p.rates.output)),
                Cell::from(text(&p.rates.cache_read)),
                Cell::from(text(&p.rates.cache_write_5m)),
                Cell::from(text(&p.rates.cache_write_1h)),
                Cell::from(since),
                tier.unwrap_or_default(),
                Cell::from(p.id.as_str()),
            ]);
        }
    }
    let mut out = if table.is_empty() { String::new() } else { table.render(width) };
    let origin = if r.imported { "imported prices" } else { "built-in prices" };
    out.push_str(&dim(&format!(
        "USD per million tokens; {origin} of {}; {}\n",
        r.as_of,
        pluralize(r.own.len() as u64, "custom price")
    )));
    out
}

fn name(m: &ModelPrice) -> String {
    m.provider.as_deref().map_or_else(|| m.model.clone(), |p| format!("{} ({p})", m.model))
}

fn check(r: &PricingCheck) -> String {
    let mut out = String::new();
    let mut named: Vec<&str> = Vec::new();
    for m in &r.unpriced {
        if named.contains(&m.model.as_str()) {
            continue;
        }
        named.push(&m.model);
        // A model that several providers serve has one entry for each of them.
        let same = || r.unpriced.iter().filter(|other| other.model == m.model);
        let providers: Vec<&str> = same().filter_map(|m| m.provider.as_deref()).collect();
        let of = if providers.is_empty() { String::new() } else { format!(" ({})", providers.join(", ")) };
        let line = format!(
            "no price: {}{of}, {}, {}",
            m.model,
            pluralize(same().map(|m| m.requests).sum(), "request"),
            pluralize(same().map(|m| m.tokens).sum(), "token")
        );
        out.push_str(&format!("{}\n", yellow(&sanitize(&line))));
    }
    for note in &r.notes {
        out.push_str(&format!("{}\n", sanitize(note)));
    }
    if r.ok {
        out.push_str(&format!("{}\n", green("All requests are priced.")));
    } else {
        out.push_str("To set a price: clawgate pricing set MODEL --input USD --output USD\n");
    }
    out
}
