-- A projection that got half way and parked a stream on it; a node.
INSERT INTO view.checkpoints (projection, partition, position) VALUES ('tasks', 3, 2), ('tasks', 4, 0);
INSERT INTO view.parked (projection, position, partition, stream_id, user_id, type, reason)
VALUES ('tasks', 2, 3, '0197f0a0-0000-7000-8000-000000000002', '0197f0a0-0000-7000-8000-000000000001', 'tasks.teleported',
        'unknown event type tasks.teleported');
INSERT INTO view.nodes (node_id, backend_pid, seen_at)
VALUES ('0197f0a0-0000-7000-8000-000000000003', 42, '2026-11-22T21:00:00Z');
