//! The server loop: listens on loopback, limits connections, closes slow ones and ends in order at Ctrl-C.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::ACCEPT;
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::auth::{Access, Auth, unauthorized};
use super::refusals::Refusals;
use super::request::Request;
use super::response::Response;
use super::routes;
use crate::app::cost::RunCommand;
use crate::app::pool::Pool;
use crate::app::random::random_key_hex;
use crate::app::server_token::{ServeOptions, Serving, TOKEN_FILE, web_token};
use crate::app::{Actor, Failure, Quiet};
use crate::trace::{Clock, Env};

/// Maximum number of open connections. A further one replaces the oldest that has no request running, so that a program
/// that opens connections and sends nothing cannot keep others out. All peers have the same address.
const MAX_CONNECTIONS: usize = 256;

/// How long the headers of a request may take, and its body; also how long an idle connection is kept open.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum size of a request body.
const MAX_BODY_BYTES: usize = 1 << 20;

/// How often alert thresholds are checked.
const ALERT_INTERVAL: Duration = Duration::from_secs(60);

/// How long running requests may take after the server was asked to stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// The page for a browser without the cookie.
const NOT_SIGNED_IN: &str = "<h2>Not signed in</h2>\n<p>Open the address that <code>clawgate serve</code> printed when it started. \
                             The address is valid while that server runs.</p>";

/// The page for a browser that asks for an unknown path.
const NOT_FOUND: &str = "<h2>This page does not exist</h2>\n<p><a href=\"/\">Cost overview</a></p>";

struct State {
    auth: Auth,
    pool: Pool,
    clock: Arc<dyn Clock>,
    refusals: Refusals,
}

/// Serves on loopback until `options.cancel` is set.
///
/// # Errors
/// [`Failure`] if the port is in use, or the token cannot be read or created.
pub fn serve(env: Env, clock: Arc<dyn Clock>, options: ServeOptions) -> Result<(), Failure> {
    let dir = env.clawgate_home.clone();
    // Opens the archive now, so that an error is reported here and not to the first browser. Any program of this user
    // can read the token, so the workflow counts its owner as an agent.
    let pool = Pool::new(env, Arc::clone(&clock), Actor::Agent);
    pool.with(Arc::new(Quiet), Arc::default(), |_| ())?;
    let token = web_token(&dir, options.new_token)?;
    let (entry, cookie) = (random_key_hex()?, random_key_hex()?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
        .map_err(|e| Failure::failed("runtime", format!("Cannot start: {e}")))?;
    let outcome = runtime.block_on(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let listener = TcpListener::bind(address).await.map_err(|e| taken(options.port, &e))?;
        let port = listener.local_addr().map_err(|e| taken(options.port, &e))?.port();
        let state = Arc::new(State {
            auth: Auth::new(port, &token, &entry, &cookie),
            pool,
            clock,
            refusals: Refusals::default(),
        });
        let url = format!("http://127.0.0.1:{port}/");
        let entry = format!("{url}?token={entry}");
        (options.on_ready)(&Serving { url, entry, token_file: dir.join(TOKEN_FILE), port });
        tokio::spawn(watch_thresholds(Arc::clone(&state), options.run));
        accept(listener, state, options.cancel).await;
        Ok(())
    });
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    outcome
}

fn taken(port: u16, e: &std::io::Error) -> Failure {
    Failure::failed("port", format!("Cannot listen on 127.0.0.1:{port}: {e}"))
        .hint_command("clawgate serve --port 0", "takes a free port")
}

