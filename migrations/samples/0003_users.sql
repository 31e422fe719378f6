-- A user with a device, a token and a connection that fails; and a connection that is gone.
INSERT INTO view.users (id, email, name, avatar_url, time_zone, locale, working_hours, preferences, created_at, updated_at,
                        version)
VALUES ('0197f0a0-0000-7000-8000-000000000001', 'ada@example.org', 'Ada', NULL, 'Europe/Berlin', 'de-DE',
        '[{"weekday": 1, "from": "09:00", "to": "17:00"}]', '{"theme": "dark"}', '2026-11-22T21:00:00Z',
        '2026-11-22T21:00:00Z', 1);
INSERT INTO view.logins (id, user_id, device_name, user_agent, address, created_at, last_used_at, expires_at, ended_at,
                         end_reason, version)
VALUES ('0197f0a0-0000-7000-8000-000000000004', '0197f0a0-0000-7000-8000-000000000001', 'Phone', 'curl/8', '192.0.2.1',
        '2026-11-22T21:00:00Z', '2026-11-22T21:00:00Z', '2026-12-22T21:00:00Z', NULL, NULL, 1),
       ('0197f0a0-0000-7000-8000-000000000005', '0197f0a0-0000-7000-8000-000000000001', NULL, NULL, NULL,
        '2026-11-22T21:00:00Z', '2026-11-22T21:00:00Z', '2026-12-22T21:00:00Z', '2026-11-22T21:05:00Z', 'logged_out', 2);
INSERT INTO view.api_tokens (id, user_id, name, scopes, expires_at, revoked_at, created_at, updated_at, version)
VALUES ('0197f0a0-0000-7000-8000-000000000006', '0197f0a0-0000-7000-8000-000000000001', 'Backup',
        '{tasks:read,history:read}', NULL, NULL, '2026-11-22T21:00:00Z', '2026-11-22T21:00:00Z', 1);
INSERT INTO view.connections (id, user_id, kind, name, endpoint, port, username, has_secret, sync_state, synced_items,
                              last_synced_at, last_failed_at, failure_code, failure_detail, created_at, updated_at, version)
VALUES ('0197f0a0-0000-7000-8000-000000000007', '0197f0a0-0000-7000-8000-000000000001', 'imap', 'Mail',
        'imap.example.org', 993, 'ada', true, 'failed', 12, '2026-11-22T21:00:00Z', '2026-11-22T21:05:00Z', 'unreachable',
        'The server does not answer.', '2026-11-22T21:00:00Z', '2026-11-22T21:05:00Z', 3);
INSERT INTO view.users_removed (id, user_id, version)
VALUES ('0197f0a0-0000-7000-8000-000000000008', '0197f0a0-0000-7000-8000-000000000001', 2);
