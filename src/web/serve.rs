//! Listening: loopback, few connections, slow ones cut, and an orderly end at Ctrl-C.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::ACCEPT;
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::answer::Answer;
use super::ask::{Ask, matches, query};
use super::guard::{Guard, Pass, unauthorized};
use super::pages::{PAGES, Page};
use crate::app::cost::RunCommand;
use crate::app::pool::Pool;
use crate::app::server_token::{ServeOptions, Serving, TOKEN_FILE, random_hex, web_token};
use crate::app::{Actor, Failure, Quiet};
use crate::trace::{Clock, Env};

/// Connections at a time; more wait.
const CONNECTIONS: usize = 256;

/// A request has to come within this, and its body too; also how long an idle connection is kept.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of a body.
const MOST_BODY: usize = 1 << 20;

/// How often thresholds are looked at.
const WATCH: Duration = Duration::from_secs(60);

/// What is under way at the end gets this long.
const GRACE: Duration = Duration::from_secs(3);

/// What a browser without the cookie is shown.
const CLOSED: &str = "<h2>This browser is not let in</h2>\n<p>Open the address that <code>clawgate serve</code> printed when it \
                      started. It holds until that server ends; a new start prints a new one.</p>";

/// What a browser is shown where there is no page.
const NO_PAGE: &str = "<h2>There is no such page</h2>\n<p><a href=\"/\">What is spent</a></p>";

struct State {
    guard: Guard,
    pool: Pool,
}

/// Serves on loopback until `options.cancel` is set.
///
/// # Errors
/// [`Failure`] where the port is taken, or the token cannot be read or made.
pub fn serve(env: Env, clock: Arc<dyn Clock>, options: ServeOptions) -> Result<(), Failure> {
    let dir = env.clawgate_home.clone();
    // Opens the archive once, so that what is wrong with it is said here and not to the first browser. Who shows the
    // token is a program of this user, no more: the workflow counts it as an agent.
    let pool = Pool::new(env, clock, Actor::Agent);
    pool.with(Arc::new(Quiet), Arc::default(), |_| ())?;
    let token = web_token(&dir, options.new_token)?;
    let (entry, cookie) = (random_hex(32)?, random_hex(32)?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
        .map_err(|e| Failure::failed("runtime", format!("Cannot start: {e}")))?;
    let outcome = runtime.block_on(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let listener = TcpListener::bind(address).await.map_err(|e| taken(options.port, &e))?;
        let port = listener.local_addr().map_err(|e| taken(options.port, &e))?.port();
        let state = Arc::new(State { guard: Guard::new(port, &token, &entry, &cookie), pool });
        let url = format!("http://127.0.0.1:{port}/");
        let entry = format!("{url}?token={entry}");
        (options.told)(&Serving { url, entry, token_file: dir.join(TOKEN_FILE), port });
        tokio::spawn(watch_thresholds(Arc::clone(&state), options.run));
        accept(listener, state, options.cancel).await;
        Ok(())
    });
    runtime.shutdown_timeout(GRACE);
    outcome
}

fn taken(port: u16, e: &std::io::Error) -> Failure {
    Failure::failed("port", format!("Cannot listen on 127.0.0.1:{port}: {e}"))
        .hint("clawgate serve --port 0 takes a free port")
}

