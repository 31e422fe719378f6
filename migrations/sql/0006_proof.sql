-- The proof that nothing was changed: a Merkle tree over the log (RFC 6962) in tiles, and signed checkpoints of it.
-- Both can be made anew from the log; what they are worth lies in copies of checkpoints that others keep.

CREATE TABLE log.tiles (
    level   smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
    index   bigint   NOT NULL CHECK (index >= 0),
    hashes  bytea    NOT NULL CHECK (length(hashes) % 32 = 0 AND length(hashes) BETWEEN 32 AND 8192),
    PRIMARY KEY (level, index)
) WITH (fillfactor = 50);
COMMENT ON TABLE log.tiles IS 'The Merkle tree over the facts in tiles of 256 hashes (C2SP tlog-tiles). A leaf''s index is its fact''s position less 1.';
COMMENT ON COLUMN log.tiles.level IS '0: hashes of facts. n: each hash is the root of a full tile of level n - 1.';
COMMENT ON COLUMN log.tiles.hashes IS 'SHA-256 hashes of 32 bytes, one after the other. The last tile of a level grows; no tile shrinks.';
-- Hashes do not compress: trying costs time.
ALTER TABLE log.tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;

CREATE TABLE log.seals (
    size       bigint      NOT NULL CHECK (size >= 0),
    verifier   text        NOT NULL,
    root       bytea       NOT NULL CHECK (length(root) = 32),
    note       text        NOT NULL,
    signed_at  timestamptz NOT NULL,
    PRIMARY KEY (size, verifier)
);
COMMENT ON TABLE log.seals IS 'Signed checkpoints of the tree: all of the last hour, of earlier hours the last one.';
COMMENT ON COLUMN log.seals.size IS 'How many facts the tree holds: everything up to this position is sealed.';
COMMENT ON COLUMN log.seals.verifier IS 'The public key as a C2SP verifier key, name+hash+base64. The name is the origin, which holds the log''s epoch.';
COMMENT ON COLUMN log.seals.root IS 'The tree''s root hash.';
COMMENT ON COLUMN log.seals.note IS 'The checkpoint as a C2SP signed note.';

-- The sealer runs beside the relay. It deletes checkpoints that others of the same hour stand for, and no tiles.
GRANT SELECT, INSERT, UPDATE ON log.tiles TO orbit_command;
GRANT SELECT, INSERT, UPDATE, DELETE ON log.seals TO orbit_command;
GRANT SELECT ON log.tiles, log.seals TO orbit_query;
