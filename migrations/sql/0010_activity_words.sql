-- The words of activities are kept in their index alone: a stored copy of them was a third of every entry, written with
-- each fact and read by nobody but the index.

DROP INDEX view.activities_words;
ALTER TABLE view.activities DROP COLUMN words;
CREATE INDEX activities_words ON view.activities USING gin (to_tsvector('simple', description));
COMMENT ON INDEX view.activities_words IS 'Words of the sentences for full-text search, without stemming. A query says to_tsvector(''simple'', description) too.';
