//! The requests themselves: hf-hub for repositories and commits, reqwest for what hf-hub leaves out (the token's
//! role, the tree, raw bytes).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use hf_hub::repository::{CommitOperation, HFRepository, RepoTypeDataset};
use hf_hub::{HFClient, HFError};
use reqwest::{Response, Url, header, redirect};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::super::{HubOptions, PublishError, Step};
use super::fault::{Fault, transport};

/// Longest text of the Hub that goes into an error.
const MESSAGE_LIMIT: usize = 300;

/// Clients and names of one upload.
pub(super) struct Wire<'a> {
    pub(super) repo: &'a str,
    revision: &'a str,
    token: &'a str,
    options: &'a HubOptions,
    endpoint: String,
    client: HFClient,
    dataset: HFRepository<RepoTypeDataset>,
    /// Follows no redirect: neither the token nor the data go where nobody approved.
    strict: reqwest::Client,
    /// Reads raw bytes; reqwest drops the token when the host changes.
    reader: reqwest::Client,
}

/// Checks a Hub endpoint: https, or plain http on loopback; no credentials inside.
///
/// # Errors
/// [`PublishError::Endpoint`] with what is wrong.
pub fn check_endpoint(endpoint: &str) -> Result<(), PublishError> {
    let refuse = |endpoint: &str, why| Err(PublishError::Endpoint { endpoint: endpoint.to_owned(), why });
    let Ok(url) = Url::parse(endpoint) else { return refuse("given", "it is no URL") };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("given", "it holds a user name or password");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => refuse(endpoint, "plain http would show the token and the data to the network; use https"),
        _ => refuse(endpoint, "it is neither https nor http"),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn check_names(repo: &str, revision: &str) -> Result<(), PublishError> {
    let plain = |name: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        edge(name.chars().next())
            && name.len() <= 96
            && !name.contains("..")
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    match repo.split_once('/') {
        Some((owner, name)) if plain(owner) && plain(name) => {}
        _ => return Err(PublishError::RepoId { repo: repo.to_owned() }),
    }
    if !revision.split('/').all(plain) {
        return Err(PublishError::NoBranch { repo: repo.to_owned(), revision: revision.to_owned() });
    }
    Ok(())
}

#[derive(Deserialize)]
struct TreeEntry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
}

impl<'a> Wire<'a> {
    pub(super) fn new(
        token: &'a str,
        repo: &'a str,
        revision: &'a str,
        options: &'a HubOptions,
    ) -> Result<Self, PublishError> {
        check_endpoint(&options.endpoint)?;
        check_names(repo, revision)?;
        let endpoint = options.endpoint.trim_end_matches('/').to_owned();
        let local = Url::parse(&endpoint).is_ok_and(|u| is_loopback(&u));
        let build = |policy| {
            let mut builder = reqwest::Client::builder()
                .user_agent(&options.user_agent)
                .redirect(policy)
                .connect_timeout(Duration::from_secs(20))
                // The Hub may take minutes over a large commit.
                .read_timeout(Duration::from_secs(300));
            if local {
                // A proxy from the environment would carry loopback traffic, token included, off the machine.
                builder = builder.no_proxy();
            }
            builder.build().map_err(|e| PublishError::Runtime(transport(&e)))
        };
        let strict = build(redirect::Policy::none())?;
        let reader = build(redirect::Policy::custom(move |attempt| {
            let safe = attempt.url().scheme() == "https" || (local && is_loopback(attempt.url()));
            if safe && attempt.previous().len() <= 5 { attempt.follow() } else { attempt.stop() }
        }))?;
        // No retries inside hf-hub: it repeats a commit whose answer was lost, and ignores `Retry-After`.
        let client = HFClient::builder()
            .endpoint(&endpoint)
            .token(token)
            .user_agent(&options.user_agent)
            .client(strict.clone())
            .cache_enabled(false)
            .retry_max_attempts(0)
            .build()
            .map_err(|e| PublishError::Runtime(clean(token, &e.to_string())))?;
        let (owner, name) = hf_hub::split_id(repo);
        let dataset = client.dataset(owner, name);
        Ok(Wire { repo, revision, token, options, endpoint, client, dataset, strict, reader })
    }

