//! Use cases of redaction: the policy, local identities and external detectors.

pub(crate) mod detector_process;
pub(crate) mod local_identities;
mod policy;
