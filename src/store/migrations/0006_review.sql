-- Reading in rounds (a reader who misses too much has to read again), planted values, decisions for one release only.
CREATE TABLE served2 (
  release TEXT NOT NULL REFERENCES releases(id) ON DELETE CASCADE,
  row_sha256 TEXT NOT NULL,
  start INTEGER NOT NULL,
  stop INTEGER NOT NULL,
  round INTEGER NOT NULL,
  chunk_sha256 TEXT NOT NULL,
  nonce TEXT NOT NULL,
  reviewer TEXT NOT NULL,
  served INTEGER NOT NULL,
  answered INTEGER,
  verdict TEXT,
  PRIMARY KEY (release, row_sha256, start, stop, round)
) WITHOUT ROWID;
INSERT INTO served2 SELECT release, row_sha256, start, stop, 0, chunk_sha256, nonce, reviewer, served, answered, verdict
  FROM served;
DROP TABLE served;
ALTER TABLE served2 RENAME TO served;

CREATE TABLE planted (
  release TEXT NOT NULL REFERENCES releases(id) ON DELETE CASCADE,
  round INTEGER NOT NULL,
  chunk_sha256 TEXT NOT NULL,       -- of the sealed chunk that it was shown in
  kind TEXT NOT NULL,
  value TEXT NOT NULL,              -- invented here; stands in no session
  words TEXT NOT NULL,              -- the text it was shown in
  at INTEGER NOT NULL,              -- byte of the chunk before which the words were shown
  harmless INTEGER NOT NULL,        -- 1: a public name, which must not be reported
  outcome TEXT,                     -- of the first answer: found | missed | flagged | passed
  misses INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (release, round, chunk_sha256)
) WITHOUT ROWID;

CREATE TABLE decisions2 (
  value_hash TEXT NOT NULL,         -- keyed hash of the value; the value itself is never stored
  kind TEXT NOT NULL,
  release TEXT NOT NULL,            -- '' where it holds for every release
  decision TEXT NOT NULL,           -- redact | keep
  reason TEXT,
  actor TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (value_hash, kind, release)
) WITHOUT ROWID;
INSERT INTO decisions2 SELECT value_hash, kind, '', decision, reason, actor, at FROM decisions;
DROP TABLE decisions;
ALTER TABLE decisions2 RENAME TO decisions;
