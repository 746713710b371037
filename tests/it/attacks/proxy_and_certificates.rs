//! The agent sets a proxy and other certificates in the person's shell, to read the connection to the Hub.

use std::io::Read as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{HubWorld, REPO};
use crate::world::{PASSPHRASE, Step, run_steps_on_terminal};

/// A server that counts its connections and answers nothing.
fn listener() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 64]);
        }
    });
    (address, count)
}

#[test]
fn proxies_and_certificates_of_the_environment_are_shown_and_ignored() {
    let w = HubWorld::confirmed();
    let sealed = w.sealed();
    let (proxy, connections) = listener();
    let mut variables: Vec<(&str, &str)> = vec![("SSL_CERT_FILE", "/nonexistent/agent.pem")];
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        variables.push((name, &proxy));
    }
    let steps = vec![
        Step::new("to approve: ", || REPO.to_owned()),
        Step::new("Passphrase: ", || PASSPHRASE.to_owned()),
    ];
    let ran = run_steps_on_terminal(&w.world, &["sign", &w.release], &variables, steps);
    assert_eq!(ran.code, 0, "{}", ran.out);
    let before = &ran.out[..ran.out.find("to approve: ").unwrap()];
    for name in ["SSL_CERT_FILE", "HTTPS_PROXY", "ALL_PROXY", "https_proxy"] {
        assert!(before.contains(name), "{name} is not listed: {before}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0, "the proxy was used");
    w.assert_published(&sealed);
}
