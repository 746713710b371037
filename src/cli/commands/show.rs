//! `clawgate show`: shows one session.

use crate::app::Failure;
use crate::app::sessions::ShowParams;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::pluralize;
use crate::cli::number_arg::positive;
use crate::cli::scan_arg::ScanArg;
use crate::cli::session_view::{ViewOptions, render};
use crate::cli::time_args::{TimeZoneArg, parse_gap_minutes};

/// Width of a folded tool call if standard output is not a terminal.
const PIPED_LINE_WIDTH: usize = 120;

/// Messages on a page if `--page` is given without `--messages`.
const DEFAULT_PAGE_MESSAGES: u64 = 20;

/// Show a session with sensitive data redacted
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Session key or unique key prefix
    key: String,
    /// Show the session unredacted, including secrets
    #[arg(long)]
    raw: bool,
    /// Show page N, counted from 1
    #[arg(long, value_name = "N", value_parser = positive, conflicts_with_all = ["from", "limit"])]
    page: Option<u64>,
    /// Messages per page [default: 20]
    #[arg(long, value_name = "N", value_parser = positive, conflicts_with_all = ["from", "limit"])]
    messages: Option<u64>,
    /// Start at message N, counted from 0
    #[arg(long, value_name = "N")]
    from: Option<u64>,
    /// Maximum number of messages
    #[arg(long, value_name = "N", value_parser = positive)]
    limit: Option<u64>,
    /// Show only segment N (see `clawgate segment`)
    #[arg(long, value_name = "N")]
    segment: Option<u64>,
    /// Minimum idle time between two segments, for example 30m, 2h or 1d [default: 30m]
    #[arg(long, value_name = "DURATION", requires = "segment")]
    gap: Option<String>,
    /// Show only tool call N, with its whole input and output
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "limit", "page", "messages", "segment"])]
    tool: Option<u64>,
    /// Unfold every tool call and all reasoning
    #[arg(long)]
    full: bool,
    /// Do not use a pager
    #[arg(long)]
    no_pager: bool,
    #[command(flatten)]
    scan: ScanArg,
    #[command(flatten)]
    zone: TimeZoneArg,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let size = args.messages.unwrap_or(DEFAULT_PAGE_MESSAGES).max(1);
    let paged = args.page.is_some() || args.messages.is_some();
    let page = args.page.unwrap_or(1).max(1);
    let params = ShowParams {
        session: args.key,
        raw: args.raw,
        from: if paged { Some((page - 1).saturating_mul(size)) } else { args.from },
        limit: if paged { Some(size) } else { args.limit },
        segment: args.segment,
        gap_minutes: args.gap.as_deref().map(parse_gap_minutes).transpose()?,
        tool: args.tool,
        max_bytes: None,
    };
    let times = cli.times(&args.zone)?;
    let session = args.scan.fresh_app(cli)?.show(&params)?;
    // Programs that read page by page get an empty page.
    if !cli.json && paged && page > 1 && session.session.messages.is_empty() {
        let pages = session.message_count.div_ceil(size).max(1);
        let failure =
            Failure::usage("no_such_page", format!("The session has {}.", pluralize(pages, "page")));
        return Err(failure.hint(format!("--page {pages}")).into());
    }
    if cli.json {
        return cli.print_report(&session, |_| String::new());
    }
    let options = ViewOptions {
        full: args.full,
        tool: args.tool,
        page: paged.then_some((page, size)),
        width: if cli.stdout_is_terminal() { cli.width() } else { PIPED_LINE_WIDTH },
    };
    let text = render(&session, &times, &options);
    cli.print_paged(&text, args.no_pager)
}
