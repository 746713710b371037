-- Sessions a person had forgotten, by keyed hash: a scan leaves them out while their log still stands.
CREATE TABLE forgotten (
  key_hash TEXT PRIMARY KEY,
  usage INTEGER NOT NULL,           -- whether its requests are left out too
  at INTEGER NOT NULL
) WITHOUT ROWID;
