-- The newest report of each limit of a plan.
CREATE TABLE plan_windows(
  agent TEXT NOT NULL,
  limit_name TEXT NOT NULL,
  window_minutes INTEGER NOT NULL,
  used_percent REAL NOT NULL,
  observed INTEGER NOT NULL,
  resets INTEGER NOT NULL,
  PRIMARY KEY(agent, limit_name, window_minutes)
) WITHOUT ROWID;
