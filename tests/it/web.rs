//! The local server: authentication, and the response fields of the cost API.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use clawgate::app::Failure;
use clawgate::app::cost::CostParams;
use clawgate::app::server_token::{ServeOptions, Serving};
use clawgate::trace::{Env, FixedClock, Timestamp};
use serde_json::Value;

use crate::http_double::{Got, ask};
use crate::world::{World, run};

/// A running server on a world's state, at 2026-11-20T17:20:00Z.
pub(crate) struct Server {
    serving: Serving,
    token: String,
    cancel: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), Failure>>>,
}

impl Server {
    pub(crate) fn start(world: &World) -> Self {
        let env = Env::bare(world.home(), world.state());
        let cancel = Arc::new(AtomicBool::new(false));
        let (tx, rx) = mpsc::channel();
        let flag = Arc::clone(&cancel);
        let thread = std::thread::spawn(move || {
            let on_ready = Box::new(move |s: &Serving| tx.send(s.clone()).unwrap());
            let options =
                ServeOptions { port: 0, cancel: flag, run: |_, _| Ok(true), new_token: false, on_ready };
            clawgate::web::serve(env, Arc::new(FixedClock(Timestamp(1_795_195_200_000))), options)
        });
        let serving = rx.recv().unwrap();
        let token = std::fs::read_to_string(&serving.token_file).unwrap().trim().to_owned();
        Server { serving, token, cancel, thread: Some(thread) }
    }

    pub(crate) fn with(&self, method: &str, target: &str, more: &[&str]) -> Got {
        let host = format!("Host: 127.0.0.1:{}", self.serving.port);
        let mut headers = vec![host.as_str()];
        headers.extend(more);
        ask(self.serving.port, method, target, &headers)
    }

    pub(crate) fn get(&self, target: &str) -> Got {
        self.with("GET", target, &[&format!("Authorization: Bearer {}", self.token)])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::SeqCst);
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            ended.unwrap().unwrap().unwrap();
        }
    }
}

const PATHS: &[&str] = &[
    "/",
    "/style.css",
    "/api/health",
    "/api/summary",
    "/api/costs?range=7d",
    "/api/models",
    "/api/projects",
    "/api/sessions?n=5",
    "/api/anomalies",
    "/metrics",
    "/no/such/page",
];

fn world() -> World {
    World::new(&["claude-2.1.329", "codex-0.169.0"])
}