/// Accepts connections until `cancel` is set, then waits for the running requests.
async fn accept(listener: TcpListener, state: Arc<State>, cancel: Arc<AtomicBool>) {
    let mut connections = Connections::default();
    let (end, ending) = watch::channel(false);
    let mut open = JoinSet::new();
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    while !cancel.load(Ordering::SeqCst) {
        if !connections.make_room() {
            tick.tick().await;
            continue;
        }
        let stream = tokio::select! {
            stream = listener.accept() => stream,
            _ = tick.tick() => continue,
        };
        while open.try_join_next().is_some() {}
        match stream {
            Ok((stream, _)) => {
                let (state, ending) = (Arc::clone(&state), ending.clone());
                let running = Arc::default();
                let task = open.spawn(connection(stream, state, ending, Arc::clone(&running)));
                connections.open.push_back(OpenConnection { task, running });
            }
            // Usually the process is out of file handles, which become free again.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    drop(listener);
    let _ = end.send(true);
    let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, async { while open.join_next().await.is_some() {} }).await;
}

/// The open connections, the oldest first.
#[derive(Default)]
struct Connections {
    open: VecDeque<OpenConnection>,
}

struct OpenConnection {
    task: AbortHandle,
    /// Number of requests that are being answered.
    running: Arc<AtomicUsize>,
}

impl Connections {
    /// Makes room for one more connection: closes the oldest one without a running request if there are too many.
    /// Returns `false` if all of them have one.
    fn make_room(&mut self) -> bool {
        self.open.retain(|c| !c.task.is_finished());
        if self.open.len() < MAX_CONNECTIONS {
            return true;
        }
        let idle = self.open.iter().position(|c| c.running.load(Ordering::Relaxed) == 0);
        match idle.and_then(|at| self.open.remove(at)) {
            Some(oldest) => {
                oldest.task.abort();
                true
            }
            None => false,
        }
    }
}

async fn connection(
    stream: TcpStream,
    state: Arc<State>,
    mut ending: watch::Receiver<bool>,
    running: Arc<AtomicUsize>,
) {
    let service = service_fn(move |request| {
        let (state, running) = (Arc::clone(&state), Arc::clone(&running));
        async move {
            running.fetch_add(1, Ordering::Relaxed);
            let response = respond(request, state).await;
            running.fetch_sub(1, Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(REQUEST_TIMEOUT).max_buf_size(64 * 1024);
    let serving = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let ended = tokio::select! {
        _ = serving.as_mut() => true,
        _ = ending.wait_for(|end| *end) => false,
    };
    if !ended {
        serving.as_mut().graceful_shutdown();
        let _ = serving.await;
    }
}

async fn respond(request: hyper::Request<Incoming>, state: Arc<State>) -> hyper::Response<Full<Bytes>> {
    let accept = request.headers().get(ACCEPT).and_then(|v| v.to_str().ok());
    let browser = accept.is_some_and(|kinds| kinds.contains("text/html"));
    let mut response = match route(request, Arc::clone(&state)).await {
        Ok(response) | Err(response) => response,
    };
    if let Some(code) = response.refused.take()
        && let Some(times) = state.refusals.due(&code, state.clock.now())
    {
        let work = move || {
            state.pool.with(Arc::new(Quiet), Arc::default(), |app| app.record_web_refusal(&code, times))
        };
        // A failure to record it is ignored, as for the other interfaces: the refusal itself is the answer.
        let _ = tokio::task::spawn_blocking(work).await;
    }
    match response.status {
        StatusCode::UNAUTHORIZED if browser => response = response.with_error_page(NOT_SIGNED_IN),
        StatusCode::NOT_FOUND if browser => response = response.with_error_page(NOT_FOUND),
        _ => {}
    }
    // hyper sends only the headers of a response to HEAD.
    response.into_response()
}

async fn route(request: hyper::Request<Incoming>, state: Arc<State>) -> Result<Response, Response> {
    let (parts, body) = request.into_parts();
    let mut request = Request::parse(parts.uri.query().unwrap_or_default());
    let token = request.take("token");
    let is_write = !matches!(parts.method, Method::GET | Method::HEAD);
    let path = parts.uri.path();
    state.auth.check_target(parts.uri.authority().map(Authority::as_str))?;
    let route = routes::find(path);
    match state.auth.authorize(is_write, &parts.headers, token.as_deref(), state.clock.now())? {
        Access::Granted => {}
        // The redirect removes the secret from the address bar. It leads only to a known path, because a path such as
        // `//elsewhere` would lead to another host.
        Access::SetCookie if !is_write => {
            let location = route.map_or("/", |r| r.path);
            return Ok(Response::redirect(location, Some(state.auth.cookie())));
        }
        Access::SetCookie => return Err(unauthorized()),
    }
    let Some(route) = route else {
        let message = "This page does not exist.";
        return Err(Response::error(StatusCode::NOT_FOUND, "no_such_page", message, Some("GET /")));
    };
    if is_write {
        let message = "This page does not support the method.";
        return Err(Response::error(StatusCode::METHOD_NOT_ALLOWED, "method", message, None));
    }
    // No route uses a body. It is read up to the limit so that the connection can be used again.
    match tokio::time::timeout(REQUEST_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(_)) => {}
        Ok(Err(_)) => {
            let message = "The body is too large or incomplete.";
            return Err(Response::error(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message, None));
        }
        Err(_) => {
            let message = "The body did not arrive in time.";
            return Err(Response::error(StatusCode::REQUEST_TIMEOUT, "too_slow", message, None));
        }
    }
    let handler = route.handler;
    let done = tokio::task::spawn_blocking(move || {
        state.pool.with(Arc::new(Quiet), Arc::default(), |app| handler(app, &request)).and_then(|r| r)
    });
    match done.await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(failure)) => Err(failure.into()),
        Err(_) => Err(Failure::failed("broken", "The request was interrupted by an internal error.").into()),
    }
}

/// Delivers alerts for as long as the server runs.
async fn watch_thresholds(state: Arc<State>, run: RunCommand) {
    let mut tick = tokio::time::interval(ALERT_INTERVAL);
    loop {
        tick.tick().await;
        let state = Arc::clone(&state);
        let work = move || {
            state.pool.with(Arc::new(Quiet), Arc::default(), |app| {
                if app.delivers() { app.deliver_alerts(run).map(drop) } else { Ok(()) }
            })
        };
        // The page shows the alert itself. Nobody reads the output of the server, so a failed delivery is not reported.
        let _ = tokio::task::spawn_blocking(work).await;
    }
}
