-- From when to when the requests of a segment are, so that what looks at the last days opens no older ones. Filled in
-- by the step that follows this one.
ALTER TABLE segments ADD COLUMN first INTEGER;
ALTER TABLE segments ADD COLUMN last INTEGER;
CREATE INDEX segments_last ON segments(last, first);
