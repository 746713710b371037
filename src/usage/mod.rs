//! Layer 2: counting. Pure functions over usage rows: which record of a request counts, its cost, sums by any
//! dimension, budgets, anomalies and alerts.
//!
//! This layer imports only trace and pricing. It reads no file, no clock and no database. Every report adds the same rows
//! by the same code, so all partitions have the same total.

mod alerts;
mod anomaly;
mod block;
mod budget;
mod day;
mod dedupe;
mod dimension;
mod pricer;
mod report;
mod row;
mod split;
mod sum;

pub use alerts::{Alert, AlertKind, AlertWatch, PastAlert, Severity, Thresholds};
pub use anomaly::{
    Anomaly, DaySeries, DaySpend, Effect, Effects, MeanRule, RobustAnomaly, RobustRule, mean_anomalies,
    robust,
};
pub use block::{BLOCK_MS, Block, BlockSums, Burn};
pub use budget::{BudgetLevel, BudgetState};
pub use day::{DayCache, is_quarter_start, keeps_quarters, quarter_of};
pub use dedupe::{RequestCopy, resolve_duplicate, split_by_session};
pub use dimension::{Dimension, HERE_KEY, LineMatcher, NO_PROJECT, NONE_KEY};
pub use pricer::{PricedRow, Pricer};
pub use report::{Aggregator, Report, ReportRow, UnpricedModel, aggregate};
#[cfg(test)]
pub(crate) use row::test_row;
pub use row::{CountedRow, RecordLocation, RequestSum, ToolShare};
pub use split::tool_part;
pub use sum::{UsageSum, clamp_picousd};
