-- `checked` now says that the directory was found to be a worktree or another path to a directory. Each scan looks again at
-- the others.
UPDATE directories SET checked = 0;
