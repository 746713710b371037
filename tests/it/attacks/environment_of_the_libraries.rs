//! The agent sets every variable that the HTTP client, the TLS library, the tools of the Hub, the C library or the dynamic loader
//! read, to lead the connection, the token or the program elsewhere.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{HubWorld, REPO};
use crate::world::{PASSPHRASE, Step, run_steps_on_terminal};

/// Name and value (`@` is an address of the agent), and whether it is listed before the passphrase. Those that are not listed
/// have no effect.
const VARIABLES: &[(&str, &str, bool)] = &[
    // reqwest, hyper
    ("HTTP_PROXY", "@", true),
    ("HTTPS_PROXY", "@", true),
    ("ALL_PROXY", "@", true),
    ("http_proxy", "@", true),
    ("https_proxy", "@", true),
    ("all_proxy", "@", true),
    ("NO_PROXY", "nothing", true),
    ("no_proxy", "nothing", true),
    ("REQUEST_METHOD", "GET", false),
    // rustls and its providers, and other TLS libraries
    ("SSL_CERT_FILE", "/nonexistent/agent.pem", true),
    ("SSL_CERT_DIR", "/nonexistent", true),
    ("SSLKEYLOGFILE", "/tmp/agent-keys", true),
    ("OPENSSL_CONF", "/nonexistent/openssl.cnf", true),
    ("CURL_CA_BUNDLE", "/nonexistent/agent.pem", false),
    ("REQUESTS_CA_BUNDLE", "/nonexistent/agent.pem", false),
    // hf-hub and huggingface_hub
    ("HF_TOKEN", "hf_agents", true),
    ("HUGGING_FACE_HUB_TOKEN", "hf_agents", true),
    ("HF_TOKEN_PATH", "/nonexistent/token", true),
    ("HF_HOME", "/nonexistent/hf", false),
    ("HF_HUB_CACHE", "/nonexistent/hf", false),
    ("HUGGINGFACE_HUB_CACHE", "/nonexistent/hf", false),
    ("HF_INFERENCE_ENDPOINT", "@", false),
    ("HF_HUB_USER_AGENT_ORIGIN", "agent", false),
    ("HF_HUB_OFFLINE", "1", false),
    ("HF_XET_CACHE", "/nonexistent/xet", false),
    // The dynamic loader
    ("LD_PRELOAD", "/nonexistent/agent.so", true),
    ("LD_AUDIT", "/nonexistent/audit.so", true),
    ("LD_LIBRARY_PATH", "/nonexistent/lib", true),
    ("LD_ORIGIN_PATH", "/nonexistent", true),
    ("LD_PROFILE", "none.so", true),
    ("LD_BIND_NOT", "1", true),
    // The C library
    ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=1", true),
    ("GCONV_PATH", "/nonexistent/gconv", true),
    ("HOSTALIASES", "/nonexistent/hosts", true),
    ("LOCALDOMAIN", "evil.invalid", true),
    ("RES_OPTIONS", "ndots:5", true),
    ("RESOLV_HOST_CONF", "/nonexistent/host.conf", true),
    ("MALLOC_TRACE", "/nonexistent/trace", false),
    ("NLSPATH", "/nonexistent/%N", false),
    ("LOCPATH", "/nonexistent/locale", false),
    // The runtime
    ("RUST_LOG", "trace", false),
    ("RUST_BACKTRACE", "full", false),
    ("TOKIO_WORKER_THREADS", "1", false),
    ("RUST_MIN_STACK", "1000000", false),
];

/// An address of the agent that counts its connections.
fn listener() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for _ in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (address, count)
}

#[test]
fn no_variable_leads_bytes_or_token_elsewhere_and_the_dangerous_ones_are_listed() {
    let w = HubWorld::confirmed();
    let sealed = w.sealed();
    let (address, connections) = listener();
    let variables: Vec<(&str, &str)> = VARIABLES
        .iter()
        .map(|(name, value, _)| (*name, if *value == "@" { &address } else { *value }))
        .collect();
    let steps = vec![
        Step::new("to approve: ", || REPO.to_owned()),
        Step::new("Passphrase: ", || PASSPHRASE.to_owned()),
    ];
    let ran = run_steps_on_terminal(&w.world, &["sign", &w.release], &variables, steps);
    assert_eq!(ran.code, 0, "{}", ran.out);
    let before = &ran.out[..ran.out.find("to approve: ").unwrap()];
    for (name, _, listed) in VARIABLES {
        let there = before.contains(&format!("{name}="));
        assert_eq!(there, *listed, "{name}: {before}");
    }
    assert!(!ran.out.contains("hf_agents"), "{}", ran.out);
    assert_eq!(connections.load(Ordering::SeqCst), 0, "the agent's address was used");
    w.assert_published(&sealed);
    assert!(!std::path::Path::new("/tmp/agent-keys").exists());
}

#[test]
fn another_address_of_the_hub_is_refused_before_the_passphrase() {
    let w = HubWorld::confirmed();
    let (address, connections) = listener();
    let variables = [("HF_ENDPOINT", address.as_str())];
    let ran = run_steps_on_terminal(&w.world, &["sign", &w.release], &variables, Vec::new());
    assert_ne!(ran.code, 0, "{}", ran.out);
    assert!(!ran.out.contains("Passphrase"), "{}", ran.out);
    assert_eq!(connections.load(Ordering::SeqCst), 0);
    w.assert_nothing_left();
}
