INSERT INTO work.mail_folders (folder_id, connection_id, user_id, path, role, phase, error_code, error_detail, error_at,
                               next_try_at)
VALUES ('0197f0a0-0000-7000-8000-0000000000d3', '0197f0a0-0000-7000-8000-0000000000d1',
        '0197f0a0-0000-7000-8000-000000000001', 'Projects', 'other', 'failed', 'select',
        'The server does not open the folder.', '2026-11-22T21:00:00Z', '2026-11-22T21:05:00Z');
UPDATE work.mail_accounts SET error_code = 'unreachable', error_detail = 'The server cannot be reached.',
                              error_at = '2026-11-22T21:00:00Z'
WHERE connection_id = '0197f0a0-0000-7000-8000-0000000000d1';
