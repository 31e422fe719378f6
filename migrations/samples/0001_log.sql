-- A user who wrote down a task: facts, streams, a claim, a remembered answer, a failed login, a key.
INSERT INTO vault.keys (user_id, key_no, wrapped, created_at)
VALUES ('0197f0a0-0000-7000-8000-000000000001', 0, '\x00', '2026-11-22T21:00:00Z');
UPDATE log.head SET position = 2;
INSERT INTO log.streams (stream_id, category, user_id, version) VALUES
    ('0197f0a0-0000-7000-8000-000000000001', 'users', '0197f0a0-0000-7000-8000-000000000001', 1),
    ('0197f0a0-0000-7000-8000-000000000002', 'tasks', '0197f0a0-0000-7000-8000-000000000001', 1);
INSERT INTO log.events (position, event_id, user_id, partition, category, stream_id, version, type, schema_version, data,
                        metadata, recorded_at)
VALUES
    (1, '0197f0a0-0000-7000-8000-00000000000a', '0197f0a0-0000-7000-8000-000000000001', 3, 'users',
     '0197f0a0-0000-7000-8000-000000000001', 1, 'users.registered', 1, '\x01',
     '{"actor": {"type": "user"}, "correlation_id": "0197f0a0-0000-7000-8000-0000000000ff"}', '2026-11-22T21:00:00Z'),
    (2, '0197f0a0-0000-7000-8000-00000000000b', '0197f0a0-0000-7000-8000-000000000001', 3, 'tasks',
     '0197f0a0-0000-7000-8000-000000000002', 1, 'tasks.created', 1, '\x01',
     '{"actor": {"type": "user"}, "correlation_id": "0197f0a0-0000-7000-8000-0000000000ff"}', '2026-11-22T21:01:00Z');
INSERT INTO log.claims (scope, key, stream_id) VALUES ('users.email', '\x0102', '0197f0a0-0000-7000-8000-000000000001');
INSERT INTO log.commands (scope, idempotency_key, fingerprint, outcome, position, created_at, expires_at)
VALUES ('0197f0a0-0000-7000-8000-000000000001', 'once', '\x01', '\x02', 2, '2026-11-22T21:01:00Z', '2026-11-23T21:01:00Z');
INSERT INTO log.failed_logins (key, failed_at) VALUES ('\x01', '2026-11-22T21:00:30Z');