#[test]
fn no_request_is_answered_without_the_token() {
    let world = world();
    let server = Server::start(&world);
    let bearer = format!("Authorization: Bearer {}", server.token);
    for path in PATHS {
        let got = server.with("GET", path, &[]);
        assert_eq!((got.status, got.json()["code"].as_str()), (401, Some("unauthorized")), "{path}");
        assert!(got.header("www-authenticate").is_some() && got.json()["hint"].is_string());
        let wrong = server.with("GET", path, &[&format!("Authorization: Bearer {}", "0".repeat(64))]);
        assert_eq!(wrong.status, 401, "{path}");
        let rebound = ask(server.serving.port, "GET", path, &["Host: evil.example", &bearer]);
        assert_eq!((rebound.status, rebound.json()["code"].as_str()), (421, Some("wrong_host")), "{path}");
        let foreign = server.with("GET", path, &[&bearer, "Origin: https://evil.example"]);
        assert_eq!(
            (foreign.status, foreign.json()["code"].as_str()),
            (403, Some("foreign_origin")),
            "{path}"
        );
        let wanted = if *path == "/no/such/page" { 404 } else { 200 };
        let got = server.get(path);
        assert_eq!(got.status, wanted, "{path}: {}", got.body);
        assert_eq!(got.header("access-control-allow-origin"), None, "{path}");
        assert_eq!(got.header("cache-control"), Some("no-store"), "{path}");
        assert!(got.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"), "{path}");
    }
    assert_eq!(server.with("POST", "/api/summary", &[&bearer]).status, 405);
    assert_eq!(server.with("OPTIONS", "/api/summary", &["Origin: https://evil.example"]).status, 403);
}

#[test]
fn a_browser_signs_in_once_and_continues_with_its_cookie() {
    let world = world();
    let server = Server::start(&world);
    let entry =
        server.serving.entry.strip_prefix(server.serving.url.trim_end_matches('/')).unwrap().to_owned();
    assert!(!entry.contains(&server.token), "the lasting token stays out of the address bar");
    let got = server.with("GET", &entry, &["Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"]);
    assert_eq!((got.status, got.header("location")), (303, Some("/")));
    let cookie = got.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let send = format!("Cookie: {}", cookie.split(';').next().unwrap());
    assert_eq!(server.with("GET", "/", &[&send]).status, 200);
    let origin = format!("Origin: http://localhost:{}", server.serving.port);
    assert_eq!(server.with("GET", "/api/summary", &[&send, &origin]).status, 200);
    assert_eq!(server.with("GET", "/api/summary", &[&send, "Sec-Fetch-Site: same-site"]).status, 403);
    let away = server.with("GET", &format!("//evil.example/{}", entry.trim_start_matches('/')), &[]);
    assert_eq!(away.header("location"), Some("/"), "an entry never leads away");
    assert_eq!(server.with("GET", "/?token=0000", &[&send]).status, 401);
    let closed = server.with("GET", "/", &["Accept: text/html,*/*;q=0.8"]);
    assert_eq!((closed.status, closed.header("content-type")), (401, Some("text/html; charset=utf-8")));
    assert!(closed.body.contains("clawgate serve") && !closed.body.contains("token"));
    // The next server process has other cookies and the same token.
    let again = Server::start(&world);
    assert_eq!(again.with("GET", "/", &[&send]).status, 401);
    assert_eq!(again.token, server.token);
}

/// The field names and types of a value.
fn shape(v: &Value) -> String {
    match v {
        Value::Null => "null".into(),
        Value::Bool(_) => "bool".into(),
        Value::Number(n) if n.is_f64() => "float".into(),
        Value::Number(_) => "int".into(),
        Value::String(_) => "text".into(),
        Value::Array(all) => {
            let mut shapes: Vec<String> = all.iter().map(shape).collect();
            shapes.sort();
            shapes.dedup();
            format!("[{}]", shapes.join(" | "))
        }
        Value::Object(map) => {
            let fields: Vec<String> = map.iter().map(|(k, v)| format!("{k}: {}", shape(v))).collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

/// Writes a Claude Code log with one request for each (day of November 2026, dollars).
fn month(world: &World, days: &[(u8, u64)]) {
    let dir = world.home().join(".claude/projects/-home-u-shop");
    std::fs::create_dir_all(&dir).unwrap();
    let mut text = String::new();
    for (day, usd) in days {
        // claude-sonnet-5 costs ten dollars per million output tokens.
        let row = serde_json::json!({
            "type": "assistant", "sessionId": "5e55-10", "uuid": format!("u{day}"), "requestId": format!("req_{day}"),
            "cwd": "/home/u/shop", "timestamp": format!("2026-11-{day:02}T09:00:00.000Z"),
            "message": { "id": format!("msg_{day}"), "role": "assistant", "model": "claude-sonnet-5", "type": "message",
                "content": [{ "type": "text", "text": "done" }],
                "usage": { "input_tokens": 0, "output_tokens": usd * 100_000 } },
        });
        text.push_str(&format!("{row}\n"));
    }
    std::fs::write(dir.join("5e55-10.jsonl"), text).unwrap();
}

#[test]
fn the_api_keeps_the_field_names_and_types_of_clawtrace() {
    let world = world();
    month(&world, &[(10, 1), (11, 1), (12, 1), (13, 2), (19, 9)]);
    let server = Server::start(&world);
    let shapes = [
        ("/api/health", "{status: text}"),
        (
            "/api/summary",
            "{date: text, total_cost_usd: float, total_tokens: int, session_count: int, message_count: int}",
        ),
        ("/api/costs?range=7d", "[{date: text, cost_usd: float}]"),
        ("/api/models", "[{model: text, cost_usd: float, total_tokens: int, message_count: int}]"),
        (
            "/api/projects",
            "[{project: text, cost_usd: float, total_tokens: int, session_count: int, message_count: int}]",
        ),
        (
            "/api/sessions?n=5",
            "[{session_id: text, project: text, cost_usd: float, total_tokens: int, message_count: int}]",
        ),
        (
            "/api/anomalies",
            "[{date: text, expected_cost: float, actual_cost: float, severity: text, pct_over: float}]",
        ),
    ];
    for (path, wanted) in shapes {
        let got = server.get(path);
        assert_eq!(got.header("content-type"), Some("application/json"));
        assert_eq!(shape(&got.json()), wanted, "{path}");
    }
    let costs = server.get("/api/costs?range=7d").json();
    let days: Vec<&str> = costs.as_array().unwrap().iter().map(|d| d["date"].as_str().unwrap()).collect();
    assert_eq!((days.len(), days[0], days[6]), (7, "2026-11-14", "2026-11-20"));
    assert_eq!(costs[5]["cost_usd"], 9.0);
    for (range, n) in
        [("3d", 3), ("30", 30), ("", 7), ("soon", 7), ("0d", 1), ("-5d", 7), ("99999999d", 3660)]
    {
        let got = server.get(&format!("/api/costs?range={range}")).json();
        assert_eq!(got.as_array().unwrap().len(), n, "{range}");
    }
    let anomalies = server.get("/api/anomalies").json();
    let found: Vec<_> = anomalies.as_array().unwrap().iter().map(|a| (&a["date"], &a["severity"])).collect();
    assert_eq!(
        found,
        [(&Value::from("2026-11-13"), &Value::from("critical")), (&"2026-11-19".into(), &"critical".into())]
    );
    assert_eq!(server.get("/api/sessions?n=2").json().as_array().unwrap().len(), 2);
    assert_eq!(server.get("/api/sessions?n=0").json(), serde_json::json!([]));
    let zone = server.get("/api/summary?timezone=Nowhere/Land");
    assert_eq!((zone.status, zone.json()["code"].as_str()), (400, Some("bad_timezone")));
    assert_eq!(server.get("/api/summary?timezone=Pacific%2FKiritimati").json()["date"], "2026-11-21");
}

/// The exact answer of every endpoint, on a full archive and on an empty one.
#[test]
fn the_api_answers_match_the_snapshot() {
    let full = World::new(&[]);
    month(&full, &[(10, 1), (11, 1), (12, 1), (13, 2), (19, 9), (20, 3)]);
    let empty = World::new(&[]);
    std::fs::create_dir_all(empty.home()).unwrap();
    let mut text = String::new();
    for (name, world) in [("full", &full), ("empty", &empty)] {
        let server = Server::start(world);
        for path in PATHS.iter().filter(|p| p.starts_with("/api") || **p == "/metrics") {
            let got = server.get(path);
            assert_eq!(got.status, 200, "{path}");
            text.push_str(&format!("{name} {path}\n{}\n\n", got.body.trim_end()));
        }
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!("web_api", text));
}

#[test]
fn malformed_and_hostile_requests_are_refused() {
    let world = world();
    let server = Server::start(&world);
    let bearer = format!("Authorization: Bearer {}", server.token);
    let body = server.get("/api/summary").body;
    let head = server.with("HEAD", "/api/summary", &[&bearer]);
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), Some(body.len().to_string().as_str()), "as for GET");
    let post = server.with("POST", "/api/summary", &[&bearer]);
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
    let port = server.serving.port;
    let ours = format!("http://127.0.0.1:{port}/api/health");
    assert_eq!(server.get(&ours).status, 200);
    assert_eq!(server.get("http://evil.example/api/health").status, 421, "the request line's host counts");
    for path in ["/../web.token", "/%2e%2e/web.token", "//api/health", "/api/summary/", "/%00", "*"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    for (n, found) in [("0", 0), ("1", 1), ("99999999999999999999", 2), ("-1", 2), ("", 2), ("1.5", 2)] {
        let got = server.get(&format!("/api/sessions?n={n}")).json();
        assert!(got.as_array().unwrap().len() >= found, "{n}: {got}");
    }
    let days = |q: &str| server.get(&format!("/api/costs?range={q}")).json().as_array().unwrap().len();
    assert_eq!(["99999999999999999999d", "3.5d", "7dd", "%37d"].map(days), [3660, 7, 7, 7]);
    // A body is read up to a limit, and only after authentication.
    let send = |headers: &str, body: &[u8]| -> String {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let request = format!(
            "GET /api/health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{headers}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        // The server may answer and close before the whole body is sent.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
    };
    let big = vec![b'x'; 10 << 20];
    let length = format!("Content-Length: {}", big.len());
    assert_eq!(send(&format!("{bearer}\r\n{length}"), &big), "HTTP/1.1 413 Payload Too Large");
    assert_eq!(send(&length, &big), "HTTP/1.1 401 Unauthorized");
    assert_eq!(
        send(&format!("{bearer}\r\nX: {}", "a".repeat(1 << 20)), b""),
        "HTTP/1.1 431 Request Header Fields Too Large"
    );
    assert_eq!(send(&format!("{bearer}\r\nHost: evil.example"), b""), "HTTP/1.1 421 Misdirected Request");
    // Idle connections do not block others.
    let silent: Vec<_> =
        (0..100).map(|_| std::net::TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    assert_eq!(server.get("/api/health").status, 200);
    drop(silent);
}

#[test]
fn the_page_names_unpriced_models_and_says_if_there_is_no_usage() {
    let world = World::new(&[]);
    std::fs::create_dir_all(world.home()).unwrap();
    let server = Server::start(&world);
    assert!(server.get("/").body.contains("No usage recorded yet"));
    month(&world, &[(20, 3)]);
    let log = world.home().join(".claude/projects/-home-u-shop/5e55-10.jsonl");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(
        log.with_file_name("5e55-20.jsonl"),
        text.replace("claude-sonnet-5", "<nobody>").replace("_20", "_21"),
    )
    .unwrap();
    let page = server.get("/").body;
    assert!(page.contains("$3.00+") && page.contains("300 k tokens unpriced"), "{page}");
    assert!(page.contains("<td>&lt;nobody&gt;</td><td class=\"n\">no price</td>"), "{page}");
    assert!(!page.contains("<script") && !page.contains("style=\"") && !page.contains("<nobody"), "{page}");
    let lost = server.with(
        "GET",
        "/lost",
        &[&format!("Authorization: Bearer {}", server.token), "Accept: text/html"],
    );
    assert_eq!((lost.status, lost.header("content-type")), (404, Some("text/html; charset=utf-8")));
    let policy = lost.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("script"),
        "{policy}"
    );
}

#[test]
fn every_endpoint_reports_the_same_ledger() {
    let world = world();
    month(&world, &[(20, 3)]);
    let server = Server::start(&world);
    let mut app = world.app();
    let total = app.cost(&CostParams::default()).unwrap().report.total;
    let sum = |path: &str, field: &str| -> f64 {
        let got = server.get(path).json();
        got.as_array().unwrap().iter().map(|r| r[field].as_f64().unwrap()).sum()
    };
    let usd = total.cost_picousd as f64 / 1e12;
    for path in ["/api/models", "/api/projects", "/api/sessions?n=1000", "/api/costs?range=3000d"] {
        let got = sum(path, "cost_usd");
        assert!((got - usd).abs() < 0.001, "{path}: {got} is not {usd}");
    }
    for path in ["/api/models", "/api/projects", "/api/sessions?n=1000"] {
        assert_eq!(sum(path, "message_count"), total.requests as f64, "{path}");
        assert_eq!(sum(path, "total_tokens"), total.tokens.total() as f64, "{path}");
    }
    let summary = server.get("/api/summary").json();
    assert_eq!(summary["date"], "2026-11-20");
    let day = CostParams { by: Some(clawgate::usage::Dimension::Day), ..CostParams::default() };
    let rows = app.cost(&day).unwrap().report.rows;
    let today = rows.iter().find(|r| r.key == "2026-11-20").unwrap();
    assert_eq!(summary["message_count"], today.requests);
    let metrics = server.get("/metrics");
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let counted: f64 = metrics
        .body
        .lines()
        .filter(|l| l.starts_with("clawgate_cost_usd_total{"))
        .map(|l| l.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum();
    assert!((counted - usd).abs() < 1e-6, "{counted} is not {usd}");
    let requests: u64 = metrics
        .body
        .lines()
        .filter(|l| l.starts_with("clawgate_requests_total{"))
        .map(|l| l.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(requests, total.requests);
    for line in metrics.body.lines().filter(|l| !l.starts_with('#')) {
        let value = line.rsplit(' ').next().unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    let home = server.get("/").body;
    assert!(home.contains("claude-sonnet-5") && home.contains("shop") && !home.contains("<script"), "{home}");
}

#[cfg(unix)]
#[test]
fn serve_runs_until_it_is_interrupted() {
    use std::io::{BufRead as _, BufReader, Read as _};
    let world = world();
    let mut child = world
        .command()
        .args(["cost", "serve", "--port", "0", "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    let token = std::fs::read_to_string(told["token_file"].as_str().unwrap()).unwrap();
    assert!(
        !line.contains(token.trim()) && !line.contains("token="),
        "no secret in what a log may keep: {line}"
    );
    let port = u16::try_from(told["port"].as_u64().unwrap()).unwrap();
    let host = format!("Host: localhost:{port}");
    let got = ask(port, "GET", "/api/health", &[&host, &format!("Authorization: Bearer {}", token.trim())]);
    assert_eq!((got.status, got.body.as_str()), (200, "{\"status\":\"ok\"}"));
    let taken = run(&world, &["serve", "--port", &port.to_string()]);
    assert!(taken.code == 1 && taken.err.contains("--port 0"), "{}", taken.err);
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let status = child.wait().unwrap();
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((status.code(), err.as_str()), (Some(0), ""));
}

#[test]
fn an_honest_request_is_answered_at_once_while_others_hold_half_open_connections() {
    let world = World::new(&[]);
    let server = Server::start(&world);
    for round in 0..2 {
        let held: Vec<std::net::TcpStream> = (0..400)
            .map(|i| {
                use std::io::Write;
                let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.serving.port)).unwrap();
                if i % 2 == 0 {
                    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: 127");
                }
                stream
            })
            .collect();
        let started = std::time::Instant::now();
        assert_eq!(server.get("/api/status").status, 404, "an unknown path is answered");
        assert_eq!(server.get("/").status, 200);
        let took = started.elapsed();
        assert!(took < std::time::Duration::from_secs(1), "round {round}: {took:?}");
        drop(held);
    }
}
