-- Alerts that were raised: once a window, also over several processes.
CREATE TABLE alerts (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  session TEXT,                     -- where it is about one
  severity TEXT NOT NULL,
  value INTEGER NOT NULL,
  threshold INTEGER NOT NULL,
  at INTEGER NOT NULL,
  acknowledged INTEGER NOT NULL
);
