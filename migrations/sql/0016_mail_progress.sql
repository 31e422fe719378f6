-- How far each folder of a mailbox elsewhere is, for its user to see: what it waits for, what failed and when, and when that
-- is tried again.

ALTER TABLE work.mail_accounts ADD error_at timestamptz;
COMMENT ON COLUMN work.mail_accounts.error_at IS 'When it failed last. NULL: a pass went through since.';

ALTER TABLE work.mail_folders
    ADD error_detail text,
    ADD error_at timestamptz,
    ADD next_try_at timestamptz,
    DROP CONSTRAINT mail_folders_phase_check,
    ADD CONSTRAINT mail_folders_phase_check
        CHECK (phase IN ('waiting', 'rematching', 'comparing', 'fetching', 'idle', 'failed')),
    ALTER phase SET DEFAULT 'waiting';
COMMENT ON COLUMN work.mail_folders.phase IS 'What is done with it. idle: it was in step at synced_at. waiting: its turn is still to come.';
COMMENT ON COLUMN work.mail_folders.done IS 'Messages worked off in this phase, of total. Zero, once it is in step.';
COMMENT ON COLUMN work.mail_folders.error_code IS 'Why it failed by itself, while its account did not. NULL: it was in step since.';
COMMENT ON COLUMN work.mail_folders.next_try_at IS 'Not before this it is tried again, if it failed by itself.';

-- When these failed nobody has written down: as late as can be.
UPDATE work.mail_accounts SET error_at = now() WHERE error_code IS NOT NULL;
-- Why, in a sentence, is told by the next pass.
UPDATE work.mail_folders SET phase = 'waiting', error_code = NULL WHERE phase <> 'idle' OR synced_at IS NULL;
UPDATE work.mail_folders SET done = 0, total = 0;