    /// Page of the dataset.
    pub(super) fn page(&self) -> String {
        format!("{}/datasets/{}", self.endpoint, self.repo)
    }

    /// Tries until it works, the fault is final, or tries run out; for requests that may be repeated.
    pub(super) async fn patiently<T>(
        &self,
        mut request: impl AsyncFnMut() -> Result<T, Fault>,
    ) -> Result<T, PublishError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match request().await {
                Ok(answer) => return Ok(answer),
                Err(Fault::Wait { after, error }) if tries < self.options.attempts => {
                    self.wait(tries, after, error).await?;
                }
                Err(Fault::Wait { error, .. } | Fault::Stop(error)) => return Err(error),
            }
        }
    }

    /// Waits before try number `tries + 1`: as long as the Hub asks, else doubling.
    pub(super) async fn wait(
        &self,
        tries: u32,
        after: Option<Duration>,
        error: PublishError,
    ) -> Result<(), PublishError> {
        let growing = self.options.base_delay.saturating_mul(1 << (tries.min(10) - 1));
        let delay = after.unwrap_or(growing);
        if delay > self.options.max_wait {
            let limited = matches!(error, PublishError::Server { status: 429, .. });
            return Err(if limited { PublishError::RateLimited { seconds: delay.as_secs() } } else { error });
        }
        self.options.tell(Step::Waiting { delay });
        tokio::time::sleep(delay).await;
        Ok(())
    }

    /// Whether the token can write to the repository, as far as the Hub says beforehand.
    pub(super) async fn may_write(&self) -> Result<(), Fault> {
        let during = "checking the token";
        let answer = self.get(&self.strict, &format!("{}/api/whoami-v2", self.endpoint), during).await?;
        let who: Value = answer.json().await.map_err(|e| self.garbled(&e, during))?;
        if writes(&who, self.repo) {
            return Ok(());
        }
        let user = clean(self.token, who["name"].as_str().unwrap_or("unknown"));
        Err(Fault::Stop(PublishError::ReadOnly { user, repo: self.repo.to_owned() }))
    }

    /// `None` where there is no such repository; inside, whether it is private, where the Hub says so.
    pub(super) async fn private(&self) -> Result<Option<Option<bool>>, Fault> {
        match self.dataset.info().send().await {
            Ok(info) if info.id.eq_ignore_ascii_case(self.repo) => Ok(Some(info.private)),
            Ok(_) => Err(Fault::Stop(PublishError::Moved { repo: self.repo.to_owned() })),
            Err(HFError::RepoNotFound { .. }) => Ok(None),
            Err(e) => Err(self.hf(e, "looking at the repository")),
        }
    }

    /// Creates the repository; one that is there already is left as it is.
    pub(super) async fn create(&self, private: bool) -> Result<(), Fault> {
        let made = self.client.create_repository().repo_id(self.repo).repo_type(RepoTypeDataset);
        let made = made.private(private).exist_ok(true).send().await;
        made.map(|_| ()).map_err(|e| self.hf(e, "creating the repository"))
    }

    /// The commit at the head of the branch.
    pub(super) async fn head(&self) -> Result<String, Fault> {
        let during = "reading the head";
        let info = match self.dataset.info().revision(self.revision).send().await {
            Err(HFError::RevisionNotFound { .. }) => {
                let (repo, revision) = (self.repo.to_owned(), self.revision.to_owned());
                return Err(Fault::Stop(PublishError::NoBranch { repo, revision }));
            }
            answer => answer.map_err(|e| self.hf(e, during))?,
        };
        match info.sha {
            Some(sha) if is_commit(&sha) => Ok(sha),
            _ => Err(Fault::lost(during, "the answer names no commit")),
        }
    }

    /// Path and size of every file of a commit.
    pub(super) async fn tree(&self, commit: &str) -> Result<BTreeMap<String, u64>, Fault> {
        let during = "listing the files";
        let mut files = BTreeMap::new();
        let mut next =
            Some(format!("{}/api/datasets/{}/tree/{commit}?recursive=true", self.endpoint, self.repo));
        // Far more pages than a release has; ends a listing that runs in a circle.
        for _ in 0..10_000 {
            let Some(url) = next else { return Ok(files) };
            let answer = self.get(&self.strict, &url, during).await?;
            next = next_page(&answer);
            if next.as_ref().is_some_and(|n| !n.starts_with(&format!("{}/", self.endpoint))) {
                return Err(Fault::lost(during, "the next page is on another host"));
            }
            let entries: Vec<TreeEntry> = answer.json().await.map_err(|e| self.garbled(&e, during))?;
            files.extend(entries.into_iter().filter(|e| e.kind == "file").map(|e| (e.path, e.size)));
        }
        Err(Fault::lost(during, "the listing does not end"))
    }

    /// SHA-256 of a file at a commit; `None` where it is longer than `expected` bytes. Read as a stream, kept
    /// nowhere.
    pub(super) async fn read(
        &self,
        commit: &str,
        path: &str,
        expected: u64,
    ) -> Result<Option<String>, Fault> {
        let during = "reading back";
        let url = format!("{}/resolve/{commit}/{path}", self.page());
        let mut answer = self.get(&self.reader, &url, during).await?;
        let (mut hash, mut length) = (Sha256::new(), 0u64);
        while let Some(chunk) = answer.chunk().await.map_err(|e| self.garbled(&e, during))? {
            length += chunk.len() as u64;
            if length > expected {
                return Ok(None);
            }
            hash.update(&chunk);
        }
        Ok(Some(data_encoding::HEXLOWER.encode(&hash.finalize())))
    }

    /// Sends the commit once. `None` where the answer names no commit.
    pub(super) async fn commit(
        &self,
        operations: Vec<CommitOperation>,
        digest: &str,
        parent: &str,
    ) -> Result<Option<String>, Fault> {
        let sent = self
            .dataset
            .create_commit()
            .operations(operations)
            .commit_message(format!("Release {}", digest.get(..12).unwrap_or(digest)))
            .commit_description(format!("Published by clawgate. Digest: sha256:{digest}"))
            .revision(self.revision)
            .parent_commit(parent)
            .send()
            .await;
        match sent {
            Ok(info) => Ok(info.commit_oid.filter(|sha| is_commit(sha))),
            Err(e) => Err(self.hf(e, "sending the commit")),
        }
    }

    async fn get(
        &self,
        client: &reqwest::Client,
        url: &str,
        during: &'static str,
    ) -> Result<Response, Fault> {
        let answer = client.get(url).bearer_auth(self.token).send().await;
        let answer = answer.map_err(|e| self.garbled(&e, during))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let after =
            answer.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.trim().parse().ok());
        let status = answer.status().as_u16();
        let body = answer.text().await.unwrap_or_default();
        let said = serde_json::from_str::<Value>(&body).ok();
        let said = said.as_ref().and_then(|v| v["error"].as_str()).unwrap_or(&body);
        let message = clean(self.token, said);
        Err(Fault::of_status(status, after.map(Duration::from_secs), self.repo, during, message))
    }

    fn garbled(&self, error: &reqwest::Error, during: &'static str) -> Fault {
        Fault::lost(during, clean(self.token, &transport(error)))
    }

    fn hf(&self, error: HFError, during: &'static str) -> Fault {
        Fault::of_hf(error, self.repo, during, |text| clean(self.token, text))
    }
}

