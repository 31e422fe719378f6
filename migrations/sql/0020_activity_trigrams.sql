-- Words of activities were looked for in one index over everybody's: a word that is common was found with all other users
-- too, and no other index took a rebuild as long. Now the index by position carries a filter of 128 bits, which stops
-- most of a user's activities that lack a word before they are looked at.

-- Of what is there already the filter stops nothing: all its bits are set.
ALTER TABLE view.activities ADD trigrams_low bigint NOT NULL DEFAULT -1, ADD trigrams_high bigint NOT NULL DEFAULT -1;
ALTER TABLE view.activities ALTER trigrams_low DROP DEFAULT, ALTER trigrams_high DROP DEFAULT;
DROP INDEX view.activities_words;
DROP INDEX view.activities_user;
CREATE UNIQUE INDEX activities_user ON view.activities (user_id, position DESC) INCLUDE (trigrams_low, trigrams_high);
COMMENT ON COLUMN view.activities.trigrams_low IS 'Bits 0 to 63 of a Bloom filter over the description''s runs of three letters: a word is not there if one of its own is not.';
COMMENT ON COLUMN view.activities.trigrams_high IS 'Bits 64 to 127.';
