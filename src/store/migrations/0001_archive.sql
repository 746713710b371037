-- The archive: what was read, from which file, and what it cost. Append-only: later migrations only add.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE files (
  id INTEGER PRIMARY KEY,
  path TEXT NOT NULL UNIQUE,
  agent TEXT NOT NULL,
  inode INTEGER NOT NULL,
  size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  reader INTEGER NOT NULL,          -- version of the reader that read it; a newer reader reads again
  gone INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE projects (
  id INTEGER PRIMARY KEY,
  path TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE
);

CREATE TABLE sessions (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  agent TEXT NOT NULL,
  parent TEXT,
  forked_from TEXT,
  project_id INTEGER REFERENCES projects(id),
  title TEXT,                       -- redacted when stored
  git_branch TEXT,
  started INTEGER,                  -- milliseconds since the epoch
  ended INTEGER,
  user_messages INTEGER NOT NULL,
  assistant_messages INTEGER NOT NULL,
  tool_calls INTEGER NOT NULL,
  failed_tool_calls INTEGER NOT NULL,
  bytes INTEGER NOT NULL,           -- size of the normal form
  models TEXT NOT NULL,             -- JSON array
  badges TEXT NOT NULL,             -- JSON array
  version TEXT NOT NULL,            -- SHA-256 of the normal form
  status TEXT NOT NULL DEFAULT 'new',
  status_reason TEXT,
  status_version TEXT,              -- the version the mark was given to
  score INTEGER,
  file_id INTEGER NOT NULL REFERENCES files(id),
  gone INTEGER NOT NULL DEFAULT 0,
  updated INTEGER NOT NULL
);
CREATE INDEX sessions_started ON sessions(started DESC, id DESC);
CREATE INDEX sessions_project ON sessions(project_id);
CREATE INDEX sessions_file ON sessions(file_id);
CREATE INDEX sessions_parent ON sessions(parent) WHERE parent IS NOT NULL;
CREATE INDEX sessions_status ON sessions(status);

CREATE TABLE bodies (
  session_id INTEGER NOT NULL REFERENCES sessions(id) ON DELETE CASCADE,
  version TEXT NOT NULL,
  stored INTEGER NOT NULL,
  raw_bytes INTEGER NOT NULL,
  body BLOB NOT NULL,               -- zstd of the normal form
  hashes BLOB NOT NULL,             -- eight bytes a message
  PRIMARY KEY (session_id, version)
);

-- One document a message and kind of text; the text itself is in the body.
CREATE TABLE docs (
  id INTEGER PRIMARY KEY,
  session_id INTEGER NOT NULL REFERENCES sessions(id) ON DELETE CASCADE,
  message INTEGER NOT NULL,
  kind INTEGER NOT NULL
);
CREATE INDEX docs_session ON docs(session_id, message);
CREATE VIRTUAL TABLE docs_fts USING fts5(text, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 2');

CREATE TABLE usage (
  id INTEGER PRIMARY KEY,
  file_id INTEGER NOT NULL REFERENCES files(id) ON DELETE CASCADE,
  dedupe_key TEXT NOT NULL,
  session TEXT NOT NULL,
  agent TEXT NOT NULL,
  project TEXT,
  session_started INTEGER,
  session_ended INTEGER,
  at INTEGER NOT NULL,
  model TEXT NOT NULL,
  input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  reasoning INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write_5m INTEGER NOT NULL,
  cache_write_1h INTEGER NOT NULL,
  web_search INTEGER NOT NULL,
  reported_picousd INTEGER,
  fast INTEGER NOT NULL,
  geo TEXT,
  service_tier TEXT,
  subagent TEXT,
  skill TEXT,
  tools TEXT,
  offset INTEGER NOT NULL,
  copied INTEGER NOT NULL,
  confidence INTEGER NOT NULL,
  owner INTEGER NOT NULL DEFAULT 1,     -- this copy's session owns the request
  figures INTEGER NOT NULL DEFAULT 1    -- this copy's figures count
);
CREATE INDEX usage_key ON usage(dedupe_key);
CREATE UNIQUE INDEX usage_file ON usage(file_id, dedupe_key);
CREATE INDEX usage_session ON usage(session);