fn is_commit(sha: &str) -> bool {
    sha.len() >= 40 && sha.len() <= 64 && sha.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A text of the Hub for an error: without the token, on one line, not long.
fn clean(token: &str, text: &str) -> String {
    let text = if token.is_empty() { text.to_owned() } else { text.replace(token, "[token]") };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_LIMIT).collect()
}

/// The address in `Link: <…>; rel="next"`.
fn next_page(answer: &Response) -> Option<String> {
    let link = answer.headers().get(header::LINK)?.to_str().ok()?;
    let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    Some(next.split_once('<')?.1.split_once('>')?.0.to_owned())
}

/// Whether whoami's answer allows writing to `repo`. A shape we do not know is left to the Hub to judge.
fn writes(who: &Value, repo: &str) -> bool {
    let token = &who["auth"]["accessToken"];
    match token["role"].as_str() {
        Some("read") => false,
        Some("fineGrained") => {
            let Some(scopes) = token["fineGrained"]["scoped"].as_array() else { return true };
            let owner = repo.split('/').next().unwrap_or_default();
            scopes.iter().any(|scope| {
                let name = scope["entity"]["name"].as_str().unwrap_or_default();
                let covers = name.eq_ignore_ascii_case(owner) || name.eq_ignore_ascii_case(repo);
                let rights = scope["permissions"].as_array().map_or(&[][..], Vec::as_slice);
                covers && rights.iter().any(|r| r == "repo.write")
            })
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_http_only_on_loopback() {
        for ok in [
            "https://huggingface.co",
            "http://127.0.0.1:8080",
            "http://localhost",
            "http://[::1]:1/",
            "http://127.8.9.1",
        ] {
            check_endpoint(ok).unwrap();
        }
        for bad in [
            "http://huggingface.co",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "http://10.0.0.1",
            "ftp://127.0.0.1",
            "nonsense",
            "https://user:pass@hub.example",
        ] {
            let err = check_endpoint(bad).unwrap_err().to_string();
            assert!(!err.contains("pass@"), "{err}");
        }
    }

    #[test]
    fn names_that_could_bend_a_url_are_refused() {
        check_names("alice/my-traces.v1", "main").unwrap();
        check_names("a/b", "feature/x").unwrap();
        for repo in ["x", "a/b/c", "../b", "a/..", "a/b?x", "a/ b", "-a/b", "a/", "/b", "a/b#"] {
            assert!(check_names(repo, "main").is_err(), "{repo}");
        }
        for revision in ["", "../x", "a b", "x?y"] {
            assert!(check_names("a/b", revision).is_err(), "{revision}");
        }
    }

    #[test]
    fn the_tokens_role_decides() {
        let role = |role: &str| json!({"name": "alice", "auth": {"accessToken": {"role": role}}});
        assert!(writes(&role("write"), "alice/x"));
        assert!(!writes(&role("read"), "alice/x"));
        assert!(writes(&json!({"name": "alice", "auth": {"type": "oauth"}}), "alice/x"));
        let fine = |name: &str, right: &str| {
            json!({"auth": {"accessToken": {"role": "fineGrained", "fineGrained": {"scoped": [
                {"entity": {"type": "user", "name": name}, "permissions": ["repo.content.read", right]}
            ]}}}})
        };
        assert!(writes(&fine("alice", "repo.write"), "alice/x"));
        assert!(writes(&fine("alice/x", "repo.write"), "alice/x"));
        assert!(!writes(&fine("alice/y", "repo.write"), "alice/x"));
        assert!(!writes(&fine("bob", "repo.write"), "alice/x"));
        assert!(!writes(&fine("alice", "discussion.write"), "alice/x"));
    }

    #[test]
    fn texts_of_the_hub_lose_the_token() {
        let said = clean("hf_tok", "bad hf_tok\nhf_tok!");
        assert_eq!(said, "bad [token] [token]!");
        assert_eq!(clean("", &"x".repeat(1000)).len(), MESSAGE_LIMIT);
    }
}
