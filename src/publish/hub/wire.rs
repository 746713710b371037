//! The HTTP requests. hf-hub reads and creates repositories and sends the commit. Our own code on reqwest reads the
//! role of the token, the tree of a commit and the raw bytes of files, which hf-hub does not offer.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use hf_hub::repository::{CommitOperation, HFRepository, RepoTypeDataset};
use hf_hub::{HFClient, HFError};
use reqwest::{Response, Url, header, redirect};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::super::{HubOptions, PublishError, UploadStep};
use super::fault::{Fault, transport};

/// Longest message of the Hub in an error, in characters.
const MAX_MESSAGE_CHARS: usize = 300;
/// Pages of a file listing; far more than a release has.
const MAX_TREE_PAGES: usize = 10_000;
/// Redirects that a download may follow.
const MAX_REDIRECTS: usize = 5;
/// Longest owner, repository or branch name.
const MAX_NAME_BYTES: usize = 96;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// The Hub may take minutes for a large commit.
const READ_TIMEOUT: Duration = Duration::from_secs(300);

/// Clients and names of one upload.
pub(super) struct Wire<'a> {
    pub(super) repo: &'a str,
    revision: &'a str,
    token: &'a str,
    options: &'a HubOptions,
    endpoint: String,
    client: HFClient,
    dataset: HFRepository<RepoTypeDataset>,
    /// Follows no redirect, so that neither the token nor the data go to a host that nobody approved.
    strict: reqwest::Client,
    /// Reads raw bytes and follows redirects. reqwest removes the token when the host changes.
    reader: reqwest::Client,
}

/// Checks a Hub endpoint: https, or plain http on loopback, and no credentials.
///
/// # Errors
/// [`PublishError::Endpoint`] with the reason.
pub fn check_endpoint(endpoint: &str) -> Result<(), PublishError> {
    let refuse = |endpoint: &str, why| Err(PublishError::Endpoint { endpoint: endpoint.to_owned(), why });
    let Ok(url) = Url::parse(endpoint) else { return refuse("given", "it is not a URL") };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("given", "it contains a user name or password");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => refuse(endpoint, "plain http would expose the token and the data; use https"),
        _ => refuse(endpoint, "it is neither https nor http"),
    }
}

