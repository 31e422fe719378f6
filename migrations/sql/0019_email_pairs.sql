-- Phrases of words that are in most e-mails: one e-mail after the other was read to see whether the words stand behind each
-- other in it, a kilobyte each. Now the index by date carries a filter that stops most of those where they do not.

-- Of what is there already the filter stops nothing: all its bits are set.
ALTER TABLE view.email_words ADD pairs bytea NOT NULL DEFAULT '\xffffffffffffffff';
ALTER TABLE view.email_words ALTER pairs SET STORAGE PLAIN;
ALTER TABLE view.email_words ALTER pairs DROP DEFAULT;
DROP INDEX view.email_words_date;
CREATE INDEX email_words_date ON view.email_words (user_id, date DESC, email_id DESC) INCLUDE (pairs);
COMMENT ON COLUMN view.email_words.pairs IS 'A Bloom filter over the pairs of words that stand behind each other in sequence: a power of two of bits, one for each pair.';
