-- Releases, what was reviewed in them, and the audit chain.
CREATE TABLE releases (
  id TEXT PRIMARY KEY,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  phase TEXT NOT NULL,
  state TEXT NOT NULL,              -- workflow::Release as JSON
  extra TEXT NOT NULL DEFAULT '{}'  -- what the application keeps beside it (report, entities), as JSON
);

CREATE TABLE decisions (
  value_hash TEXT NOT NULL,         -- keyed hash of the value; the value itself is never stored
  kind TEXT NOT NULL,
  decision TEXT NOT NULL,           -- redact | keep
  reason TEXT,
  actor TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (value_hash, kind)
) WITHOUT ROWID;

CREATE TABLE served (
  release TEXT NOT NULL REFERENCES releases(id) ON DELETE CASCADE,
  row_sha256 TEXT NOT NULL,
  start INTEGER NOT NULL,
  stop INTEGER NOT NULL,
  chunk_sha256 TEXT NOT NULL,
  nonce TEXT NOT NULL,
  reviewer TEXT NOT NULL,
  served INTEGER NOT NULL,
  answered INTEGER,
  verdict TEXT,
  PRIMARY KEY (release, row_sha256, start, stop)
) WITHOUT ROWID;

CREATE TABLE nonces (nonce TEXT PRIMARY KEY, release TEXT NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE audit (
  seq INTEGER PRIMARY KEY,
  entry TEXT NOT NULL               -- workflow::AuditEntry as JSON
);
