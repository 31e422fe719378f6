INSERT INTO work.mail_senders (connection_id, user_id, servers, keeps_copies, seen_at)
VALUES ('0197f0a0-0000-7000-8000-0000000000c2', '0197f0a0-0000-7000-8000-000000000001', decode(repeat('5e', 32), 'hex'),
        true, '2026-12-01T10:00:00Z');
