-- Phrases of e-mails, and words that are in many of them. Both took half a second in a mailbox of a hundred thousand: all
-- that has the words was read, to see whether they stand behind each other, or which are the newest.

ALTER TABLE view.email_words ADD sequence bytea NOT NULL DEFAULT '';
-- In line, unless it is very long: a phrase is looked for in thousands of them.
ALTER TABLE view.email_words ALTER sequence SET STORAGE MAIN;
ALTER TABLE view.email_words ALTER sequence DROP DEFAULT;
ALTER TABLE view.email_words SET (toast_tuple_target = 1024);
-- What is in many e-mails is found sooner by looking at the newest than by asking for all.
CREATE INDEX email_words_date ON view.email_words (user_id, date DESC, email_id DESC);
COMMENT ON COLUMN view.email_words.sequence IS 'Two bytes for each word as it is written, in reading order: what a phrase is looked for in.';
