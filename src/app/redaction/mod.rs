//! Use cases of redaction: the policy, local identities and external detectors.

mod agent_view;
pub(crate) mod detector_process;
pub(crate) mod local_identities;
mod policy;

pub use agent_view::{AgentView, Reader};
