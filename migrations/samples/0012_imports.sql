-- A mailbox that is being taken in.
INSERT INTO work.imports (id, user_id, status, source, name, format, folder, upload, bytes_total, bytes_done, messages, created,
                          known, noted, refused, errors, resume, attempts, worker, alive_until, created_at, updated_at)
VALUES ('0197f0a0-0000-7000-8000-000000000031', '0197f0a0-0000-7000-8000-000000000001', 'running', 'upload', 'old.mbox', 'mbox',
        NULL, '{"pack": "0197f0a0000070008000000000000041", "key": 0, "offset": 0, "length": 4096, "chunk": 0, "sha256": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"}',
        4096, 1024, 3, 1, 1, 0, 1, '[{"at": {"offset": 512}, "code": "too_large", "detail": "the message has more than 64 MiB"}]',
        '{"offset": 1024}', 1, '0197f0a0-0000-7000-8000-000000000051', '2026-11-24T18:00:00Z', '2026-11-24T17:00:00Z',
        '2026-11-24T17:00:01Z');
