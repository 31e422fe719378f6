-- The log: facts, streams, claims, answers to repeated commands; and the vault with the users' keys.
-- Invariants 1, 5 and 6 of docs/ARCHITECTURE.md are kept here.

CREATE SCHEMA log;
CREATE SCHEMA vault;
CREATE SCHEMA view;
COMMENT ON SCHEMA log IS 'What has happened. Append only.';
COMMENT ON SCHEMA vault IS 'The users'' data keys, wrapped by the master key. May live in a database of its own.';
COMMENT ON SCHEMA view IS 'Read models and their checkpoints. Can be thrown away and rebuilt from the log.';

-- Roles are the cluster's, not the database's: another Orbit database may have made them already.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['orbit_command', 'orbit_projector', 'orbit_query'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
        EXECUTE format('GRANT %I TO CURRENT_USER', name);
    END LOOP;
END
$$;

CREATE TABLE log.head (
    singleton   boolean  PRIMARY KEY DEFAULT true CHECK (singleton),
    position    bigint   NOT NULL DEFAULT 0 CHECK (position >= 0),
    epoch       uuid     NOT NULL DEFAULT uuidv7(),
    partitions  smallint NOT NULL DEFAULT 8 CHECK (partitions BETWEEN 1 AND 1024)
) WITH (fillfactor = 10);
COMMENT ON TABLE log.head IS 'One row, locked by every append: it makes positions contiguous and in commit order.';
COMMENT ON COLUMN log.head.epoch IS 'Changes when the database was restored from a backup; names the JetStream stream.';
COMMENT ON COLUMN log.head.partitions IS 'How many partitions users are hashed into. Fixed at install: log.events.partition holds the result.';
INSERT INTO log.head DEFAULT VALUES;

CREATE TABLE log.streams (
    stream_id  uuid   PRIMARY KEY,
    category   text   NOT NULL,
    user_id    uuid   NOT NULL,
    version    bigint NOT NULL CHECK (version > 0)
) WITH (fillfactor = 80);
COMMENT ON TABLE log.streams IS 'The newest version of every stream: optimistic concurrency is checked here.';

CREATE TABLE log.events (
    position        bigint      PRIMARY KEY,
    event_id        uuid        NOT NULL,
    user_id         uuid        NOT NULL,
    partition       smallint    NOT NULL,
    category        text        NOT NULL,
    stream_id       uuid        NOT NULL,
    version         bigint      NOT NULL,
    type            text        NOT NULL,
    schema_version  smallint    NOT NULL,
    data            bytea       NOT NULL,
    metadata        jsonb       NOT NULL,
    recorded_at     timestamptz NOT NULL
);
CREATE UNIQUE INDEX events_stream ON log.events (stream_id, version);
CREATE INDEX events_user ON log.events (user_id, position);
CREATE INDEX events_erasures ON log.events (stream_id) WHERE type = 'users.erased';
COMMENT ON TABLE log.events IS 'The facts. Never changed: see the triggers.';
COMMENT ON COLUMN log.events.partition IS 'stable_hash(user_id) mod head.partitions; projectors share the log out by it. Not indexed: a projector reads on from its checkpoint by position and filters, which costs readers less than an index would cost every append.';
COMMENT ON COLUMN log.events.data IS 'Payload, sealed with the user''s key (XChaCha20-Poly1305; associated data: user, event id, type).';
COMMENT ON COLUMN log.events.metadata IS 'Actor, correlation, causation, session, trace. In the clear, so never personal data.';
-- Sealed bytes do not compress: trying costs time on every append.
ALTER TABLE log.events ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'facts are never changed: % on %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'OR005';
END
$$;
CREATE TRIGGER events_are_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON log.events
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();

CREATE TABLE log.claims (
    scope      text  NOT NULL,
    key        bytea NOT NULL,
    stream_id  uuid  NOT NULL,
    PRIMARY KEY (scope, key)
);
COMMENT ON TABLE log.claims IS 'What one stream holds and no other may: e-mail addresses, names in a list, places in an order.';
COMMENT ON COLUMN log.claims.key IS 'A keyed hash where the key is personal; ids and positions as they are, so that they can be scanned in order.';

CREATE TABLE log.commands (
    scope            uuid        NOT NULL,
    idempotency_key  text        NOT NULL,
    fingerprint      bytea       NOT NULL,
    outcome          bytea       NOT NULL,
    position         bigint      NOT NULL,
    created_at       timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    PRIMARY KEY (scope, idempotency_key)
);
CREATE INDEX commands_expiry ON log.commands (expires_at);
COMMENT ON TABLE log.commands IS 'Answers already given, by idempotency key: the same key and body give the same answer.';
COMMENT ON COLUMN log.commands.scope IS 'The user; for commands before there is one, an id derived from whom they are about.';
COMMENT ON COLUMN log.commands.outcome IS 'The answer, sealed like a payload, with the user''s key if the scope is a user.';

CREATE TABLE log.failed_logins (
    key        bytea       NOT NULL,
    failed_at  timestamptz NOT NULL
);
CREATE INDEX failed_logins_key ON log.failed_logins (key, failed_at);
COMMENT ON TABLE log.failed_logins IS 'Failed logins of the last minutes, by keyed hash of account and address. Five in 15 minutes lock the pair.';

CREATE TABLE vault.keys (
    user_id       uuid        NOT NULL,
    key_no        smallint    NOT NULL,
    wrapped       bytea,
    created_at    timestamptz NOT NULL,
    destroyed_at  timestamptz,
    PRIMARY KEY (user_id, key_no),
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);
COMMENT ON TABLE vault.keys IS 'Data keys, each wrapped by the master key. Destroying one forgets all that it sealed.';

-- Appends what a batch of commands decided. One round trip, one transaction (the statement's own).
--
-- First what needs no position: streams and claims. Their row locks and unique indexes judge them whatever any snapshot
-- says, so a second batch may do this while the first commits. Then the head is locked, in a statement of its own, and
-- held until the commit: positions are contiguous and in commit order. Guards are read under that lock, in a statement
-- after it: one in the same statement would read a snapshot from before it. Whoever holds the head waits for no other
-- lock, so this order (streams, claims, head) cannot deadlock but between batches that cross on streams; the server
-- ends one of those, and the caller asks what became of it.
--
-- Everything is written as if nothing stood in its way; if anything did (a version, a claim, an idempotency key), OR001
-- or a unique violation (cheaper than ON CONFLICT on every row) undoes the whole batch, and the caller asks log.examine
-- which request it was.
--
-- Arrays of one prefix belong together: w_ writes to streams, g_ guards, e_ events, r_ claims released,
-- c_ claims taken, k_ idempotency keys. Returns the position before the first event.
CREATE FUNCTION log.append(
    w_stream uuid[], w_category text[], w_user uuid[], w_expected bigint[], w_version bigint[], w_new integer,
    g_stream uuid[], g_version bigint[],
    e_id uuid[], e_user uuid[], e_partition smallint[], e_category text[], e_stream uuid[], e_version bigint[],
    e_type text[], e_schema smallint[], e_data bytea[], e_metadata text[], e_at timestamptz[],
    r_scope text[], r_key bytea[], r_stream uuid[],
    c_scope text[], c_key bytea[], c_stream uuid[],
    k_scope uuid[], k_key text[], k_fingerprint bytea[], k_outcome bytea[], k_offset bigint[], k_position bigint[],
    k_at timestamptz[], k_until timestamptz[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    events   bigint := cardinality(e_id);
    base     bigint;
    affected bigint;
BEGIN
    IF w_new > 0 THEN
        INSERT INTO log.streams (stream_id, category, user_id, version)
        SELECT * FROM unnest(w_stream[:w_new], w_category[:w_new], w_user[:w_new], w_version[:w_new]);
    END IF;
    IF cardinality(w_stream) > w_new THEN
        UPDATE log.streams s SET version = w.version
        FROM unnest(w_stream[w_new + 1:], w_user[w_new + 1:], w_expected[w_new + 1:], w_version[w_new + 1:])
            AS w (stream_id, user_id, expected, version)
        WHERE s.stream_id = w.stream_id AND s.version = w.expected AND s.user_id = w.user_id;
        GET DIAGNOSTICS affected = ROW_COUNT;
        IF affected <> cardinality(w_stream) - w_new THEN
            RAISE EXCEPTION 'a stream has another version' USING ERRCODE = 'OR001';
        END IF;
    END IF;
    IF cardinality(r_stream) > 0 THEN
        DELETE FROM log.claims c USING unnest(r_scope, r_key, r_stream) AS r (scope, key, stream_id)
        WHERE c.scope = r.scope AND c.key = r.key AND c.stream_id = r.stream_id;
    END IF;
    IF cardinality(c_stream) > 0 THEN
        INSERT INTO log.claims (scope, key, stream_id) SELECT * FROM unnest(c_scope, c_key, c_stream);
    END IF;

    UPDATE log.head SET position = position + events RETURNING position - events INTO STRICT base;

    IF cardinality(g_stream) > 0 THEN
        SELECT count(*) INTO affected FROM unnest(g_stream, g_version) AS g (stream_id, version)
        JOIN log.streams s ON s.stream_id = g.stream_id AND s.version = g.version;
        IF affected <> cardinality(g_stream) THEN
            RAISE EXCEPTION 'a guarded stream has another version' USING ERRCODE = 'OR001';
        END IF;
    END IF;
    IF events > 0 THEN
        INSERT INTO log.events (position, event_id, user_id, partition, category, stream_id, version, type,
                                schema_version, data, metadata, recorded_at)
        SELECT base + e.ordinal, e.id, e.user_id, e.partition, e.category, e.stream_id, e.version, e.type,
               e.schema, e.data, e.metadata::jsonb, e.at
        FROM unnest(e_id, e_user, e_partition, e_category, e_stream, e_version, e_type, e_schema, e_data, e_metadata, e_at)
            WITH ORDINALITY
            AS e (id, user_id, partition, category, stream_id, version, type, schema, data, metadata, at, ordinal);
    END IF;
    IF cardinality(k_key) > 0 THEN
        INSERT INTO log.commands AS o (scope, idempotency_key, fingerprint, outcome, position, created_at, expires_at)
        SELECT k.scope, k.key, k.fingerprint, k.outcome, coalesce(k.position, base + k.upto), k.at, k.until
        FROM unnest(k_scope, k_key, k_fingerprint, k_outcome, k_offset, k_position, k_at, k_until)
            AS k (scope, key, fingerprint, outcome, upto, position, at, until)
        ON CONFLICT (scope, idempotency_key) DO UPDATE
            SET fingerprint = excluded.fingerprint, outcome = excluded.outcome, position = excluded.position,
                created_at = excluded.created_at, expires_at = excluded.expires_at
            WHERE o.expires_at <= excluded.created_at;
        GET DIAGNOSTICS affected = ROW_COUNT;
        IF affected <> cardinality(k_key) THEN
            RAISE EXCEPTION 'an idempotency key is in use' USING ERRCODE = 'OR001';
        END IF;
    END IF;
    RETURN base;
END
$$;
COMMENT ON FUNCTION log.append IS 'Appends a batch of commands'' facts, or nothing (OR001, 23505).';

-- Which requests of a batch stand in their own way as of now, and why. reason: 1 version, 2 claim, 3 idempotency key.
CREATE FUNCTION log.examine(
    w_request integer[], w_stream uuid[], w_user uuid[], w_expected bigint[],
    r_request integer[], r_scope text[], r_key bytea[], r_stream uuid[],
    c_request integer[], c_scope text[], c_key bytea[],
    k_request integer[], k_scope uuid[], k_key text[], k_at timestamptz[]
) RETURNS TABLE (request integer, reason smallint, scope text) LANGUAGE sql STABLE AS $$
    SELECT w.request, 1::smallint, NULL::text
    FROM unnest(w_request, w_stream, w_user, w_expected) AS w (request, stream_id, user_id, expected)
    LEFT JOIN log.streams s ON s.stream_id = w.stream_id
    WHERE coalesce(s.version, 0) <> w.expected OR s.user_id <> w.user_id
    UNION ALL
    SELECT c.request, 2::smallint, c.scope
    FROM unnest(c_request, c_scope, c_key) AS c (request, scope, key)
    JOIN log.claims h ON h.scope = c.scope AND h.key = c.key
    WHERE NOT EXISTS (
        SELECT 1 FROM unnest(r_request, r_scope, r_key, r_stream) AS r (request, scope, key, stream_id)
        WHERE r.request = c.request AND r.scope = h.scope AND r.key = h.key AND r.stream_id = h.stream_id)
    UNION ALL
    SELECT k.request, 3::smallint, NULL::text
    FROM unnest(k_request, k_scope, k_key, k_at) AS k (request, scope, key, at)
    JOIN log.commands o ON o.scope = k.scope AND o.idempotency_key = k.key AND o.expires_at > k.at;
$$;
COMMENT ON FUNCTION log.examine IS 'Names the requests of a batch that log.append would refuse.';

-- Who may what. Only the migrator alters; nobody may UPDATE, DELETE or TRUNCATE facts.
GRANT USAGE ON SCHEMA log, vault TO orbit_command;
GRANT SELECT ON ALL TABLES IN SCHEMA log TO orbit_command;
GRANT INSERT ON log.events TO orbit_command;
GRANT INSERT, UPDATE ON log.streams TO orbit_command;
GRANT INSERT, UPDATE, DELETE ON log.claims, log.commands, log.failed_logins TO orbit_command;
GRANT UPDATE (position, epoch) ON log.head TO orbit_command;
GRANT SELECT, INSERT, UPDATE ON vault.keys TO orbit_command;

GRANT USAGE ON SCHEMA log, vault, view TO orbit_projector;
GRANT SELECT ON log.head, log.streams, log.events, vault.keys TO orbit_projector;
ALTER DEFAULT PRIVILEGES IN SCHEMA view GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON TABLES TO orbit_projector;

GRANT USAGE ON SCHEMA log, vault, view TO orbit_query;
GRANT SELECT ON log.head, log.streams, log.events, log.claims, vault.keys TO orbit_query;
ALTER DEFAULT PRIVILEGES IN SCHEMA view GRANT SELECT ON TABLES TO orbit_query;
