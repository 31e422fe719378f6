-- An e-mail with an answer to it that is starred and labelled, in one thread with what is only referred to; a decision
-- that keeps a third apart; a folder, a draft, what became of it, a file; and an e-mail that was deleted.
INSERT INTO view.emails (id, user_id, folder_id, folder_role, role, message_id, subject, from_email, from_name, recipients,
                         in_reply_to, refs, body_text, text_truncated, snippet, has_html, has_attachments, is_read,
                         is_starred, is_archived, labels, size, language, notes, parts, raw, date, received_at, synced_at,
                         trashed_at, snoozed_until, created_at, updated_at, version)
VALUES ('0197f0a0-0000-7000-8000-000000000101', '0197f0a0-0000-7000-8000-000000000001',
        '0197f0a0-0000-7000-8000-000000000121', 'inbox', 'archive', 'lunch.1@example.org', 'Lunch', 'ada@example.org', 'Ada',
        '{"to": [{"email": "bob@example.org", "name": null}], "cc": [], "bcc": [], "reply_to": []}', '[]',
        '["never.came@example.org"]', 'At noon?', false, 'At noon?', true, true, true, false, true, '{}', 4711, 'en',
        '["no_date"]', '[{"path": "2", "filename": "menu.pdf", "content_type": "application/pdf", "size": 12, "sha256": null,
        "inline": false, "content_id": null, "offset": 300, "length": 16, "encoding": "base64"}]',
        '{"pack": "0197f0a000007000800000000000a001", "key": 1, "offset": 0, "length": 4711, "chunk": 0,
        "sha256": "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg"}', '2026-11-22T10:00:00Z', '2026-11-22T10:00:01Z',
        '2026-11-22T10:00:05Z', NULL, NULL, '2026-11-22T10:00:05Z', '2026-11-22T10:02:00Z', 3),
       ('0197f0a0-0000-7000-8000-000000000102', '0197f0a0-0000-7000-8000-000000000001',
        '0197f0a0-0000-7000-8000-000000000121', 'inbox', 'inbox', 'lunch.2@example.org', 'Re: Lunch', 'bob@example.org', NULL,
        '{"to": [{"email": "ada@example.org", "name": "Ada"}], "cc": [], "bcc": [], "reply_to": []}',
        '["lunch.1@example.org"]', '["never.came@example.org", "lunch.1@example.org"]', 'Gern.', false, 'Gern.', false, false,
        false, true, false, '{friends}', 815, 'de', '[]', '[]',
        '{"pack": "0197f0a000007000800000000000a001", "key": 1, "offset": 4727, "length": 815, "chunk": 1,
        "sha256": "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg"}', '2026-11-22T11:00:00Z', '2026-11-22T11:00:01Z',
        '2026-11-22T11:00:05Z', NULL, '2026-12-01T08:00:00Z', '2026-11-22T11:00:05Z', '2026-11-22T11:03:00Z', 4);
