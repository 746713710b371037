//! Floor 6: the use-cases that every face calls, and the one `Failure` they end in.

mod budget;
mod classic;
mod config;
mod confirm;
mod context;
mod cost;
mod cost_alerts;
mod cost_anomalies;
mod cost_config;
mod cost_explain;
mod cost_prices;
mod cost_pricing;
mod cost_share;
mod cost_verify;
mod deliver;
mod detectors;
mod doctor;
mod failure;
mod forget;
mod identities;
mod inbox;
mod live;
mod make;
mod meter;
mod names;
mod otlp;
mod parts;
mod pool;
mod post;
mod prepare;
mod privacy;
mod publish;
mod release;
mod review;
mod sanitize;
mod scan;
mod search;
mod segment;
mod serving;
mod show;
mod sign;
mod status;
mod triage;
mod usage_scan;

pub use budget::{BudgetLevel, BudgetState, HookInput, HookVerdict};
pub use classic::{
    Classic, ClassicParams, DayAnomaly, DayCost, ModelCost, ProjectCost, SessionCost, Summary,
};
pub(crate) use config::write_private;
pub use config::{Config, ReviewConfig, ScopeParams, ScopeReport};
pub use confirm::{ConfirmParams, ConfirmReport};
pub use context::{Actor, App, Context, Progress, Quiet};
pub use cost::{CostParams, CostReport, Today};
pub use cost_anomalies::{AnomalyParams, AnomalyReport, PlainDay, RobustDay, Standing};
pub use cost_config::{
    AlertConfig, AnomalyConfig, BudgetAction, BudgetConfig, CostConfig, PricingConfig, Usd,
};
pub use cost_explain::{ExplainParams, ExplainedRequest, Explanation, RecordPlace};
pub use cost_prices::Prices;
pub use cost_pricing::{
    ImportPricesParams, ImportedPrices, ModelPrice, PriceLine, PricingCheck, PricingReport, SetPriceParams,
};
pub use cost_share::{ExportedLedger, ImportedLedger};
pub use cost_verify::{Beyond, Difference, VerifyReport};
pub use deliver::{Delivery, RaisedAlert, RunCommand};
pub use doctor::{Check, DoctorReport, Verdict};
pub use failure::{Failure, Kind};
pub use forget::{ForgetParams, ForgetPlan, ForgetReport};
pub use inbox::{InboxPage, InboxParams, ProjectList, SessionItem};
pub use live::{Live, LiveBlock, LiveParams, Spend};
pub use meter::{Meter, Meters, Spread};
pub use otlp::{OtlpParams, OtlpReport};
pub use pool::Pool;
pub use prepare::{PrepareParams, PrepareReport, PrivacyReport};
pub use privacy::{DecisionLine, Party, PrivacySheet, ReportedLine, SessionLine};
pub use publish::{PublishParams, PublishReport};
pub use release::{Next, Position};
pub use review::{
    Budget, DecisionIn, EntityItem, EvidenceReport, FindingIn, Inventory, Page, PiiApplied, PiiDocument,
    PiiFinding, PiiPage, PiiRefused, PiiReviewParams, RUBRIC, ReaderReport, Remaining, ReportedItem,
    ReviewParams, ReviewReport, Undone,
};
pub use sanitize::{fence, sanitize};
pub use scan::{Changed, ScanParams, ScanReport, Skipped};
pub use search::{SearchHit, SearchPage, SearchParams};
pub use segment::{SegmentItem, SegmentParams, SegmentReport};
pub use serving::{ServeOptions, Serving, TOKEN_FILE, random_hex, web_token};
pub use show::{SessionPage, ShowParams};
pub use sign::{KeysReport, Preview, SampleRow, SignPreview, SignReport};
pub use status::{ReleaseBrief, Status};
pub use triage::{TriageParams, TriageReport};
