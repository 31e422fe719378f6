-- Metadata is read from its text before the head is locked, and no longer while the next batch waits for it. Otherwise as in
-- 0009_append_in_step.sql.

CREATE OR REPLACE FUNCTION log.append(
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
    -- Read before the head is locked: whoever waits for it need not wait for this.
    parsed   jsonb[] := e_metadata::jsonb[];
    base     bigint;
    affected bigint;
BEGIN
    IF w_new > 0 THEN
        INSERT INTO log.streams (stream_id, category, user_id, version)
        SELECT unnest(w_stream[:w_new]), unnest(w_category[:w_new]), unnest(w_user[:w_new]), unnest(w_version[:w_new]);
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
        INSERT INTO log.claims (scope, key, stream_id) SELECT unnest(c_scope), unnest(c_key), unnest(c_stream);
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
        SELECT generate_series(base + 1, base + events), unnest(e_id), unnest(e_user), unnest(e_partition),
               unnest(e_category), unnest(e_stream), unnest(e_version), unnest(e_type), unnest(e_schema),
               unnest(e_data), unnest(parsed), unnest(e_at);
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
