-- Rebuilds: which version of each projection is served, and the work of filling its tables anew.

CREATE SCHEMA work;
COMMENT ON SCHEMA work IS 'Long work that somebody asked for, and how far it is.';

CREATE TABLE view.projections (
    name     text        PRIMARY KEY,
    version  integer     NOT NULL CHECK (version > 0),
    since    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE view.projections IS 'The projections there are, and the version of the code that filled what is served. A newer code asks for a rebuild.';
COMMENT ON COLUMN view.projections.since IS 'When the tables of this version began to be served.';

CREATE TABLE work.rebuilds (
    id            uuid        PRIMARY KEY,
    projections   text[]      NOT NULL CHECK (cardinality(projections) > 0),
    workers       smallint    NOT NULL CHECK (workers BETWEEN 1 AND 64),
    verify        boolean     NOT NULL,
    reason        text        NOT NULL CHECK (reason IN ('asked', 'version')),
    requested_by  uuid,
    state         text        NOT NULL DEFAULT 'queued' CHECK (state IN
                      ('queued', 'filling', 'indexing', 'comparing', 'swapping', 'complete', 'failed', 'cancelled')),
    cancel        boolean     NOT NULL DEFAULT false,
    origin        text,
    position      bigint      NOT NULL DEFAULT 0,
    target        bigint      NOT NULL DEFAULT 0,
    facts         bigint      NOT NULL DEFAULT 0,
    differences   jsonb,
    error         text,
    requested_at  timestamptz NOT NULL,
    started_at    timestamptz,
    updated_at    timestamptz NOT NULL,
    finished_at   timestamptz,
    CHECK ((finished_at IS NOT NULL) = (state IN ('complete', 'failed', 'cancelled')))
);
-- One at a time is filled; whoever else asks waits in line.
CREATE INDEX rebuilds_open ON work.rebuilds (requested_at, id) WHERE finished_at IS NULL;
CREATE INDEX rebuilds_newest ON work.rebuilds (requested_at DESC, id DESC);
COMMENT ON TABLE work.rebuilds IS 'Rebuilds of read models: asked for, under way, done.';
COMMENT ON COLUMN work.rebuilds.verify IS 'Whether a difference to what is served stops the rebuild before the swap.';
COMMENT ON COLUMN work.rebuilds.reason IS 'asked: by a person; version: the code of a projection is newer than what is served.';
COMMENT ON COLUMN work.rebuilds.origin IS 'Which log and which code the tables under way are filled from; others are begun anew.';
COMMENT ON COLUMN work.rebuilds.position IS 'Every fact up to here has been folded.';
COMMENT ON COLUMN work.rebuilds.target IS 'The position up to which the present step folds.';
COMMENT ON COLUMN work.rebuilds.facts IS 'Facts applied, once for each projection that wants them.';
COMMENT ON COLUMN work.rebuilds.differences IS 'Tables that came out otherwise than they are served: [{table, served, rebuilt, examples}].';

-- The tables that a rebuild fills come and go; how far it is, and what it had to park, have their place.
CREATE SCHEMA rebuild;
COMMENT ON SCHEMA rebuild IS 'Read models that are being filled anew; they take the place of those in view.';
CREATE TABLE rebuild.checkpoints (LIKE view.checkpoints INCLUDING ALL) WITH (fillfactor = 20);
COMMENT ON TABLE rebuild.checkpoints IS 'How far the rebuild under way has folded each partition.';
CREATE TABLE rebuild.parked (LIKE view.parked INCLUDING ALL);
COMMENT ON TABLE rebuild.parked IS 'Facts that the rebuild under way could not apply.';
GRANT USAGE ON SCHEMA rebuild TO orbit_projector;
GRANT SELECT, INSERT, UPDATE, DELETE ON rebuild.checkpoints, rebuild.parked TO orbit_projector;

GRANT USAGE ON SCHEMA work TO orbit_command, orbit_projector, orbit_query;
GRANT SELECT, INSERT ON work.rebuilds TO orbit_command;
GRANT UPDATE (cancel, updated_at) ON work.rebuilds TO orbit_command;
GRANT SELECT, INSERT, UPDATE, DELETE ON work.rebuilds TO orbit_projector;
GRANT SELECT ON work.rebuilds TO orbit_query;
-- A command names projections, so it must know which there are.
GRANT USAGE ON SCHEMA view TO orbit_command;
GRANT SELECT ON view.projections TO orbit_command;
