-- The title and the badges of a session in parts are those of the whole.
ALTER TABLE session_parts DROP COLUMN title;
ALTER TABLE session_parts DROP COLUMN badges;
