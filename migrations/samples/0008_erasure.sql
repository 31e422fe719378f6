-- Somebody who asked to be forgotten, and for everything that they wrote; and the secrets of a vault.
UPDATE view.users SET erasure_due_at = '2026-11-29T21:00:00Z' WHERE id = '0197f0a0-0000-7000-8000-000000000001';
INSERT INTO log.scrubs (position, ran_at) VALUES (0, '2026-11-22T21:00:00Z');
INSERT INTO log.exports (export_id, user_id, status, upto, facts, facts_total, bytes, attempts, created_at, finished_at,
                         expires_at)
VALUES ('0197f0a0-0000-7000-8000-000000000021', '0197f0a0-0000-7000-8000-000000000001', 'complete', 1, 1, 1, 4, 1,
        '2026-11-22T21:00:00Z', '2026-11-22T21:00:01Z', '2026-11-29T21:00:00Z');
INSERT INTO log.export_chunks (export_id, number, data) VALUES ('0197f0a0-0000-7000-8000-000000000021', 0, '\x01020304');
INSERT INTO vault.master (key_id, since) VALUES ('\x0102030405060708', '2026-11-22T21:00:00Z');
INSERT INTO vault.secrets (name, wrapped, wrapped_by) VALUES ('hash claims', '\x01', '\x0102030405060708');
