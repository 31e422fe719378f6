INSERT INTO view.email_phrases (email_id, user_id, date, sequence, pairs, version)
VALUES ('0197f0a0-0000-7000-8000-000000000102', '0197f0a0-0000-7000-8000-000000000001', '2026-11-22T11:00:00Z',
        '\x0001', '\xffffffffffffffff', 1);
