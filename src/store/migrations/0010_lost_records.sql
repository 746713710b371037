-- The number of records of a file that could not be read when its usage was read.
ALTER TABLE files ADD COLUMN lost_records INTEGER NOT NULL DEFAULT 0;