INSERT INTO view.email_words (email_id, user_id, date, words, version)
VALUES ('0197f0a0-0000-7000-8000-000000000101', '0197f0a0-0000-7000-8000-000000000001', '2026-11-22T10:00:00Z',
        '''000001slunch'':1A ''000001wlunch'':1A ''000001wnoon'':6', 1);
INSERT INTO view.email_labels (email_id, user_id, label, date)
VALUES ('0197f0a0-0000-7000-8000-000000000102', '0197f0a0-0000-7000-8000-000000000001', 'friends', '2026-11-22T11:00:00Z');
INSERT INTO view.email_languages (user_id, language, emails)
VALUES ('0197f0a0-0000-7000-8000-000000000001', 'de', 1), ('0197f0a0-0000-7000-8000-000000000001', 'en', 1);
INSERT INTO view.email_counts (user_id, folder_id, role, emails, unread)
VALUES ('0197f0a0-0000-7000-8000-000000000001', '0197f0a0-0000-7000-8000-000000000121', 'archive', 1, 0),
       ('0197f0a0-0000-7000-8000-000000000001', '0197f0a0-0000-7000-8000-000000000121', 'inbox', 1, 1);
INSERT INTO view.email_links (email_id, user_id, thread_id, own, refs, subject, people, bare_reply, date, split_by, version)
VALUES ('0197f0a0-0000-7000-8000-000000000101', '0197f0a0-0000-7000-8000-000000000001',
        '0197f0a0-0000-7000-8000-000000000101', '\x00000000000000000000000000000001',
        '\x00000000000000000000000000000009', '\x000000000000000000000000000000aa', '\x000000000000000000000000000000bb',
        false, '2026-11-22T10:00:00Z', NULL, 1),
       ('0197f0a0-0000-7000-8000-000000000102', '0197f0a0-0000-7000-8000-000000000001',
        '0197f0a0-0000-7000-8000-000000000101', NULL, '\x', NULL, '\x000000000000000000000000000000bb', false,
        '2026-11-22T11:00:00Z', NULL, 1),
       ('0197f0a0-0000-7000-8000-000000000103', '0197f0a0-0000-7000-8000-000000000001',
        '0197f0a0-0000-7000-8000-000000000103', NULL, '\x', NULL, '\x000000000000000000000000000000bb', true,
        '2026-11-22T12:00:00Z', '0197f0a0-0000-7000-8000-000000000111', 1);
INSERT INTO view.email_nodes (user_id, key, thread_id)
VALUES ('0197f0a0-0000-7000-8000-000000000001', '\x00000000000000000000000000000001',
        '0197f0a0-0000-7000-8000-000000000101'),
       ('0197f0a0-0000-7000-8000-000000000001', '\x00000000000000000000000000000009',
        '0197f0a0-0000-7000-8000-000000000101');
INSERT INTO view.email_decisions (id, user_id, position, kind, email_ids, version)
VALUES ('0197f0a0-0000-7000-8000-000000000111', '0197f0a0-0000-7000-8000-000000000001', 4711, 'split',
        '{0197f0a0-0000-7000-8000-000000000103}', 1);
INSERT INTO view.email_threads (thread_id, user_id, subject, participants, emails, unread, has_attachments, is_starred,
                                first_date, last_date, last_email_id, snippet)
VALUES ('0197f0a0-0000-7000-8000-000000000101', '0197f0a0-0000-7000-8000-000000000001', 'Lunch',
        '[{"email": "ada@example.org", "name": "Ada"}, {"email": "bob@example.org", "name": null}]', 2, 1, true, true,
        '2026-11-22T10:00:00Z', '2026-11-22T11:00:00Z', '0197f0a0-0000-7000-8000-000000000102', 'Gern.');
INSERT INTO view.email_folders (id, user_id, connection_id, path, name, role, delimiter, uid_validity, created_at,
                                updated_at, version)
VALUES ('0197f0a0-0000-7000-8000-000000000121', '0197f0a0-0000-7000-8000-000000000001',
        '0197f0a0-0000-7000-8000-000000000008', 'INBOX', 'Inbox', 'inbox', '/', 7, '2026-11-22T09:00:00Z',
        '2026-11-22T09:01:00Z', 2);
INSERT INTO view.email_drafts (id, user_id, reply_to_email_id, connection_id, recipients, subject, body, attachments, status,
                               submission_id, created_by, created_at, updated_at, version)
VALUES ('0197f0a0-0000-7000-8000-000000000131', '0197f0a0-0000-7000-8000-000000000001',
        '0197f0a0-0000-7000-8000-000000000102', NULL,
        '{"to": [{"email": "bob@example.org", "name": null}], "cc": [], "bcc": []}', 'Re: Lunch', 'See you there.',
        '{0197f0a0-0000-7000-8000-000000000151}', 'sent', '0197f0a0-0000-7000-8000-000000000141', 'user',
        '2026-11-22T11:10:00Z', '2026-11-22T11:11:00Z', 2);
INSERT INTO view.email_submissions (id, user_id, draft_id, connection_id, message_id, from_email, from_name, recipients,
                                    subject, status, hold_until, scheduled, attempts, next_attempt_at, sent_at,
                                    failure_code, failure_detail, results, bounced, created_by, created_at, updated_at,
                                    version)
VALUES ('0197f0a0-0000-7000-8000-000000000141', '0197f0a0-0000-7000-8000-000000000001',
        '0197f0a0-0000-7000-8000-000000000131', NULL, 'lunch.3@example.org', 'ada@example.org', 'Ada',
        '{"to": [{"email": "bob@example.org", "name": null}], "cc": [], "bcc": []}', 'Re: Lunch', 'sent', NULL, false, 1,
        NULL, '2026-11-22T11:12:00Z', NULL, NULL,
        '[{"email": "bob@example.org", "accepted": true, "code": 250, "detail": "2.0.0 ok"}]', false, 'user',
        '2026-11-22T11:11:00Z', '2026-11-22T11:12:00Z', 4);
INSERT INTO view.email_uploads (id, user_id, filename, content_type, size, raw, created_at, version)
VALUES ('0197f0a0-0000-7000-8000-000000000151', '0197f0a0-0000-7000-8000-000000000001', 'map.png', 'image/png', 4,
        '{"pack": "0197f0a000007000800000000000a002", "key": 1, "offset": 0, "length": 4, "chunk": 0,
        "sha256": "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg"}', '2026-11-22T11:09:00Z', 1);
INSERT INTO view.emails_removed (id, user_id, version)
VALUES ('0197f0a0-0000-7000-8000-000000000104', '0197f0a0-0000-7000-8000-000000000001', 3);
