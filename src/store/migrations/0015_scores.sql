-- Who scored a session, why, and which version of it. `sessions.score` repeats the value for sorting.
CREATE TABLE scores (
  key TEXT PRIMARY KEY,
  value INTEGER NOT NULL CHECK (value BETWEEN 1 AND 5),
  scored_by TEXT NOT NULL,
  reason TEXT NOT NULL,
  version TEXT NOT NULL,
  scored_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
