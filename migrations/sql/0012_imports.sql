-- Mailboxes that are taken in. Facts tell what came in; this is only how far whoever is at it has come, so losing all of it
-- loses no e-mail.

CREATE TABLE work.imports (
    id           uuid        PRIMARY KEY,
    user_id      uuid        NOT NULL,
    status       text        NOT NULL CHECK (status IN ('queued', 'running', 'complete', 'failed', 'cancelled')),
    source       text        NOT NULL CHECK (source IN ('upload', 'file')),
    name         text,
    format       text        CHECK (format IN ('eml', 'mbox', 'tar')),
    folder       text,
    upload       jsonb,
    bytes_total  bigint      NOT NULL,
    bytes_done   bigint      NOT NULL DEFAULT 0,
    messages     bigint      NOT NULL DEFAULT 0,
    created      bigint      NOT NULL DEFAULT 0,
    known        bigint      NOT NULL DEFAULT 0,
    noted        bigint      NOT NULL DEFAULT 0,
    refused      bigint      NOT NULL DEFAULT 0,
    errors       jsonb       NOT NULL DEFAULT '[]',
    resume       jsonb,
    cancel       boolean     NOT NULL DEFAULT false,
    attempts     smallint    NOT NULL DEFAULT 0,
    worker       uuid,
    alive_until  timestamptz,
    failure      text,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    finished_at  timestamptz
);
CREATE INDEX imports_user ON work.imports (user_id, created_at DESC, id DESC);
CREATE INDEX imports_waiting ON work.imports (created_at) WHERE status IN ('queued', 'running');
CREATE INDEX imports_uploads ON work.imports (updated_at)
    WHERE upload IS NOT NULL AND status IN ('complete', 'failed', 'cancelled');
COMMENT ON TABLE work.imports IS 'Mailboxes that are being taken in, or were. Gone with their user.';
COMMENT ON COLUMN work.imports.source IS 'upload: the reactor reads it from the blobs. file: a command beside Orbit reads it where it lies.';
COMMENT ON COLUMN work.imports.name IS 'What its user called it.';
COMMENT ON COLUMN work.imports.format IS 'What it is; NULL: its first bytes tell.';
COMMENT ON COLUMN work.imports.folder IS 'Where all of it goes; NULL: where the mailbox says.';
COMMENT ON COLUMN work.imports.upload IS 'Where its bytes lie among the blobs, as facts write it. NULL once they are deleted.';
COMMENT ON COLUMN work.imports.bytes_done IS 'Bytes worked off, of bytes_total: the progress.';
COMMENT ON COLUMN work.imports.known IS 'Messages that were there already.';
COMMENT ON COLUMN work.imports.noted IS 'Messages that something was odd about.';
COMMENT ON COLUMN work.imports.errors IS 'The first hundred that could not be read: [{at, code, detail}].';
COMMENT ON COLUMN work.imports.resume IS 'Where to go on. What lies before it is in the log.';
COMMENT ON COLUMN work.imports.cancel IS 'Its user wants no more of it. Whoever works on it looks with every group.';
COMMENT ON COLUMN work.imports.worker IS 'Who works on it. Another one goes on after alive_until: this one has died.';
COMMENT ON COLUMN work.imports.failure IS 'Why it was given up, as a code.';

GRANT SELECT, INSERT, UPDATE, DELETE ON work.imports TO orbit_command;
GRANT SELECT ON work.imports TO orbit_query, orbit_projector;
