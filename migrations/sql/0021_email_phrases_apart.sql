-- What phrases are looked for in made the rows of words wide: what has a word lay in as many pages as there are such
-- e-mails, and to look up the dates of ten thousand took 15 ms. Apart, these rows are narrow again: a hundred thousand lie in
-- 1,250 pages.

CREATE TABLE view.email_phrases (
    email_id  uuid        PRIMARY KEY,
    user_id   uuid        NOT NULL,
    date      timestamptz NOT NULL,
    sequence  bytea       NOT NULL,
    pairs     bytea       NOT NULL,
    version   bigint      NOT NULL
) WITH (toast_tuple_target = 1024);
-- In line, unless it is very long: a phrase is looked for in thousands of them.
ALTER TABLE view.email_phrases ALTER sequence SET STORAGE MAIN;
ALTER TABLE view.email_phrases ALTER pairs SET STORAGE PLAIN;
COMMENT ON TABLE view.email_phrases IS 'What phrases are looked for in. Written once, when an e-mail comes in.';
COMMENT ON COLUMN view.email_phrases.sequence IS 'Two bytes for each word as it is written, in reading order.';
COMMENT ON COLUMN view.email_phrases.pairs IS 'A Bloom filter over the pairs of words that stand behind each other in sequence, three bits for each.';
COMMENT ON COLUMN view.email_phrases.version IS 'Version of the fact by which the e-mail came in.';

-- Filters are made in another way now. Until they are made anew, that of what is there already stops nothing.
INSERT INTO view.email_phrases (email_id, user_id, date, sequence, pairs, version)
SELECT email_id, user_id, date, sequence, '\xffffffffffffffff', version FROM view.email_words;

CREATE INDEX email_phrases_date ON view.email_phrases (user_id, date DESC, email_id DESC) INCLUDE (pairs);
DROP INDEX view.email_words_date;
ALTER TABLE view.email_words DROP COLUMN sequence, DROP COLUMN pairs;
ALTER TABLE view.email_words SET (toast_tuple_target = 128);
CREATE INDEX email_words_date ON view.email_words (user_id, date DESC, email_id DESC);
