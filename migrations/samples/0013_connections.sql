-- An account to send through, beside the mailbox that keeps what was sent.
INSERT INTO view.connections (id, user_id, kind, name, endpoint, port, username, has_secret, sync_state, synced_items,
                              created_at, updated_at, version, security, address, display_name, imap_connection_id,
                              saves_sent)
VALUES ('0197f0a0-0000-7000-8000-00000000000d', '0197f0a0-0000-7000-8000-000000000001', 'smtp', 'Outgoing mail',
        'smtp.example.org', 587, 'ada', true, 'never', 0, '2026-11-22T21:00:00Z', '2026-11-22T21:00:00Z', 1, 'starttls',
        'ada@example.org', 'Ada', '0197f0a0-0000-7000-8000-000000000007', false);
