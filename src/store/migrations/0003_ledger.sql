-- The ledger packed: the requests of one session in one file are one value (see store/segment.rs). What `usage`
-- holds is packed by the step that follows this one; then it goes.
CREATE TABLE segments (
  id INTEGER PRIMARY KEY,
  file_id INTEGER NOT NULL REFERENCES files(id) ON DELETE CASCADE,
  session TEXT NOT NULL,
  rows INTEGER NOT NULL,
  keys BLOB NOT NULL,               -- eight bytes a request: the hash of its dedupe key
  body BLOB NOT NULL,
  UNIQUE (file_id, session)
);
CREATE INDEX segments_session ON segments(session);

-- The file's outside when its usage was read last, which may be later than it was read whole.
ALTER TABLE files ADD COLUMN usage_inode INTEGER NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN usage_size INTEGER NOT NULL DEFAULT -1;
ALTER TABLE files ADD COLUMN usage_mtime_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN usage_reader INTEGER NOT NULL DEFAULT 0;
