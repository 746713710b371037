//! `clawgate show`: one session, redacted unless asked for raw.

use crate::app::sessions::ShowParams;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::session_view::{ViewOptions, render};
use crate::cli::time_args::parse_gap_minutes;

/// Messages of a page, where a page is asked for without a size.
const MESSAGES: u64 = 20;

/// Show a session, redacted
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its key, or an unambiguous beginning of it
    key: String,
    /// As it was read, with secrets
    #[arg(long)]
    raw: bool,
    /// Page N, from 1
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "limit"])]
    page: Option<u64>,
    /// Messages on a page
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "limit"])]
    messages: Option<u64>,
    /// Index of the first message
    #[arg(long, value_name = "N")]
    from: Option<u64>,
    /// At most so many messages
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Only segment N (see `clawgate segment`)
    #[arg(long, value_name = "N")]
    segment: Option<u64>,
    /// The idle gap that ends a segment (30m, 2h, 1d)
    #[arg(long, value_name = "TIME", requires = "segment")]
    gap: Option<String>,
    /// Only tool call N, with all of its input and output
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "limit", "page", "messages", "segment"])]
    tool: Option<u64>,
    /// Unfold every tool call and all reasoning
    #[arg(long)]
    full: bool,
    /// Print everything at once, also on a terminal
    #[arg(long)]
    no_pager: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let size = args.messages.unwrap_or(MESSAGES).max(1);
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
    let shown = cli.app()?.show(&params)?;
    if cli.json {
        return cli.print_report(&shown, |_| String::new());
    }
    let fold = ViewOptions {
        full: args.full,
        tool: args.tool,
        page: paged.then_some((page, size)),
        width: if cli.stdout_is_terminal() { cli.width() } else { 120 },
    };
    let text = render(&shown, &fold);
    if args.no_pager {
        cli.print(&text)?;
    } else {
        cli.print_paged(&text)?;
    }
    cli.print_next_step()
}
