//! The redaction policy of the configuration: what is redacted when a session is read or a release is built.

use crate::redact::{Policy, Timestamps};

use crate::app::App;
use crate::app::config::ExportConfig;

use super::local_identities;

impl App {
    /// Returns the policy for reading a session: secrets, personal data and configured strings are redacted, but times are
    /// exact and the models' reasoning is included, because nothing leaves this machine.
    pub(crate) fn reading_policy(&self) -> Policy {
        let mut policy = self.policy_for(&self.config.export);
        policy.options.timestamps = Timestamps::Exact;
        policy.options.thinking = true;
        policy
    }

    /// Returns the redaction policy of the configuration and these export options.
    pub(crate) fn policy_for(&self, export: &ExportConfig) -> Policy {
        let mut policy = Policy {
            custom: self.config.redact.strings.clone(),
            usernames: self.config.redact.usernames.clone(),
            homes: vec![self.ctx.env.home.to_string_lossy().into_owned()],
            detectors: self.config.detectors.iter().map(|d| format!("{} {:?}", d.name, d.command)).collect(),
            identities: local_identities::of_files(&self.ctx.env),
            environment: local_identities::of_environment(&self.ctx.env),
            ..Policy::default()
        };
        policy.options.thinking = export.thinking;
        policy.options.timestamps = export.timestamps;
        policy.options.placeholder_style = export.pseudonyms;
        policy
    }
}
