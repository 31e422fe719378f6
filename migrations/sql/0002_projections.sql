-- What every projection has beside its own tables: checkpoints, parked facts, and the nodes that share the work.
-- They live in the schema of the read models: a rebuild, which fills a schema of its own, brings its own.

CREATE TABLE view.checkpoints (
    projection  text        NOT NULL,
    partition   smallint    NOT NULL,
    position    bigint      NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, partition)
) WITH (fillfactor = 20);
COMMENT ON TABLE view.checkpoints IS 'How far a projection has folded a partition. Moves by compare-and-set in the transaction of the rows.';

CREATE TABLE view.parked (
    projection   text        NOT NULL,
    position     bigint      NOT NULL,
    partition    smallint    NOT NULL,
    stream_id    uuid        NOT NULL,
    user_id      uuid        NOT NULL,
    type         text        NOT NULL,
    reason       text        NOT NULL,
    parked_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, position)
);
CREATE INDEX parked_stream ON view.parked (projection, stream_id, position);
COMMENT ON TABLE view.parked IS 'Facts that could not be applied, and everything later of their streams. Retried or discarded by hand.';
COMMENT ON COLUMN view.parked.reason IS 'Why: of the first fact of a stream what went wrong, of the later ones that they wait for it.';

CREATE TABLE view.nodes (
    node_id      uuid        PRIMARY KEY,
    backend_pid  integer     NOT NULL,
    seen_at      timestamptz NOT NULL
) WITH (fillfactor = 20);
COMMENT ON TABLE view.nodes IS 'Projector processes alive; they share (projection, partition) pairs out evenly.';
COMMENT ON COLUMN view.nodes.backend_pid IS 'The database session that holds the node''s locks: once it is gone, so is the node.';

GRANT CREATE ON SCHEMA view TO orbit_projector;
