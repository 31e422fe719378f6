-- One projection; a rebuild that is done, and one that waits.
INSERT INTO view.projections (name, version) VALUES ('tasks', 1);
INSERT INTO work.rebuilds (id, projections, workers, verify, reason, requested_by, state, origin, position, target, facts,
                           differences, requested_at, started_at, updated_at, finished_at)
VALUES ('0197f0a0-0000-7000-8000-000000000031', '{tasks,activities}', 2, true, 'asked',
        '0197f0a0-0000-7000-8000-000000000001', 'complete', '0197f0a0-0000-7000-8000-0000000000ee tasks=1 activities=1',
        2, 2, 4, '[]', '2026-11-24T01:00:00Z', '2026-11-24T01:00:01Z', '2026-11-24T01:00:02Z', '2026-11-24T01:00:02Z'),
       ('0197f0a0-0000-7000-8000-000000000032', '{tasks}', 2, false, 'version', NULL, 'queued', NULL, 0, 0, 0, NULL,
        '2026-11-24T01:01:00Z', NULL, '2026-11-24T01:01:00Z', NULL);
