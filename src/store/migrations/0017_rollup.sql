-- The requests of the whole ledger summed as far as most reports need not tell them apart. It is current if its generation is the
-- value of `ledger_generation` in `meta`, which every change of `segments` increments.
CREATE TABLE rollup (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  generation INTEGER NOT NULL,
  made_at INTEGER NOT NULL,         -- Unix milliseconds
  made_with BLOB NOT NULL,          -- the version of the rules, and the prompt sizes that separate sums
  body BLOB NOT NULL,               -- packed as a segment
  sums BLOB NOT NULL                -- requests, largest prompt and machine of each row of the body
) STRICT;
