//! Doctor: what is found where, who may read it, and what lies open.

use std::path::Path;

use serde::Serialize;

use crate::sources;

use crate::app::audit::AuditLog;
use crate::app::{App, Failure};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// Worth changing.
    Warn,
    /// Broken.
    Bad,
}

/// One thing looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it came out.
    pub verdict: Verdict,
    /// What was seen.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// Everything looked at.
#[derive(Debug, Clone, Serialize)]
pub struct DoctorReport {
    /// Checks, in order.
    pub checks: Vec<Check>,
    /// Whether nothing is broken.
    pub healthy: bool,
}

fn check(name: &str, verdict: Verdict, detail: impl Into<String>, fix: Option<&str>) -> Check {
    Check { name: name.to_owned(), verdict, detail: detail.into(), fix: fix.map(str::to_owned) }
}

impl App {
    /// Looks at everything a user's clawgate depends on; changes nothing.
    ///
    /// # Errors
    /// [`Failure`] where the archive refuses.
    pub fn doctor(&self) -> Result<DoctorReport, Failure> {
        let mut checks = Vec::new();
        let dir = self.dir();
        checks.push(permissions("our directory", &dir, 0o700));
        checks.push(permissions("archive", &dir.join("clawgate.db"), 0o600));
        checks.push(match self.archive.integrity()? {
            None => check("archive integrity", Verdict::Ok, "quick_check passes", None),
            Some(what) => {
                check("archive integrity", Verdict::Bad, what, Some("restore clawgate.db from a backup"))
            }
        });
        let AuditLog { entries, broken } = self.audit_log()?;
        checks.push(match broken {
            None => check(
                "audit log",
                Verdict::Ok,
                format!("{} entries, the chain is whole", entries.len()),
                None,
            ),
            Some(b) => {
                check("audit log", Verdict::Bad, format!("broken at entry {}: {}", b.seq, b.what), None)
            }
        });
        for source in sources::REGISTRY {
            let roots = source.roots(&self.ctx.env);
            for root in &roots {
                let mut files = 0;
                let mut skipped = Vec::new();
                source.discover(root, &mut |_| files += 1, &mut |s| skipped.push(s));
                let detail = format!("{}: {files} files, {} skipped", root.display(), skipped.len());
                let verdict = if skipped.is_empty() { Verdict::Ok } else { Verdict::Note };
                checks.push(check(source.name(), verdict, detail, None));
            }
            if roots.is_empty() {
                checks.push(check(source.name(), Verdict::Note, "no logs found", None));
            }
        }
        let keys = self.keys();
        checks.push(match keys {
            Ok(k) => match k.fingerprint {
                Some(f) => check(
                    "approver key",
                    Verdict::Ok,
                    format!("{f}; Hub token sealed: {}", k.hub_token_sealed),
                    None,
                ),
                None => check(
                    "approver key",
                    Verdict::Note,
                    "none yet; nothing can be published",
                    Some("clawgate keys init"),
                ),
            },
            Err(f) => check("approver key", Verdict::Bad, f.message, None),
        });
        checks.extend(self.open_tokens());
        let healthy = checks.iter().all(|c| c.verdict != Verdict::Bad);
        Ok(DoctorReport { checks, healthy })
    }

    /// Hub tokens that any process of this user can read: whoever holds one can publish without us.
    fn open_tokens(&self) -> Vec<Check> {
        let env = &self.ctx.env;
        let fix =
            "seal it with `clawgate login`, then remove it there, and give other tools a read-only token";
        let mut out = Vec::new();
        for name in ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"] {
            if env.var(name).is_some() {
                out.push(check(
                    "Hub token lying open",
                    Verdict::Warn,
                    format!("environment variable {name}"),
                    Some(fix),
                ));
            }
        }
        let home = env.var("HF_HOME").map_or_else(
            || {
                env.var("XDG_CACHE_HOME")
                    .map_or_else(|| env.home.join(".cache"), Into::into)
                    .join("huggingface")
            },
            Into::into,
        );
        let mut files = vec![home.join("token"), home.join("stored_tokens")];
        files.extend(env.var("HF_TOKEN_PATH").map(Into::into));
        for file in files {
            if std::fs::metadata(&file).is_ok_and(|m| m.is_file() && m.len() > 0) {
                let detail = format!("{} (whether it may write, only the Hub knows)", file.display());
                out.push(check("Hub token lying open", Verdict::Warn, detail, Some(fix)));
            }
        }
        if out.is_empty() {
            out.push(check(
                "Hub token lying open",
                Verdict::Ok,
                "none in the environment or the Hub's cache",
                None,
            ));
        }
        out
    }
}

#[cfg(unix)]
fn permissions(name: &str, path: &Path, most: u32) -> Check {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::metadata(path) {
        Ok(meta) => {
            let mode = meta.permissions().mode() & 0o777;
            let detail = format!("{} {mode:o}", path.display());
            if mode & !most == 0 {
                check(name, Verdict::Ok, detail, None)
            } else {
                let fix = format!("chmod {most:o} {}", path.display());
                check(name, Verdict::Bad, detail, Some(&fix))
            }
        }
        Err(e) => check(name, Verdict::Bad, format!("{}: {e}", path.display()), None),
    }
}

#[cfg(not(unix))]
fn permissions(name: &str, path: &Path, _most: u32) -> Check {
    check(name, Verdict::Note, format!("{}: permissions are not checked here", path.display()), None)
}
