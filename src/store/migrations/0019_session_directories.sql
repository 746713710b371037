-- The directories in which a session worked after it began in another one. They can be those of an excluded project.
CREATE TABLE session_directories (
  key TEXT NOT NULL,                -- key of the session
  path TEXT NOT NULL,
  PRIMARY KEY (key, path)
) WITHOUT ROWID;
