-- What was spent before an instant, so that a glance at a week or a month reads its last days only. A row stands as
-- long as no segment that ended before its instant is written or removed.
CREATE TABLE spent_before (
  key TEXT PRIMARY KEY,
  boundary INTEGER NOT NULL,
  straddling INTEGER NOT NULL,
  body TEXT NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER spent_before_insert AFTER INSERT ON segments BEGIN
  DELETE FROM spent_before WHERE boundary > new.last;
END;
CREATE TRIGGER spent_before_update AFTER UPDATE ON segments BEGIN
  DELETE FROM spent_before WHERE boundary > min(old.last, new.last);
END;
CREATE TRIGGER spent_before_delete AFTER DELETE ON segments BEGIN
  DELETE FROM spent_before WHERE boundary > old.last;
END;
