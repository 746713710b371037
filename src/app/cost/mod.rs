//! Use cases of cost: reports, budgets, alerts, prices and exchange between machines.

pub(crate) mod alert_delivery;
pub(crate) mod alerts;
pub(crate) mod anomalies;
pub(crate) mod budget_hook;
pub(crate) mod clawtrace;
pub(crate) mod current;
pub(crate) mod explain;
pub(crate) mod filter;
pub(crate) mod ledger_exchange;
pub(crate) mod ledger_pass;
pub(crate) mod metrics;
pub(crate) mod otlp;
pub(crate) mod plan_windows;
pub(crate) mod price_admin;
pub(crate) mod price_sources;
pub(crate) mod refresh;
pub(crate) mod report;
pub(crate) mod verify;

pub use alert_delivery::{Delivery, RaisedAlert, RunCommand};
pub use anomalies::{
    Anomalies, AnomalyParams, AnomalyReport, MeanAnomaly, RobustAnomalyDay, SpendingWarnings,
};
pub use budget_hook::{HookInput, HookVerdict};
pub use clawtrace::{
    ClawTraceParams, ClawTraceReport, CostSums, DayAnomaly, DayCost, DaySummary, ModelCost, ProjectCost,
    SessionCost,
};
pub use current::{ActiveBlock, CurrentSpend, CurrentSpendParams, Spend, Today};
pub use explain::{ExplainParams, ExplainedRequest, Explanation, RecordPlace};
pub use ledger_exchange::{ExportedLedger, ImportedLedger};
pub use metrics::{Histogram, ModelMetrics, UsageMetrics};
pub use otlp::{OtlpParams, OtlpReport};
pub use price_admin::{
    ImportPricesParams, ImportedPrices, ModelPrice, PriceLine, PricingCheck, PricingReport, SetPriceParams,
};
pub use price_sources::Prices;
pub use report::{CostParams, CostReport, CostSort};
pub use verify::{Difference, UnloggedUsage, VerifyReport};
