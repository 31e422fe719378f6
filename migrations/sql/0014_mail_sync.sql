-- Mailboxes elsewhere: how far each is synchronised, and which message there is which e-mail here. A complete pass makes
-- all of this anew, so losing it costs a pass and loses nothing.

CREATE TABLE work.reactions (
    name      text   PRIMARY KEY,
    position  bigint NOT NULL CHECK (position >= 0)
);
COMMENT ON TABLE work.reactions IS 'How far what answers facts has read the log. Whoever reads on holds the row''s lock.';

CREATE TABLE work.mail_accounts (
    connection_id  uuid        PRIMARY KEY,
    user_id        uuid        NOT NULL,
    settings       bigint      NOT NULL,
    phase          text        NOT NULL CHECK (phase IN ('waiting', 'syncing', 'watching', 'failed')),
    failures       integer     NOT NULL DEFAULT 0,
    error_code     text,
    error_detail   text,
    next_try_at    timestamptz,
    synced_at      timestamptz,
    worker         uuid,
    alive_until    timestamptz
);
CREATE INDEX mail_accounts_due ON work.mail_accounts (next_try_at) WHERE next_try_at IS NOT NULL;
CREATE INDEX mail_accounts_user ON work.mail_accounts (user_id);
COMMENT ON TABLE work.mail_accounts IS 'Mailboxes elsewhere that are kept in step. Gone with the connection.';
COMMENT ON COLUMN work.mail_accounts.settings IS 'Version of the connection''s stream when its settings were noted: whoever works with others begins anew.';
COMMENT ON COLUMN work.mail_accounts.next_try_at IS 'When it is to be connected with. NULL: not before its settings change, since it refused them.';
COMMENT ON COLUMN work.mail_accounts.worker IS 'Who keeps it in step. Another one does after alive_until: this one has died.';

CREATE TABLE work.mail_folders (
    folder_id      uuid        PRIMARY KEY,
    connection_id  uuid        NOT NULL,
    user_id        uuid        NOT NULL,
    path           bytea       NOT NULL,
    role           text        NOT NULL,
    uid_validity   bigint,
    uid_next       bigint      NOT NULL DEFAULT 1,
    modseq         bigint,
    phase          text        NOT NULL DEFAULT 'idle' CHECK (phase IN ('idle', 'rematching', 'fetching', 'comparing', 'failed')),
    done           bigint      NOT NULL DEFAULT 0,
    total          bigint      NOT NULL DEFAULT 0,
    error_code     text,
    missed         integer     NOT NULL DEFAULT 0,
    synced_at      timestamptz
);
CREATE INDEX mail_folders_connection ON work.mail_folders (connection_id);
CREATE INDEX mail_folders_user ON work.mail_folders (user_id);
COMMENT ON TABLE work.mail_folders IS 'Folders of mailboxes elsewhere, and how far each is.';
COMMENT ON COLUMN work.mail_folders.path IS 'As the server spells it.';
COMMENT ON COLUMN work.mail_folders.uid_next IS 'All that the server numbers below this is taken in.';
COMMENT ON COLUMN work.mail_folders.modseq IS 'The state that is known (CONDSTORE, whose numbers have 63 bits).';
COMMENT ON COLUMN work.mail_folders.missed IS 'In how many passes in a row the server did not list it.';

CREATE TABLE work.mail_uids (
    folder_id      uuid     NOT NULL,
    uid            bigint   NOT NULL,
    connection_id  uuid     NOT NULL,
    user_id        uuid     NOT NULL,
    email_id       uuid     NOT NULL,
    flags          smallint,
    PRIMARY KEY (folder_id, uid)
);
CREATE INDEX mail_uids_email ON work.mail_uids (email_id);
CREATE INDEX mail_uids_connection ON work.mail_uids (connection_id);
CREATE INDEX mail_uids_user ON work.mail_uids (user_id);
COMMENT ON TABLE work.mail_uids IS 'Which message there is which e-mail here.';
COMMENT ON COLUMN work.mail_uids.flags IS 'As the server had them last: 1 read, 2 starred. Only what differs from this was changed there. NULL: not known.';

CREATE TABLE work.mail_missing (
    connection_id  uuid NOT NULL,
    email_id       uuid NOT NULL,
    user_id        uuid NOT NULL,
    PRIMARY KEY (connection_id, email_id)
);
CREATE INDEX mail_missing_email ON work.mail_missing (email_id);
CREATE INDEX mail_missing_user ON work.mail_missing (user_id);
COMMENT ON TABLE work.mail_missing IS 'E-mails that are no more where they lay there. Whether they were moved or deleted tells the next complete pass.';

CREATE TABLE work.mail_outbound (
    connection_id  uuid    NOT NULL,
    email_id       uuid    NOT NULL,
    user_id        uuid    NOT NULL,
    position       bigint  NOT NULL,
    attempts       integer NOT NULL DEFAULT 0,
    PRIMARY KEY (connection_id, email_id)
);
CREATE INDEX mail_outbound_user ON work.mail_outbound (user_id);
COMMENT ON TABLE work.mail_outbound IS 'E-mails that were changed here, and not yet there.';
COMMENT ON COLUMN work.mail_outbound.position IS 'Position of the newest change.';

GRANT SELECT, INSERT, UPDATE, DELETE ON work.reactions, work.mail_accounts, work.mail_folders, work.mail_uids,
    work.mail_missing, work.mail_outbound TO orbit_command;
GRANT SELECT ON work.reactions, work.mail_accounts, work.mail_folders, work.mail_uids, work.mail_missing,
    work.mail_outbound TO orbit_query, orbit_projector;
