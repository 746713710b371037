//! Two approvers: the first signs and exports, the second signs on their own machine, the first publishes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use clawgate::app::release::EnrolledKey;
use clawgate::gate::KdfParams;
use serde_json::{Value, json};

use crate::attacks::{HubWorld, REPO, assert_published, keys, sign};
use crate::mcp_client::Client;
use crate::world::{PASSPHRASE, Ran, World, ok, run, run_on_terminal};

/// The passphrase of the second approver.
pub const SECOND_WORDS: &str = "eleven blue kites over the harbour";

/// Writes the user's policy.
pub fn policy(world: &World, text: &str) {
    fs::create_dir_all(world.state()).unwrap();
    let path = world.state().join("policy.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn key_of(world: &World) -> EnrolledKey {
    serde_json::from_value(ok(world, &["keys", "export"])).unwrap()
}

/// A second approver with a machine of their own, and the keys of both enrolled on both sides.
pub fn second_approver(first: &World) -> World {
    let second = World::new(&[]);
    second.app().keys_init_with(SECOND_WORDS, None, KdfParams::cheap()).unwrap();
    first.app().keys_enrol(PASSPHRASE, &key_of(&second)).unwrap();
    second.app().keys_enrol(SECOND_WORDS, &key_of(first)).unwrap();
    second
}

/// Two approvers of a confirmed release for a folder, under a policy that needs both.
pub struct Two {
    pub first: World,
    pub second: World,
    pub release: String,
}

impl Two {
    pub fn confirmed() -> Self {
        let first = World::new(&["claude-2.1.329"]);
        policy(&first, "[[rule]]\napprovers = 2\n");
        let release = first.confirmed();
        keys(&first);
        let second = second_approver(&first);
        Two { first, second, release }
    }

    /// The folder that goes from one approver to the other.
    pub fn dir(&self) -> PathBuf {
        self.first.tmp.path().join("handed")
    }

    /// The first approver signs and exports.
    pub fn sign_and_export(&self) -> Ran {
        let signed = sign(&self.first, &self.release);
        assert_eq!(signed.code, 0, "{}", signed.out);
        let _ = fs::remove_dir_all(self.dir());
        ok(&self.first, &["cosign", "export", self.dir().to_str().unwrap(), "--json"]);
        signed
    }

    /// The second approver signs in their terminal.
    pub fn cosign(&self) -> Ran {
        let answers = [("to approve: ", "out"), ("Passphrase: ", SECOND_WORDS)];
        run_on_terminal(&self.second, &["cosign", "sign", self.dir().to_str().unwrap()], &answers)
    }

    pub fn import(&self) -> Ran {
        run(&self.first, &["cosign", "import", self.dir().to_str().unwrap(), "--json"])
    }

    /// Publishes to the folder, as an agent may after both signatures.
    pub fn publish(&self) -> Ran {
        run(&self.first, &["publish", "--json"])
    }

    /// Asserts that publishing is refused, for a reason with these words.
    pub fn assert_refused(&self, words: &str) {
        let refused = self.publish();
        assert_ne!(refused.code, 0, "{}", refused.out);
        assert!(refused.flat().contains(words), "{words}: {} {}", refused.out, refused.err);
        assert!(!self.first.out().exists(), "something was published");
    }

    /// The entries of the audit log of a kind.
    pub fn audited(world: &World, kind: &str) -> Vec<Value> {
        let log = ok(world, &["audit", "log", "--json"]);
        let entries = log["entries"].as_array().unwrap().clone();
        entries.into_iter().filter(|e| e["kind"] == kind).collect()
    }
}

#[test]
fn a_release_that_needs_two_approvers_is_published_after_both_signed() {
    let two = Two::confirmed();
    let (ann, bob) = (key_of(&two.first).fingerprint, key_of(&two.second).fingerprint);
    let signed = two.sign_and_export();
    assert!(signed.flat().contains("this is 1 of 2 approvals"), "the screen: {}", signed.out);
    assert!(signed.flat().contains("1 of 2 approvals: nothing is published"), "{}", signed.out);
    assert!(!two.first.out().exists());

    // The status, for a person and for programs, says who is missing.
    let status = ok(&two.first, &["status", "--json"]);
    assert_eq!(status["state"], "approved");
    let action = status["human_action"].as_str().unwrap();
    assert_eq!(status["next"]["tool"], "status", "no tool publishes it now: {status}");
    assert!(action.contains(&format!("1 of 2 approvals: signed by {ann}; missing: {bob}")), "{action}");
    assert!(run(&two.first, &["status"]).flat().contains("1 of 2 approvals"));
    two.assert_refused("1 of 2 approvals");

    let second = two.cosign();
    assert_eq!(second.code, 0, "{}", second.out);
    let screen = second.flat();
    for shown in ["this is 2 of 2", ann.as_str(), bob.as_str(), "private", "found here nothing", "rows"] {
        assert!(screen.contains(shown), "{shown}: {}", second.out);
    }
    let imported = two.import();
    assert_eq!(imported.code, 0, "{}", imported.err);
    assert_eq!(imported.json()["given"], json!([ann, bob]));
    assert_eq!(
        ok(&two.first, &["status", "--json"])["next"]["command"],
        format!("clawgate publish {}", two.release)
    );
    assert_eq!(two.publish().code, 0);
    assert_published(&two.first, &two.release);
    // Both signed the statement of the dataset.
    let verified = run(&two.first, &["verify", two.first.out().to_str().unwrap()]);
    for key in [&ann, &bob] {
        assert!(verified.out.contains(&format!("key        {key}")), "{}", verified.out);
    }

    // Both logs have both keys.
    let entry = &Two::audited(&two.first, "second_approval")[0]["detail"];
    assert_eq!((&entry["key"], &entry["first_key"]), (&json!(bob), &json!(ann)));
    let entry = &Two::audited(&two.second, "cosigned")[0]["detail"];
    assert_eq!((&entry["key"], &entry["first_key"]), (&json!(bob), &json!(ann)));
    assert_eq!(run(&two.first, &["audit", "verify"]).code, 0);
    assert_eq!(run(&two.second, &["audit", "verify"]).code, 0);
}

#[test]
fn for_the_hub_the_first_approver_publishes_with_their_token_after_the_second_signed() {
    let w = HubWorld::confirmed();
    policy(&w.world, "[[rule]]\nmatch = \"hf:*\"\napprovers = 2\n");
    let second = second_approver(&w.world);
    let sealed = w.sealed();
    let signed = w.sign();
    assert_eq!(signed.code, 0, "{}", signed.out);
    w.assert_nothing_left();
    let dir = w.world.tmp.path().join("handed");
    let dir = dir.to_str().unwrap();
    ok(&w.world, &["cosign", "export", dir, "--json"]);
    let early = w.person(&["publish", &w.release], &[]);
    assert!(early.flat().contains("1 of 2 approvals"), "{}", early.out);
    assert!(!early.out.contains("Passphrase"), "{}", early.out);
    let answers = [("to approve: ", REPO), ("Passphrase: ", SECOND_WORDS)];
    let cosigned = run_on_terminal(&second, &["cosign", "sign", dir], &answers);
    assert_eq!(cosigned.code, 0, "{}", cosigned.out);
    assert!(cosigned.out.contains(&w.hub.endpoint), "the address: {}", cosigned.out);
    ok(&w.world, &["cosign", "import", dir, "--json"]);
    w.assert_nothing_left();
    let answers = [("to approve: ", REPO), ("Passphrase: ", PASSPHRASE)];
    let published = w.person(&["publish", &w.release], &answers);
    assert_eq!(published.code, 0, "{}", published.out);
    assert!(published.flat().contains("2 of 2 approvals"), "{}", published.out);
    w.assert_published(&sealed);
}

#[test]
fn a_second_approver_sees_what_their_own_strings_find() {
    let two = Two::confirmed();
    two.sign_and_export();
    ok(&two.second, &["config", "--redact", "calc-app", "--json"]);
    let second = two.cosign();
    assert_eq!(second.code, 0, "{}", second.out);
    assert!(second.flat().contains("CUSTOM"), "{}", second.out);
}

#[test]
fn over_mcp_a_missing_approval_and_a_receipt_that_no_longer_holds_name_the_command_for_the_person() {
    let two = Two::confirmed();
    let export = format!("clawgate cosign export DIR {}", two.release);
    two.sign_and_export();
    let mut client = Client::ready(&two.first);
    let refused = client.refused("publish", &json!({}));
    assert_eq!(refused["error"]["code"], "second_approval_needed", "{refused}");
    assert_eq!(refused["next"], json!({ "tool": "status", "command": export }), "{refused}");
    let action = refused["human_action"].as_str().unwrap();
    for words in
        [export.as_str(), "clawgate cosign sign DIR", "clawgate cosign import DIR", "An agent must not"]
    {
        assert!(action.contains(words), "{words}: {action}");
    }
    let status = client.call("status", &json!({}));
    assert_eq!(status["next"]["command"], export, "{status}");
    assert!(status["human_action"].as_str().unwrap().contains("1 of 2 approvals"), "{status}");

    // The policy demands one from now on. What was signed is not what would be shown, so only a signature helps.
    policy(&two.first, "[[rule]]\napprovers = 1\n");
    let sign = format!("clawgate sign {}", two.release);
    let refused = client.refused("publish", &json!({}));
    assert_eq!(refused["error"]["code"], "not_cleared", "{refused}");
    assert_eq!(refused["next"]["command"], sign, "{refused}");
    assert!(refused["human_action"].as_str().unwrap().contains(&sign), "{refused}");
    assert_eq!(client.call("status", &json!({}))["next"]["command"], sign);
    // The same for a person.
    let plain = run(&two.first, &["publish"]);
    assert!(
        plain.err.contains(&format!("next: {sign}")) && !plain.err.contains("next: clawgate status"),
        "{}",
        plain.err
    );
    let exported = run(&two.first, &["cosign", "export", "/nonexistent/x", "--json"]);
    assert_eq!(exported.json()["hints"], json!([sign]), "{}", exported.out);
    // A signature leads on.
    assert_eq!(crate::attacks::sign(&two.first, &two.release).code, 0);
    assert_published(&two.first, &two.release);
}

#[test]
fn for_the_hub_an_approved_release_names_the_command_of_the_person_over_mcp() {
    let w = HubWorld::confirmed();
    assert_eq!(w.sign_only().code, 0);
    let publish = format!("clawgate publish {}", w.release);
    let status = ok(&w.world, &["status", "--json"]);
    assert_eq!(status["next"]["command"], publish, "{status}");
    assert!(status["human_action"].as_str().unwrap().contains("their own terminal"), "{status}");
    assert!(status["next_steps"][0].as_str().unwrap().contains(&publish), "{status}");
    let refused = Client::ready(&w.world).refused("publish", &json!({}));
    assert!(refused["human_action"].as_str().unwrap().contains(&publish), "{refused}");
    // A receipt that is gone is signed again.
    fs::remove_file(w.receipt()).unwrap();
    let status = ok(&w.world, &["status", "--json"]);
    assert_eq!(status["next"]["command"], format!("clawgate sign {}", w.release), "{status}");
    // Until then the release is not approved, as `publish` says.
    assert_eq!(
        (&status["state"], &status["releases"][0]["state"]),
        (&json!("confirmed"), &json!("confirmed"))
    );
    let listed = ok(&w.world, &["releases", "--json"]);
    assert_eq!(listed["releases"][0]["state"], "confirmed", "{listed}");
}
