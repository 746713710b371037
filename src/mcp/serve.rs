//! Serving: the runtime, standard input and output, and what clients do that the protocol does not foresee.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rmcp::model::{ClientRequest, GetMeta, JsonRpcMessage, ProtocolVersion};
use rmcp::service::{RxJsonRpcMessage, ServerInitializeError, TxJsonRpcMessage};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::{Transport, stdio_pipes};
use rmcp::{RoleServer, serve_server};

use super::server::Server;
use crate::app::pool::Pool;
use crate::app::{Actor, Failure};
use crate::trace::{Clock, Env};

/// Serves MCP over standard input and output until the input ends.
///
/// # Errors
/// [`Failure`] where the runtime cannot be started or the handshake breaks. The end of the input is none, neither
/// before nor after `initialize`.
pub fn serve(env: Env, clock: Arc<dyn Clock>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .build()
        .map_err(|e| Failure::failed("runtime", format!("Cannot start: {e}")))?;
    let outcome = runtime.block_on(async {
        let calls = Arc::new(AtomicUsize::new(0));
        let server = Server::new(Pool::new(env, clock, Actor::Agent), calls.clone());
        let (input, output) = stdio_pipes();
        let transport = Lenient { inner: AsyncRwTransport::new(input, output), begun: false, calls };
        match serve_server(server, transport).await {
            Ok(running) => {
                let _ = running.waiting().await;
                Ok(())
            }
            Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
            Err(e) => Err(Failure::failed("handshake", format!("The MCP handshake broke: {e}"))),
        }
    });
    // A call that was told to stop gets a moment to commit what it has.
    runtime.shutdown_timeout(Duration::from_secs(2));
    outcome
}

/// A transport that forgives: notices and stray answers before the first request are dropped, where rmcp would end
/// the server; and the input's end waits for the calls that are still running, so that a script may close its pipe
/// right after its last request.
struct Lenient<T> {
    inner: T,
    begun: bool,
    calls: Arc<AtomicUsize>,
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Lenient<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let Some(message) = self.inner.receive().await else {
                // A request read just before is counted once its task has been polled.
                for _ in 0..4 {
                    tokio::task::yield_now().await;
                }
                while self.calls.load(Ordering::Acquire) > 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                return None;
            };
            if self.begun {
                return Some(message);
            }
            if let JsonRpcMessage::Request(request) = &message {
                self.begun = begins(&request.request);
                return Some(message);
            }
        }
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.inner.close()
    }
}

/// Whether a request opens the conversation: `initialize`, or any request that brings the later era's metadata,
/// except the two that are answered before it.
fn begins(request: &ClientRequest) -> bool {
    match request {
        ClientRequest::InitializeRequest(_) => true,
        ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_) => false,
        other => {
            let meta = other.get_meta();
            meta.missing_required_keys(&ProtocolVersion::V_2026_07_28).is_empty()
                && meta.protocol_version().is_some_and(|v| ProtocolVersion::KNOWN_VERSIONS.contains(&v))
        }
    }
}
