-- To be forgotten, and to take everything along: the time of grace, exports, and secrets that outlive a master key.

ALTER TABLE view.users ADD COLUMN erasure_due_at timestamptz;
COMMENT ON COLUMN view.users.erasure_due_at IS 'When the account is erased, if its user asked for that and did not take it back.';

-- Who was erased after a position is asked by what scrubs the read models.
CREATE INDEX events_erasures_position ON log.events (position) WHERE type = 'users.erased';

CREATE TABLE log.scrubs (
    singleton  boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
    position   bigint      NOT NULL CHECK (position >= 0),
    ran_at     timestamptz NOT NULL
);
COMMENT ON TABLE log.scrubs IS 'One row: how far the pages of the read models are rid of what erased users wrote.';
COMMENT ON COLUMN log.scrubs.position IS 'Every users.erased up to here is dealt with: the tables were written anew after it was applied.';

CREATE TABLE log.exports (
    export_id    uuid        PRIMARY KEY,
    user_id      uuid        NOT NULL,
    status       text        NOT NULL CHECK (status IN ('queued', 'running', 'complete', 'failed')),
    upto         bigint      NOT NULL,
    facts        bigint      NOT NULL DEFAULT 0,
    facts_total  bigint,
    bytes        bigint      NOT NULL DEFAULT 0,
    attempts     smallint    NOT NULL DEFAULT 0,
    worker       uuid,
    alive_until  timestamptz,
    created_at   timestamptz NOT NULL,
    finished_at  timestamptz,
    expires_at   timestamptz NOT NULL
);
CREATE UNIQUE INDEX exports_one_at_a_time ON log.exports (user_id) WHERE status IN ('queued', 'running');
CREATE INDEX exports_user ON log.exports (user_id, created_at, export_id);
CREATE INDEX exports_waiting ON log.exports (created_at) WHERE status IN ('queued', 'running');
CREATE INDEX exports_expiry ON log.exports (expires_at);
COMMENT ON TABLE log.exports IS 'Archives of everything about a user, made on request in the background. Gone when they expire and with their user.';
COMMENT ON COLUMN log.exports.upto IS 'The position of the log that the archive tells of.';
COMMENT ON COLUMN log.exports.facts IS 'Facts written so far, of facts_total: the progress.';
COMMENT ON COLUMN log.exports.worker IS 'Who makes it. Another one may begin anew after alive_until: this one has died.';

CREATE TABLE log.export_chunks (
    export_id  uuid    NOT NULL,
    number     integer NOT NULL CHECK (number >= 0),
    data       bytea   NOT NULL,
    PRIMARY KEY (export_id, number)
);
ALTER TABLE log.export_chunks ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE log.export_chunks IS 'The bytes of archives, in pieces of bounded size, each sealed with the user''s key.';

ALTER TABLE vault.keys ADD COLUMN wrapped_by bytea;
COMMENT ON COLUMN vault.keys.wrapped_by IS 'Which master key wrapped it: the key''s id, a keyed hash that tells nothing of it. NULL: before keys had ids.';

CREATE TABLE vault.master (
    singleton  boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
    key_id     bytea       NOT NULL,
    since      timestamptz NOT NULL
);
COMMENT ON TABLE vault.master IS 'One row: the id of the master key that wraps new keys. A rotation changes it first, and then wraps the old ones anew.';

CREATE TABLE vault.secrets (
    name        text  PRIMARY KEY,
    wrapped     bytea NOT NULL,
    wrapped_by  bytea NOT NULL
);
COMMENT ON TABLE vault.secrets IS 'What must outlive a master key, wrapped by it: the secrets behind keyed hashes, cursors and answers that are nobody''s.';

GRANT SELECT, INSERT, UPDATE, DELETE ON log.exports, log.export_chunks TO orbit_command;
GRANT SELECT ON log.scrubs TO orbit_command, orbit_query;
GRANT SELECT, INSERT, UPDATE ON log.scrubs TO orbit_projector;
GRANT SELECT ON log.exports, log.export_chunks TO orbit_query;
GRANT SELECT, INSERT, UPDATE ON vault.master, vault.secrets TO orbit_command;
GRANT SELECT ON vault.master, vault.secrets TO orbit_projector, orbit_query;