/// Returns whether a URL names this machine.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn check_names(repo: &str, revision: &str) -> Result<(), PublishError> {
    let plain = |name: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        edge(name.chars().next())
            && name.len() <= MAX_NAME_BYTES
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
                .connect_timeout(CONNECT_TIMEOUT)
                .read_timeout(READ_TIMEOUT);
            if local {
                // A proxy from the environment would send loopback traffic and the token to another machine.
                builder = builder.no_proxy();
            }
            builder.build().map_err(|e| PublishError::Runtime(transport(&e)))
        };
        let strict = build(redirect::Policy::none())?;
        let reader = build(redirect::Policy::custom(move |attempt| {
            let safe = attempt.url().scheme() == "https" || (local && is_loopback(attempt.url()));
            if safe && attempt.previous().len() <= MAX_REDIRECTS { attempt.follow() } else { attempt.stop() }
        }))?;
        // hf-hub must not retry: it would repeat a commit whose answer was lost, and it ignores `Retry-After`.
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

    /// URL of the dataset's page.
    pub(super) fn page(&self) -> String {
        format!("{}/datasets/{}", self.endpoint, self.repo)
    }

    /// Repeats a request until it succeeds, the fault is final, or the attempts are used up. Only for requests that may
    /// be repeated.
    pub(super) async fn retry<T>(
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

    /// Waits before attempt number `tries + 1`: as long as the Hub asks, otherwise twice as long each time.
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
        self.options.report(UploadStep::Waiting { delay });
        tokio::time::sleep(delay).await;
        Ok(())
    }

    /// Checks that the token can write to the repository, as far as the Hub reports this in advance.
    pub(super) async fn check_write_access(&self) -> Result<(), Fault> {
        let during = "checking the token";
        let answer = self.get(&self.strict, &format!("{}/api/whoami-v2", self.endpoint), during).await?;
        let who: Value = answer.json().await.map_err(|e| self.garbled(&e, during))?;
        if allows_writing(&who, self.repo) {
            return Ok(());
        }
        let user = clean(self.token, who["name"].as_str().unwrap_or("unknown"));
        Err(Fault::Stop(PublishError::ReadOnly { user, repo: self.repo.to_owned() }))
    }

    /// `None` if the repository does not exist. The inner value tells whether it is private; it is `None` if the Hub
    /// does not report it.
    pub(super) async fn private(&self) -> Result<Option<Option<bool>>, Fault> {
        match self.dataset.info().send().await {
            Ok(info) if info.id.eq_ignore_ascii_case(self.repo) => Ok(Some(info.private)),
            Ok(_) => Err(Fault::Stop(PublishError::Moved { repo: self.repo.to_owned() })),
            Err(HFError::RepoNotFound { .. }) => Ok(None),
            Err(e) => Err(self.hf(e, "reading the repository")),
        }
    }

    /// Creates the repository. An existing one is not changed.
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
        // The limit ends a listing whose pages refer to each other in a circle.
        for _ in 0..MAX_TREE_PAGES {
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

    /// SHA-256 of a file at a commit; `None` if it is longer than `expected` bytes. The bytes are not stored.
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

    /// Sends the commit once. `None` if the answer names no commit.
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
        let parsed = serde_json::from_str::<Value>(&body).ok();
        let text = parsed.as_ref().and_then(|v| v["error"].as_str()).unwrap_or(&body);
        let message = clean(self.token, text);
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

/// Prepares a message of the Hub for an error: removes the token, puts it on one line and shortens it.
fn clean(token: &str, text: &str) -> String {
    let text = if token.is_empty() { text.to_owned() } else { text.replace(token, "[token]") };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE_CHARS).collect()
}

/// The URL in `Link: <…>; rel="next"`.
fn next_page(answer: &Response) -> Option<String> {
    let link = answer.headers().get(header::LINK)?.to_str().ok()?;
    let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    Some(next.split_once('<')?.1.split_once('>')?.0.to_owned())
}

/// Whether the answer of `whoami` allows writing to `repo`. An unknown answer counts as yes; the Hub then refuses.
fn allows_writing(who: &Value, repo: &str) -> bool {
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
    fn plain_http_is_allowed_only_on_loopback() {
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
    fn names_that_could_change_the_url_are_refused() {
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
    fn the_role_of_the_token_decides_whether_it_can_write() {
        let role = |role: &str| json!({"name": "alice", "auth": {"accessToken": {"role": role}}});
        assert!(allows_writing(&role("write"), "alice/x"));
        assert!(!allows_writing(&role("read"), "alice/x"));
        assert!(allows_writing(&json!({"name": "alice", "auth": {"type": "oauth"}}), "alice/x"));
        let fine = |name: &str, right: &str| {
            json!({"auth": {"accessToken": {"role": "fineGrained", "fineGrained": {"scoped": [
                {"entity": {"type": "user", "name": name}, "permissions": ["repo.content.read", right]}
            ]}}}})
        };
        assert!(allows_writing(&fine("alice", "repo.write"), "alice/x"));
        assert!(allows_writing(&fine("alice/x", "repo.write"), "alice/x"));
        assert!(!allows_writing(&fine("alice/y", "repo.write"), "alice/x"));
        assert!(!allows_writing(&fine("bob", "repo.write"), "alice/x"));
        assert!(!allows_writing(&fine("alice", "discussion.write"), "alice/x"));
    }

    #[test]
    fn the_token_is_removed_from_messages_of_the_hub() {
        assert_eq!(clean("hf_tok", "bad hf_tok\nhf_tok!"), "bad [token] [token]!");
        assert_eq!(clean("", &"x".repeat(1000)).len(), MAX_MESSAGE_CHARS);
    }
}
