-- A project is a repository. Its worktrees and other spellings of its path are directories of it. The step that follows
-- this one assigns the directories of earlier versions, which had one project each.
ALTER TABLE projects ADD COLUMN repository TEXT;  -- the repository's name, if its path is not known
ALTER TABLE sessions ADD COLUMN directory TEXT;   -- working directory as recorded, without a separator at its end
UPDATE sessions SET directory = (SELECT path FROM projects p WHERE p.id = project_id);
CREATE INDEX sessions_directory ON sessions(directory);
CREATE TABLE directories (
  path TEXT PRIMARY KEY,
  project_id INTEGER NOT NULL REFERENCES projects(id) ON DELETE CASCADE,
  checked INTEGER NOT NULL DEFAULT 0              -- whether a scan looked for the repository in the directory's `.git`
) WITHOUT ROWID;
CREATE INDEX directories_project ON directories(project_id);
