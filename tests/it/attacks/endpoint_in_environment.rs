//! The agent sets `HF_ENDPOINT` in the person's shell, so that the token goes to the agent's server.

use super::{HubWorld, REPO};
use crate::hub_double::HubDouble;
use crate::world::{PASSPHRASE, Step, run_steps_on_terminal};

#[test]
fn another_endpoint_than_the_sealed_one_is_refused_before_the_passphrase() {
    let w = HubWorld::confirmed();
    let evil = HubDouble::start();
    let variables = [("HF_ENDPOINT", evil.endpoint.as_str())];
    for command in ["sign", "publish"] {
        if command == "publish" {
            assert_eq!(w.sign_only().code, 0);
        }
        let ran = run_steps_on_terminal(&w.world, &[command, &w.release], &variables, vec![]);
        assert_eq!(ran.code, 3, "{command}: {}", ran.out);
        for part in [evil.endpoint.as_str(), w.hub.endpoint.as_str(), "stored Hub token"] {
            assert!(ran.out.contains(part), "{command}: {part} is not named: {}", ran.out);
        }
        assert!(!ran.out.contains("Passphrase"), "{command}: {}", ran.out);
    }
    assert!(evil.seen().is_empty(), "the agent's server was asked");
    w.assert_nothing_left();
    let log = w.app(0).audit_log().unwrap();
    let refused = log.entries.iter().filter(|e| e.detail["code"] == "endpoint_changed").count();
    assert_eq!(refused, 2, "both refusals are recorded");
}

#[test]
fn the_sealed_endpoint_is_used_if_the_environment_names_none() {
    let w = HubWorld::confirmed();
    let sealed = w.sealed();
    let steps = vec![
        Step::new("to approve: ", || REPO.to_owned()),
        Step::new("Passphrase: ", || PASSPHRASE.to_owned()),
    ];
    let ran = run_steps_on_terminal(&w.world, &["sign", &w.release], &[], steps);
    assert_eq!(ran.code, 0, "{}", ran.out);
    w.assert_published(&sealed);
}
