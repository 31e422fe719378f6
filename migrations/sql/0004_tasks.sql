-- Read models of the tasks context: lists (Kanban columns), tasks, labels.
-- Names are unique by claims in the log, not by indexes here: a parked stream must not make its neighbours fail.

CREATE TABLE view.task_lists (
    id          uuid        PRIMARY KEY,
    user_id     uuid        NOT NULL,
    name        text        NOT NULL,
    color       text,
    position    text        COLLATE "C" NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    version     bigint      NOT NULL
) WITH (fillfactor = 90);
CREATE INDEX task_lists_user ON view.task_lists (user_id, position, id);
COMMENT ON TABLE view.task_lists IS 'The columns of a user''s board. A removed list has no row.';
COMMENT ON COLUMN view.task_lists.position IS 'Fractional index among the user''s lists, compared byte by byte.';
COMMENT ON COLUMN view.task_lists.version IS 'Version of the stream that the row has reached: the ETag, and what makes applying a fact twice change nothing.';

CREATE TABLE view.labels (
    id          uuid        PRIMARY KEY,
    user_id     uuid        NOT NULL,
    name        text        NOT NULL,
    color       text,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    version     bigint      NOT NULL
) WITH (fillfactor = 90);
CREATE INDEX labels_user ON view.labels (user_id, lower(name), id);
COMMENT ON TABLE view.labels IS 'Labels of tasks. A removed label has no row, and no task carries it any more.';

CREATE TABLE view.tasks (
    id                   uuid        PRIMARY KEY,
    user_id              uuid        NOT NULL,
    list_id              uuid        NOT NULL,
    parent_id            uuid,
    title                text        NOT NULL,
    description          text,
    priority             smallint    NOT NULL CHECK (priority BETWEEN 1 AND 3),
    status               text        NOT NULL CHECK (status IN
                             ('backlog', 'open', 'in_progress', 'waiting', 'done', 'pending', 'dismissed')),
    due_date             date,
    completed_at         timestamptz,
    position             text        COLLATE "C" NOT NULL,
    labels               uuid[]      NOT NULL,
    created_by           text        NOT NULL CHECK (created_by IN ('user', 'agent')),
    extracted_from_type  text,
    extracted_from_id    uuid,
    dismiss_reason       text,
    deleted_at           timestamptz,
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    version              bigint      NOT NULL,
    words                tsvector    NOT NULL GENERATED ALWAYS AS
                             (to_tsvector('simple', title || ' ' || coalesce(left(description, 65536), ''))) STORED
) WITH (fillfactor = 85);
-- Each index is written with every new task and nearly every change, so there is one for each way a page is cut and no
-- more: other orders (priority, due date without a bound, updated_at) sort the tasks of one user, which are thousands.
-- Full-text search looks through the stored `words` of one user's tasks too (a microsecond each). A GIN index over
-- everybody's words would find a common word with all other users as well, and was half the cost of writing a task.
CREATE INDEX tasks_user ON view.tasks (user_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX tasks_list ON view.tasks (list_id, position, id) WHERE deleted_at IS NULL;
CREATE INDEX tasks_parent ON view.tasks (parent_id, position, id) WHERE parent_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX tasks_due ON view.tasks (user_id, due_date, id)
    WHERE due_date IS NOT NULL AND deleted_at IS NULL AND status NOT IN ('done', 'dismissed');
CREATE INDEX tasks_completed ON view.tasks (user_id, completed_at, id) WHERE completed_at IS NOT NULL;
CREATE INDEX tasks_trash ON view.tasks (user_id, deleted_at DESC, id DESC) WHERE deleted_at IS NOT NULL;
CREATE INDEX tasks_labels ON view.tasks USING gin (labels) WHERE labels <> '{}';
COMMENT ON TABLE view.tasks IS 'Tasks, also those in the trash (deleted_at) and those of lists that are gone.';
COMMENT ON COLUMN view.tasks.priority IS '1 low, 2 medium, 3 high: numbers, because they sort.';
COMMENT ON COLUMN view.tasks.due_date IS 'The day by which it is to be done, in the user''s zone.';
COMMENT ON COLUMN view.tasks.position IS 'Fractional index in its list, compared byte by byte.';
COMMENT ON COLUMN view.tasks.labels IS 'In the order in which they were put on. A query by label says labels <> ''{}'' too, so that the index serves it.';
COMMENT ON COLUMN view.tasks.extracted_from_type IS 'What it was read out of (email, message …), with extracted_from_id.';
COMMENT ON COLUMN view.tasks.dismiss_reason IS 'Why it was turned down, while it is dismissed.';
COMMENT ON COLUMN view.tasks.words IS 'Words of title and description for full-text search, without stemming: users write in many languages.';

CREATE TABLE view.tasks_removed (
    id       uuid   PRIMARY KEY,
    user_id  uuid   NOT NULL,
    version  bigint NOT NULL
);
CREATE INDEX tasks_removed_user ON view.tasks_removed (user_id);
COMMENT ON TABLE view.tasks_removed IS
    'Lists, labels and erased users that are no more: a fact that is delivered again, or that waited while its stream was parked, does not bring them back.';
