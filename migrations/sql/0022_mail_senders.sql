-- Accounts to send through, and what their servers were seen to do: whether one keeps a copy of what is sent by itself.

CREATE TABLE work.mail_senders (
    connection_id  uuid        PRIMARY KEY,
    user_id        uuid        NOT NULL,
    servers        bytea       NOT NULL CHECK (octet_length(servers) = 32),
    keeps_copies   boolean     NOT NULL,
    seen_at        timestamptz NOT NULL
);
CREATE INDEX mail_senders_user ON work.mail_senders (user_id);
COMMENT ON TABLE work.mail_senders IS 'Accounts to send through whose users do not say whether the server keeps copies itself. The next message tells anew, so losing it loses nothing.';
COMMENT ON COLUMN work.mail_senders.servers IS 'Keyed hash of the two accounts, to send through and with the copies: what was seen is true of these.';
COMMENT ON COLUMN work.mail_senders.keeps_copies IS 'Whether there was a copy of the newest message that was not laid there by us.';
COMMENT ON COLUMN work.mail_senders.seen_at IS 'When that was looked for.';

GRANT SELECT, INSERT, UPDATE, DELETE ON work.mail_senders TO orbit_command;
GRANT SELECT ON work.mail_senders TO orbit_query, orbit_projector;
