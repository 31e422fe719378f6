-- A list with a task that carries a label, a sub-task in the trash; and a list that is gone.
INSERT INTO view.task_lists (id, user_id, name, color, position, created_at, updated_at, version)
VALUES ('0197f0a0-0000-7000-8000-000000000009', '0197f0a0-0000-7000-8000-000000000001', 'Today', '#00ff00', 'V',
        '2026-11-22T21:00:00Z', '2026-11-22T21:00:00Z', 1);
INSERT INTO view.labels (id, user_id, name, color, created_at, updated_at, version)
VALUES ('0197f0a0-0000-7000-8000-000000000010', '0197f0a0-0000-7000-8000-000000000001', 'urgent', NULL,
        '2026-11-22T21:00:00Z', '2026-11-22T21:00:00Z', 1);
INSERT INTO view.tasks (id, user_id, list_id, parent_id, title, description, priority, status, due_date, completed_at,
                        position, labels, created_by, extracted_from_type, extracted_from_id, dismiss_reason, deleted_at,
                        created_at, updated_at, version)
VALUES ('0197f0a0-0000-7000-8000-000000000002', '0197f0a0-0000-7000-8000-000000000001',
        '0197f0a0-0000-7000-8000-000000000009', NULL, 'Buy milk', 'Two litres', 2, 'open', '2026-11-23', NULL, 'V',
        '{0197f0a0-0000-7000-8000-000000000010}', 'user', NULL, NULL, NULL, NULL, '2026-11-22T21:01:00Z',
        '2026-11-22T21:01:00Z', 1),
       ('0197f0a0-0000-7000-8000-000000000011', '0197f0a0-0000-7000-8000-000000000001',
        '0197f0a0-0000-7000-8000-000000000009', '0197f0a0-0000-7000-8000-000000000002', 'Find the shop', NULL, 1, 'done',
        NULL, '2026-11-22T21:02:00Z', 'V1', '{}', 'agent', 'email', '0197f0a0-0000-7000-8000-000000000012', NULL,
        '2026-11-22T21:03:00Z', '2026-11-22T21:01:00Z', '2026-11-22T21:03:00Z', 3);
INSERT INTO view.tasks_removed (id, user_id, version)
VALUES ('0197f0a0-0000-7000-8000-000000000013', '0197f0a0-0000-7000-8000-000000000001', 2);
