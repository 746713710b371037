//! Floor 2: counting. Pure over usage rows: which copy of a request counts, what it costs, sums by any
//! dimension, anomalies and alerts.
//!
//! Imports trace and pricing only; reads no file, no clock and no database. Every number comes from the same
//! rows by the same fold, so that all partitions agree.

mod alerts;
mod anomaly;
mod block;
mod day;
mod dedupe;
mod pricer;
mod report;
mod row;
mod split;

pub use alerts::{Alert, AlertKind, AlertWatch, PastAlert, Severity, Thresholds};
pub use anomaly::{
    Anomaly, DayFacts, DaySeries, Effect, Effects, Halves, RobustAnomaly, RobustRule, SeedRule, robust,
    seed_anomalies,
};
pub use block::{BLOCK_MS, Block, Burn};
pub use day::DayCache;
pub use dedupe::{Copy, choose};
pub use pricer::{Costed, Pricer};
pub use report::{
    Aggregator, Dimension, Folded, HERE_KEY, Lines, NONE_KEY, Report, ReportRow, Unpriced, aggregate,
};
pub use row::{CountedRow, Place, ToolShare};
pub use split::tool_part;
