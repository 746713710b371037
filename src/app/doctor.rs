//! Checks log locations, file permissions, the archive, the keys, and unprotected Hub tokens.

use std::path::Path;

use serde::Serialize;

use crate::sources;

use crate::app::audit::AuditLog;
use crate::app::{App, Failure};

/// Result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    Ok,
    /// Worth knowing; nothing to do.
    Note,
    /// Should be changed.
    Warn,
    /// Does not work or is unsafe.
    Bad,
}

/// A check and its result.
#[derive(Debug, Clone, Serialize)]
pub struct DoctorCheck {
    /// What was checked.
    pub name: String,
    pub verdict: CheckResult,
    /// What was found.
    pub detail: String,
    /// How to fix it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// Results of all checks.
#[derive(Debug, Clone, Serialize)]
pub struct DoctorReport {
    pub checks: Vec<DoctorCheck>,
    /// Whether no check is bad.
    pub healthy: bool,
}

fn check(name: &str, verdict: CheckResult, detail: impl Into<String>, fix: Option<&str>) -> DoctorCheck {
    DoctorCheck { name: name.to_owned(), verdict, detail: detail.into(), fix: fix.map(str::to_owned) }
}

impl App {
    /// Runs all checks. Changes nothing.
    ///
    /// # Errors
    /// [`Failure`] if the archive cannot be read.
    pub fn doctor(&self) -> Result<DoctorReport, Failure> {
        let mut checks = Vec::new();
        let dir = self.dir();
        checks.push(permissions("archive directory", &dir, 0o700));
        checks.push(permissions("archive", &dir.join("clawgate.db"), 0o600));
        checks.push(match self.archive.integrity()? {
            None => check("archive integrity", CheckResult::Ok, "quick_check passes", None),
            Some(what) => {
                check("archive integrity", CheckResult::Bad, what, Some("restore clawgate.db from a backup"))
            }
        });
        let AuditLog { entries, broken } = self.audit_log()?;
        checks.push(match broken {
            None => check(
                "audit log",
                CheckResult::Ok,
                format!("{} entries, the hash chain is valid", entries.len()),
                None,
            ),
            Some(b) => {
                check("audit log", CheckResult::Bad, format!("broken at entry {}: {}", b.seq, b.what), None)
            }
        });
        for source in sources::REGISTRY {
            let roots = source.roots(&self.ctx.env);
            for root in &roots {
                let mut files = 0;
                let mut skipped = Vec::new();
                source.discover(root, &mut |_| files += 1, &mut |s| skipped.push(s));
                let detail = format!("{}: {files} files, {} skipped", root.display(), skipped.len());
                let verdict = if skipped.is_empty() { CheckResult::Ok } else { CheckResult::Note };
                checks.push(check(source.name(), verdict, detail, None));
            }
            if roots.is_empty() {
                checks.push(check(source.name(), CheckResult::Note, "no logs found", None));
            }
        }
        let keys = self.keys();
        checks.push(match keys {
            Ok(k) => match k.fingerprint {
                Some(f) => check(
                    "approver key",
                    CheckResult::Ok,
                    format!("{f}; Hub token sealed: {}", k.hub_token_sealed),
                    None,
                ),
                None => check(
                    "approver key",
                    CheckResult::Note,
                    "no key; nothing can be published yet",
                    Some("clawgate keys init"),
                ),
            },
            Err(f) => check("approver key", CheckResult::Bad, f.message, None),
        });
        checks.extend(self.unprotected_tokens());
        let healthy = checks.iter().all(|c| c.verdict != CheckResult::Bad);
        Ok(DoctorReport { checks, healthy })
    }

    /// Finds Hub tokens that any process of this user can read. A process with such a token can publish without approval.
    fn unprotected_tokens(&self) -> Vec<DoctorCheck> {
        let env = &self.ctx.env;
        let fix = "store it encrypted with `clawgate login`, remove it here, and give other tools a read-only token";
        let mut out = Vec::new();
        for name in ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"] {
            if env.var(name).is_some() {
                out.push(check(
                    "unprotected Hub token",
                    CheckResult::Warn,
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
                let detail = format!("{} (only the Hub knows whether it can write)", file.display());
                out.push(check("unprotected Hub token", CheckResult::Warn, detail, Some(fix)));
            }
        }
        if out.is_empty() {
            out.push(check(
                "unprotected Hub token",
                CheckResult::Ok,
                "none in the environment or the Hub's cache",
                None,
            ));
        }
        out
    }
}

#[cfg(unix)]
fn permissions(name: &str, path: &Path, max_mode: u32) -> DoctorCheck {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::metadata(path) {
        Ok(meta) => {
            let mode = meta.permissions().mode() & 0o777;
            let detail = format!("{} {mode:o}", path.display());
            if mode & !max_mode == 0 {
                check(name, CheckResult::Ok, detail, None)
            } else {
                let fix = format!("chmod {max_mode:o} {}", path.display());
                check(name, CheckResult::Bad, detail, Some(&fix))
            }
        }
        Err(e) => check(name, CheckResult::Bad, format!("{}: {e}", path.display()), None),
    }
}

#[cfg(not(unix))]
fn permissions(name: &str, path: &Path, _max_mode: u32) -> DoctorCheck {
    check(
        name,
        CheckResult::Note,
        format!("{}: permissions are not checked on this system", path.display()),
        None,
    )
}
