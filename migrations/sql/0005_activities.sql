-- Read model of the activities context: every fact in the log, told as a sentence.

CREATE TABLE view.activities (
    id              uuid        PRIMARY KEY,
    user_id         uuid        NOT NULL,
    position        bigint      NOT NULL,
    at              timestamptz NOT NULL,
    actor           jsonb       NOT NULL,
    action_type     text        NOT NULL,
    schema_version  smallint    NOT NULL,
    description     text        NOT NULL,
    entity_type     text        NOT NULL,
    entity_id       uuid        NOT NULL,
    metadata        jsonb,
    session_id      uuid,
    run_id          uuid,
    correlation_id  uuid        NOT NULL,
    causation_id    uuid,
    words           tsvector    NOT NULL GENERATED ALWAYS AS (to_tsvector('simple', description)) STORED
);
CREATE UNIQUE INDEX activities_user ON view.activities (user_id, position DESC);
CREATE INDEX activities_entity ON view.activities (entity_id, position DESC);
CREATE INDEX activities_words ON view.activities USING gin (words);
COMMENT ON TABLE view.activities IS 'Every fact in the log as a sentence. An erased user''s entries stay, without words.';
COMMENT ON COLUMN view.activities.id IS 'The fact''s own id.';
COMMENT ON COLUMN view.activities.at IS 'When the fact was recorded. The order is the position''s.';
COMMENT ON COLUMN view.activities.action_type IS 'The fact''s wire type, tasks.created.';
COMMENT ON COLUMN view.activities.description IS 'One sentence of plain English with what the user called things.';
COMMENT ON COLUMN view.activities.metadata IS 'What the fact says, without secrets (the `data` of facts outward); null once the user was forgotten.';
COMMENT ON COLUMN view.activities.session_id IS 'The login or API token under which the command came.';
COMMENT ON COLUMN view.activities.run_id IS 'The run in which the agent acted.';
COMMENT ON COLUMN view.activities.words IS 'Full-text index of the description, without stemming.';

CREATE TABLE view.activity_subjects (
    entity_id  uuid   PRIMARY KEY,
    user_id    uuid   NOT NULL,
    label      text,
    version    bigint NOT NULL
) WITH (fillfactor = 90);
CREATE INDEX activity_subjects_user ON view.activity_subjects (user_id);
COMMENT ON TABLE view.activity_subjects IS 'What things are called, so that a later fact about them can say so ("Completed task ...").';
COMMENT ON COLUMN view.activity_subjects.label IS 'Null for users who were erased: of them nothing but the bare facts is told.';