/// Takes connections until the end, then lets those under way finish.
async fn accept(listener: TcpListener, state: Arc<State>, cancel: Arc<AtomicBool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let (end, ending) = watch::channel(false);
    let mut open = JoinSet::new();
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    while !cancel.load(Ordering::SeqCst) {
        let permit = tokio::select! {
            permit = Arc::clone(&room).acquire_owned() => permit,
            _ = tick.tick() => continue,
        };
        let Ok(permit) = permit else { break };
        let stream = tokio::select! {
            stream = listener.accept() => stream,
            _ = tick.tick() => continue,
        };
        while open.try_join_next().is_some() {}
        match stream {
            Ok((stream, _)) => {
                let (state, ending) = (Arc::clone(&state), ending.clone());
                open.spawn(async move {
                    connection(stream, state, ending).await;
                    drop(permit);
                });
            }
            // Out of file handles, mostly: they come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    drop(listener);
    let _ = end.send(true);
    let _ = tokio::time::timeout(GRACE, async { while open.join_next().await.is_some() {} }).await;
}

async fn connection(stream: TcpStream, state: Arc<State>, mut ending: watch::Receiver<bool>) {
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(respond(request, state).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(64 * 1024);
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

async fn respond(request: Request<Incoming>, state: Arc<State>) -> Response<Full<Bytes>> {
    let accept = request.headers().get(ACCEPT).and_then(|v| v.to_str().ok());
    let browser = accept.is_some_and(|kinds| kinds.contains("text/html"));
    let mut answer = match route(request, state).await {
        Ok(answer) | Err(answer) => answer,
    };
    match answer.status {
        StatusCode::UNAUTHORIZED if browser => answer = answer.for_people(CLOSED),
        StatusCode::NOT_FOUND if browser => answer = answer.for_people(NO_PAGE),
        _ => {}
    }
    // Of an answer to HEAD hyper sends the headers only.
    answer.into_response()
}

async fn route(request: Request<Incoming>, state: Arc<State>) -> Result<Answer, Answer> {
    let (parts, body) = request.into_parts();
    let mut query = query(parts.uri.query().unwrap_or_default());
    let token = query.remove("token");
    let changes = !matches!(parts.method, Method::GET | Method::HEAD);
    let path = parts.uri.path();
    state.guard.target(parts.uri.authority().map(Authority::as_str))?;
    match state.guard.judge(changes, &parts.headers, token.as_deref())? {
        Pass::In => {}
        // The secret leaves the address bar; a browser goes on with the cookie. Only to a page there is: a path such
        // as `//elsewhere` would lead away.
        Pass::Enter if !changes => {
            let known = PAGES.iter().any(|page| matches(page.path, path).is_some());
            return Ok(Answer::go(if known { path } else { "/" }, Some(state.guard.cookie())));
        }
        Pass::Enter => return Err(unauthorized()),
    }
    let method = if parts.method == Method::HEAD { "GET" } else { parts.method.as_str() };
    let found: Vec<(&Page, _)> = PAGES.iter().filter_map(|p| Some((p, matches(p.path, path)?))).collect();
    let known = !found.is_empty();
    let Some((page, variables)) = found.into_iter().find(|(page, _)| page.method == method) else {
        return Err(match known {
            true => Answer::error(StatusCode::METHOD_NOT_ALLOWED, "method", "Not with this method.", None),
            false => {
                Answer::error(StatusCode::NOT_FOUND, "no_such_page", "There is no such page.", Some("GET /"))
            }
        });
    };
    let body = match tokio::time::timeout(PATIENCE, Limited::new(body, MOST_BODY).collect()).await {
        Ok(Ok(body)) => body.to_bytes().to_vec(),
        Ok(Err(_)) => {
            let why = "The body is too large or broke off.";
            return Err(Answer::error(StatusCode::PAYLOAD_TOO_LARGE, "too_large", why, None));
        }
        Err(_) => {
            let why = "The body did not come in time.";
            return Err(Answer::error(StatusCode::REQUEST_TIMEOUT, "too_slow", why, None));
        }
    };
    let ask = Ask { path: variables, query, body };
    let work = page.answer;
    let done = tokio::task::spawn_blocking(move || {
        state.pool.with(Arc::new(Quiet), Arc::default(), |app| work(app, &ask)).and_then(|answer| answer)
    });
    match done.await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(failure)) => Err(failure.into()),
        Err(_) => Err(Failure::failed("broken", "The answer broke off.").into()),
    }
}

/// Delivers alerts for as long as the server runs.
async fn watch_thresholds(state: Arc<State>, run: RunCommand) {
    let mut tick = tokio::time::interval(WATCH);
    loop {
        tick.tick().await;
        let state = Arc::clone(&state);
        let work = move || {
            state.pool.with(Arc::new(Quiet), Arc::default(), |app| {
                if app.delivers() { app.deliver_alerts(run).map(drop) } else { Ok(()) }
            })
        };
        // A person who looks sees the alert itself; there is nobody here to tell that its delivery failed.
        let _ = tokio::task::spawn_blocking(work).await;
    }
}
