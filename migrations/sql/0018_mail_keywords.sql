-- Labels go both ways, as keywords.

ALTER TABLE work.mail_uids ADD keywords text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN work.mail_uids.keywords IS 'Those that stand for labels, as the server had them last. Only what differs from this was changed there.';
-- None were written down. Without a state that is known all messages are compared once, not only those that change.
UPDATE work.mail_folders SET modseq = NULL;
