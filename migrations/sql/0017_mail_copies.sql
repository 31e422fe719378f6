-- Copies of what was sent that are still to lie among it, here and in its sender's mailbox. A row is there before the
-- message leaves and goes when its copy is there, so whatever ends a process in between, somebody lays the copy.

CREATE TABLE work.mail_copies (
    submission_id  uuid        PRIMARY KEY,
    user_id        uuid        NOT NULL,
    asked          integer     NOT NULL DEFAULT 1,
    since          timestamptz NOT NULL,
    next_try_at    timestamptz NOT NULL,
    attempts       integer     NOT NULL DEFAULT 0,
    error_code     text,
    worker         uuid,
    alive_until    timestamptz
);
CREATE INDEX mail_copies_due ON work.mail_copies (next_try_at);
CREATE INDEX mail_copies_user ON work.mail_copies (user_id);
COMMENT ON TABLE work.mail_copies IS 'Messages being sent, or sent, whose copy is still to be laid among what was sent. What they say is in the log.';
COMMENT ON COLUMN work.mail_copies.asked IS 'How often it was asked for, by beginning to send or by other settings: whoever has dealt with it is done only if that is what it was.';
COMMENT ON COLUMN work.mail_copies.since IS 'When sending it was last begun; some days later it is given up.';
COMMENT ON COLUMN work.mail_copies.attempts IS 'How often laying it failed.';
COMMENT ON COLUMN work.mail_copies.error_code IS 'Why it failed last.';
COMMENT ON COLUMN work.mail_copies.worker IS 'Who lays it. Another one does after alive_until: this one has died.';

GRANT SELECT, INSERT, UPDATE, DELETE ON work.mail_copies TO orbit_command;
GRANT SELECT ON work.mail_copies TO orbit_query, orbit_projector;
