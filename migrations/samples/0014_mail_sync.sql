INSERT INTO work.reactions (name, position) VALUES ('mail', 2);
INSERT INTO work.mail_accounts (connection_id, user_id, settings, phase, next_try_at)
VALUES ('0197f0a0-0000-7000-8000-0000000000d1', '0197f0a0-0000-7000-8000-000000000001', 1, 'waiting', '-infinity');
INSERT INTO work.mail_folders (folder_id, connection_id, user_id, path, role, uid_validity, uid_next, modseq)
VALUES ('0197f0a0-0000-7000-8000-0000000000d2', '0197f0a0-0000-7000-8000-0000000000d1',
        '0197f0a0-0000-7000-8000-000000000001', 'INBOX', 'inbox', 7, 4, 99);
INSERT INTO work.mail_uids (folder_id, uid, connection_id, user_id, email_id, flags)
VALUES ('0197f0a0-0000-7000-8000-0000000000d2', 3, '0197f0a0-0000-7000-8000-0000000000d1',
        '0197f0a0-0000-7000-8000-000000000001', '0197f0a0-0000-7000-8000-0000000000e1', 1);
INSERT INTO work.mail_missing (connection_id, email_id, user_id)
VALUES ('0197f0a0-0000-7000-8000-0000000000d1', '0197f0a0-0000-7000-8000-0000000000e2',
        '0197f0a0-0000-7000-8000-000000000001');
INSERT INTO work.mail_outbound (connection_id, email_id, user_id, position)
VALUES ('0197f0a0-0000-7000-8000-0000000000d1', '0197f0a0-0000-7000-8000-0000000000e1',
        '0197f0a0-0000-7000-8000-000000000001', 2);
