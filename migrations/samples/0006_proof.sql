-- The two facts of the log, sealed.
INSERT INTO log.tiles (level, index, hashes) VALUES (0, 0, sha256('one') || sha256('two'));
INSERT INTO log.seals (size, verifier, root, note, signed_at)
VALUES (2, 'orbit/0197f0a0-0000-7000-8000-0000000000ee+00000000+AQ==', sha256('both'),
        E'orbit/0197f0a0-0000-7000-8000-0000000000ee\n2\nAA==\n\n— orbit/0197f0a0-0000-7000-8000-0000000000ee AA==\n',
        '2026-11-22T21:01:01Z');
