-- The parts of sessions that an agent continued in further files: the first part has the name '', the others have the name of
-- their file. `sessions` has the whole.
CREATE TABLE session_parts (
  key TEXT NOT NULL,
  part TEXT NOT NULL,
  file_id INTEGER NOT NULL REFERENCES files(id) ON DELETE CASCADE,
  started INTEGER,
  ended INTEGER,
  messages INTEGER NOT NULL,
  title TEXT,
  badges TEXT NOT NULL,
  raw_bytes INTEGER NOT NULL,
  body BLOB NOT NULL,               -- zstd of the normal form
  PRIMARY KEY (key, part)
) WITHOUT ROWID;
-- An earlier version took a later part of a Codex thread for the whole. `replace` removes the directory from the path.
INSERT OR IGNORE INTO session_parts
SELECT s.key, replace(replace(replace(f.path, rtrim(f.path, replace(f.path, '/', '')), ''), '.zst', ''), '.jsonl', ''),
  s.file_id, s.started, s.ended, length(b.hashes) / 8, s.title, s.badges, b.raw_bytes, b.body
FROM sessions s JOIN files f ON f.id = s.file_id JOIN bodies b ON b.session_id = s.id AND b.version = s.version
WHERE s.agent = 'codex' AND f.path GLOB '*/rollout-*-????????-????-????-????-????????????_????????-????-????-????-????????????.jsonl*';
