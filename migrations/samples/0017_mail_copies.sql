INSERT INTO work.mail_copies (submission_id, user_id, since, next_try_at, attempts, error_code, worker, alive_until)
VALUES ('0197f0a0-0000-7000-8000-0000000000f1', '0197f0a0-0000-7000-8000-000000000001', '2026-11-24T17:00:00Z',
        '2026-11-24T17:01:00Z', 1, 'timeout', '0197f0a0-0000-7000-8000-000000000051', '2026-11-24T17:11:00Z');
