-- What was done, once by the user and once by the agent; and what it was called.
INSERT INTO view.activities (id, user_id, position, at, actor, action_type, schema_version, description, entity_type,
                             entity_id, metadata, session_id, run_id, correlation_id, causation_id)
VALUES ('0197f0a0-0000-7000-8000-00000000000a', '0197f0a0-0000-7000-8000-000000000001', 1, '2026-11-22T21:00:00Z',
        '{"type": "user"}', 'users.registered', 1, 'Opened an account', 'user', '0197f0a0-0000-7000-8000-000000000001',
        NULL, NULL, NULL, '0197f0a0-0000-7000-8000-0000000000ff', NULL),
       ('0197f0a0-0000-7000-8000-00000000000b', '0197f0a0-0000-7000-8000-000000000001', 2, '2026-11-22T21:01:00Z',
        '{"type": "agent", "run_id": "0197f0a0-0000-7000-8000-000000000014"}', 'tasks.created', 1,
        'Created task “Buy milk”', 'task', '0197f0a0-0000-7000-8000-000000000002', '{"title": "Buy milk"}',
        '0197f0a0-0000-7000-8000-000000000004', '0197f0a0-0000-7000-8000-000000000014',
        '0197f0a0-0000-7000-8000-0000000000ff', '0197f0a0-0000-7000-8000-00000000000a');
INSERT INTO view.activity_subjects (entity_id, user_id, label, version)
VALUES ('0197f0a0-0000-7000-8000-000000000002', '0197f0a0-0000-7000-8000-000000000001', 'Buy milk', 1);
