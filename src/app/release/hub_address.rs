//! The address of the Hub: where it comes from when a token is stored, and the refusal of another one later.

use crate::app::{App, Failure, Kind};
use crate::gate::HubAccess;
use crate::publish::{DEFAULT_ENDPOINT, check_endpoint, check_proxy};

use super::approval::Approval;

impl App {
    /// The address for which a token is stored now: `HF_ENDPOINT`, else the public Hub.
    pub fn configured_endpoint(&self) -> String {
        let configured = self.ctx.env.var("HF_ENDPOINT").unwrap_or(DEFAULT_ENDPOINT);
        configured.trim_end_matches('/').to_owned()
    }

    /// Binds a token to the configured address and to a proxy.
    ///
    /// # Errors
    /// [`Failure`] if the address or the proxy cannot be used.
    pub fn hub_access(&self, token: &str, proxy: Option<&str>) -> Result<HubAccess, Failure> {
        let endpoint = self.configured_endpoint();
        let bad = |e: crate::publish::PublishError| {
            Failure::usage("bad_endpoint", e.to_string()).hint("clawgate login")
        };
        check_endpoint(&endpoint).map_err(bad)?;
        if let Some(proxy) = proxy {
            check_proxy(proxy).map_err(bad)?;
        }
        Ok(HubAccess::new(token, &endpoint, proxy))
    }

    /// Fails if `HF_ENDPOINT` names another address than the one that the stored token is for.
    pub(super) fn refuse_other_endpoint(&mut self, approval: &Approval) -> Result<(), Failure> {
        let (Some(sealed), Some(named)) = (approval.hub(), self.ctx.env.var("HF_ENDPOINT")) else {
            return Ok(());
        };
        let named = named.trim_end_matches('/').to_owned();
        if named == sealed.endpoint {
            return Ok(());
        }
        let id = approval.release().to_owned();
        self.audit("refused", Some(&id), serde_json::json!({ "code": "endpoint_changed" }))?;
        let message = format!(
            "HF_ENDPOINT is {}, but the stored Hub token is for {}. Nothing was sent.",
            crate::app::text::sanitize(&named),
            sealed.endpoint
        );
        Err(Failure::new(Kind::Refused, "endpoint_changed", message)
            .recorded()
            .hint("unset HF_ENDPOINT, and find out who set it")
            .hint_command("clawgate login", "stores a token for another address"))
    }
}
