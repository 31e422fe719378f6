-- Read models of the e-mail context: e-mails and their words, threads, folders, drafts, submissions, uploads.
-- What is marked often lies apart from what is written once: a mark must not rewrite the two hundred index entries of an
-- e-mail's words, and threads that grow together must not rewrite e-mails.

CREATE TABLE view.emails (
    id               uuid        PRIMARY KEY,
    user_id          uuid        NOT NULL,
    folder_id        uuid        NOT NULL,
    folder_role      text        NOT NULL CHECK (folder_role IN
                         ('inbox', 'sent', 'drafts', 'archive', 'trash', 'junk', 'other')),
    role             text        NOT NULL CHECK (role IN
                         ('inbox', 'sent', 'drafts', 'archive', 'trash', 'junk', 'other')),
    message_id       text,
    subject          text        NOT NULL,
    from_email       text        NOT NULL,
    from_name        text,
    recipients       jsonb       NOT NULL,
    in_reply_to      jsonb       NOT NULL,
    refs             jsonb       NOT NULL,
    body_text        text        NOT NULL,
    text_truncated   boolean     NOT NULL,
    snippet          text        NOT NULL,
    has_html         boolean     NOT NULL,
    has_attachments  boolean     NOT NULL,
    is_read          boolean     NOT NULL,
    is_starred       boolean     NOT NULL,
    is_archived      boolean     NOT NULL,
    labels           text[]      NOT NULL,
    size             bigint      NOT NULL,
    language         text,
    notes            jsonb       NOT NULL,
    parts            jsonb       NOT NULL,
    raw              jsonb       NOT NULL,
    date             timestamptz NOT NULL,
    received_at      timestamptz NOT NULL,
    synced_at        timestamptz NOT NULL,
    trashed_at       timestamptz,
    snoozed_until    timestamptz,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    version          bigint      NOT NULL
) WITH (fillfactor = 85, toast_tuple_target = 1024);
-- Three kilobytes of text are sooner written out of line than compressed.
ALTER TABLE view.emails ALTER body_text SET STORAGE EXTERNAL;
-- Each list begins in one of these and reads no more than its page. Other conditions are looked at row by row.
CREATE INDEX emails_date    ON view.emails (user_id, date DESC, id DESC);
CREATE INDEX emails_role    ON view.emails (user_id, role, date DESC, id DESC);
CREATE INDEX emails_folder  ON view.emails (folder_id, date DESC, id DESC);
CREATE INDEX emails_unread  ON view.emails (user_id, date DESC, id DESC) WHERE NOT is_read AND role NOT IN ('trash', 'junk');
CREATE INDEX emails_starred ON view.emails (user_id, date DESC, id DESC) WHERE is_starred;
CREATE INDEX emails_snoozed ON view.emails (user_id, snoozed_until, id) WHERE snoozed_until IS NOT NULL;
COMMENT ON TABLE view.emails IS 'E-mails, also those in the trash (trashed_at). One that was deleted has no row.';
COMMENT ON COLUMN view.emails.folder_id IS 'The folder it lies in, also while it is archived or in the trash: both are marks, and nothing is moved for them.';
COMMENT ON COLUMN view.emails.folder_role IS 'What that folder is for.';
COMMENT ON COLUMN view.emails.role IS 'Where it is to be looked for: in the trash, else in the archive, else where its folder says.';
COMMENT ON COLUMN view.emails.recipients IS '{to, cc, bcc, reply_to}: each a list of {email, name}.';
COMMENT ON COLUMN view.emails.refs IS 'Message ids of what went before it, oldest first.';
COMMENT ON COLUMN view.emails.snippet IS 'The beginning of its text, in one line.';
COMMENT ON COLUMN view.emails.has_attachments IS 'Whether there is a file that is not shown within its text.';
COMMENT ON COLUMN view.emails.notes IS 'What was odd about the message, as codes.';
COMMENT ON COLUMN view.emails.parts IS 'Its files and what its HTML shows: where each begins in the message, and how it is encoded there.';
COMMENT ON COLUMN view.emails.raw IS 'Where the message itself lies in the blob store.';
COMMENT ON COLUMN view.emails.date IS 'When it says that it was written; when it came in, if it does not say.';
COMMENT ON COLUMN view.emails.version IS 'Version of the stream that the row has reached: the ETag, and what makes applying a fact twice change nothing.';

CREATE TABLE view.email_words (
    email_id  uuid        PRIMARY KEY,
    user_id   uuid        NOT NULL,
    date      timestamptz NOT NULL,
    words     tsvector    NOT NULL,
    version   bigint      NOT NULL
) WITH (toast_tuple_target = 128);
-- Out of line: the narrow rows of a hundred thousand e-mails are a thousand pages.
ALTER TABLE view.email_words ALTER words SET STORAGE EXTERNAL;
CREATE INDEX email_words_gin ON view.email_words USING gin (words);
COMMENT ON TABLE view.email_words IS 'What e-mails are found by. Written once, when an e-mail comes in.';
COMMENT ON COLUMN view.email_words.words IS 'Lexemes made outside the database. Each begins with a tag of the user, so that one index serves as one for each user.';
COMMENT ON COLUMN view.email_words.version IS 'Version of the fact by which the e-mail came in.';

CREATE TABLE view.email_labels (
    email_id  uuid        NOT NULL,
    user_id   uuid        NOT NULL,
    label     text        NOT NULL,
    date      timestamptz NOT NULL,
    PRIMARY KEY (email_id, label)
);
CREATE INDEX email_labels_user ON view.email_labels (user_id, label, date DESC, email_id DESC);
COMMENT ON TABLE view.email_labels IS 'The labels of e-mails once more, in the order in which a list by label shows them.';

CREATE TABLE view.email_languages (
    user_id   uuid   NOT NULL,
    language  text   NOT NULL,
    emails    bigint NOT NULL,
    PRIMARY KEY (user_id, language)
);
COMMENT ON TABLE view.email_languages IS 'How many e-mails of a user are in which language: a search looks for the stems of these. A count of zero has no row.';

CREATE TABLE view.email_counts (
    user_id    uuid   NOT NULL,
    folder_id  uuid   NOT NULL,
    role       text   NOT NULL,
    emails     bigint NOT NULL,
    unread     bigint NOT NULL,
    PRIMARY KEY (user_id, folder_id, role)
);
COMMENT ON TABLE view.email_counts IS 'How many e-mails lie in a folder, by where they are to be looked for. A count of zero has no row.';
COMMENT ON COLUMN view.email_counts.role IS 'As in emails.role: what is archived or in the trash is counted apart from the rest of its folder.';

CREATE TABLE view.email_links (
    email_id    uuid        PRIMARY KEY,
    user_id     uuid        NOT NULL,
    thread_id   uuid        NOT NULL,
    own         bytea,
    refs        bytea       NOT NULL,
    subject     bytea,
    people      bytea       NOT NULL,
    bare_reply  boolean     NOT NULL,
    date        timestamptz NOT NULL,
    split_by    uuid,
    version     bigint      NOT NULL
);
CREATE INDEX email_links_thread ON view.email_links (thread_id);
-- What is about the same. The user is not the first of it, so that scratch tables keep it, which are one user's.
CREATE INDEX email_links_subject ON view.email_links (subject, people, user_id, bare_reply, date) WHERE subject IS NOT NULL;
COMMENT ON TABLE view.email_links IS 'What holds e-mails together as threads. That of a deleted e-mail stays: what it held together is not torn apart.';
COMMENT ON COLUMN view.email_links.thread_id IS 'The oldest e-mail that it is held together with.';
COMMENT ON COLUMN view.email_links.own IS 'Key of its message id, 16 bytes.';
COMMENT ON COLUMN view.email_links.refs IS 'Keys of the message ids that it refers to, 16 bytes each.';
COMMENT ON COLUMN view.email_links.subject IS 'Key of its subject without Re: and the like; absent, if nothing is left of it.';
COMMENT ON COLUMN view.email_links.people IS 'Key of the addresses of all whom it is from and to.';
COMMENT ON COLUMN view.email_links.bare_reply IS 'Whether its subject says that it is an answer, but nothing says to what.';
COMMENT ON COLUMN view.email_links.split_by IS 'The user''s decision by which it is kept apart.';
COMMENT ON COLUMN view.email_links.version IS 'Version of the fact by which the e-mail came in.';

CREATE TABLE view.email_nodes (
    user_id    uuid  NOT NULL,
    key        bytea NOT NULL,
    thread_id  uuid  NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX email_nodes_thread ON view.email_nodes (thread_id);
COMMENT ON TABLE view.email_nodes IS 'Message ids, whether there is such an e-mail or it is only referred to, and the thread that each belongs to.';

CREATE TABLE view.email_decisions (
    id         uuid   PRIMARY KEY,
    user_id    uuid   NOT NULL,
    position   bigint NOT NULL,
    kind       text   NOT NULL CHECK (kind IN ('merged', 'split', 'dissolved')),
    email_ids  uuid[] NOT NULL,
    version    bigint NOT NULL
);
CREATE INDEX email_decisions_ids ON view.email_decisions USING gin (email_ids);
CREATE INDEX email_decisions_user ON view.email_decisions (user_id, position);
COMMENT ON TABLE view.email_decisions IS 'What users decided about threads: which e-mails belong together, and which are kept apart.';
COMMENT ON COLUMN view.email_decisions.position IS 'Position of the decision in the log: later ones prevail.';

CREATE TABLE view.email_threads (
    thread_id        uuid        PRIMARY KEY,
    user_id          uuid        NOT NULL,
    subject          text        NOT NULL,
    participants     jsonb       NOT NULL,
    emails           integer     NOT NULL,
    unread           integer     NOT NULL,
    has_attachments  boolean     NOT NULL,
    is_starred       boolean     NOT NULL,
    first_date       timestamptz NOT NULL,
    last_date        timestamptz NOT NULL,
    last_email_id    uuid        NOT NULL,
    snippet          text        NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX email_threads_user ON view.email_threads (user_id, last_date DESC, thread_id DESC);
COMMENT ON TABLE view.email_threads IS 'Threads as their e-mails outside trash and junk make them. A thread without such an e-mail has no row.';
COMMENT ON COLUMN view.email_threads.participants IS 'Whom its e-mails are from: at most 20 of {email, name}, in the order of their first e-mails.';
COMMENT ON COLUMN view.email_threads.subject IS 'That of its oldest e-mail.';
COMMENT ON COLUMN view.email_threads.snippet IS 'That of its newest e-mail.';

CREATE TABLE view.email_folders (
    id             uuid        PRIMARY KEY,
    user_id        uuid        NOT NULL,
    connection_id  uuid,
    path           text        NOT NULL,
    name           text        NOT NULL,
    role           text        NOT NULL,
    delimiter      text,
    uid_validity   bigint,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    version        bigint      NOT NULL
);
CREATE INDEX email_folders_user ON view.email_folders (user_id, path, id);
COMMENT ON TABLE view.email_folders IS 'Folders, of connections and of Orbit itself. One that is gone has no row.';
COMMENT ON COLUMN view.email_folders.connection_id IS 'The connection at whose other end it is; absent, if it is only here.';
COMMENT ON COLUMN view.email_folders.delimiter IS 'What stands between the names in its path.';
COMMENT ON COLUMN view.email_folders.uid_validity IS 'Under which validity the server numbers its messages, as last reset.';

CREATE TABLE view.email_drafts (
    id                 uuid        PRIMARY KEY,
    user_id            uuid        NOT NULL,
    reply_to_email_id  uuid,
    connection_id      uuid,
    recipients         jsonb       NOT NULL,
    subject            text        NOT NULL,
    body               text        NOT NULL,
    attachments        uuid[]      NOT NULL,
    status             text        NOT NULL CHECK (status IN ('pending', 'sent', 'discarded')),
    submission_id      uuid,
    created_by         text        NOT NULL CHECK (created_by IN ('user', 'agent')),
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    version            bigint      NOT NULL
);
CREATE INDEX email_drafts_user ON view.email_drafts (user_id, status, updated_at DESC, id DESC);
COMMENT ON TABLE view.email_drafts IS 'E-mails that are being written, and what became of them.';
COMMENT ON COLUMN view.email_drafts.recipients IS '{to, cc, bcc}: each a list of {email, name}.';
COMMENT ON COLUMN view.email_drafts.status IS 'sent: handed over to be sent, by submission_id.';

CREATE TABLE view.email_submissions (
    id               uuid        PRIMARY KEY,
    user_id          uuid        NOT NULL,
    draft_id         uuid,
    connection_id    uuid,
    message_id       text        NOT NULL,
    from_email       text        NOT NULL,
    from_name        text,
    recipients       jsonb       NOT NULL,
    subject          text        NOT NULL,
    status           text        NOT NULL CHECK (status IN
                         ('held', 'sending', 'deferred', 'sent', 'failed', 'uncertain', 'cancelled')),
    hold_until       timestamptz,
    scheduled        boolean     NOT NULL,
    attempts         integer     NOT NULL,
    next_attempt_at  timestamptz,
    sent_at          timestamptz,
    failure_code     text,
    failure_detail   text,
    results          jsonb       NOT NULL,
    bounced          boolean     NOT NULL,
    created_by       text        NOT NULL CHECK (created_by IN ('user', 'agent')),
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    version          bigint      NOT NULL
);
CREATE INDEX email_submissions_user ON view.email_submissions (user_id, created_at DESC, id DESC);
COMMENT ON TABLE view.email_submissions IS 'E-mails on their way out, and what became of them.';
COMMENT ON COLUMN view.email_submissions.hold_until IS 'Until when it can be taken back, while it is held.';
COMMENT ON COLUMN view.email_submissions.scheduled IS 'Whether it is held until a time that the user chose.';
COMMENT ON COLUMN view.email_submissions.results IS 'What the server said of each recipient: {email, accepted, code, detail}; of bounces {email, action, status, diagnostic}.';

CREATE TABLE view.email_uploads (
    id            uuid        PRIMARY KEY,
    user_id       uuid        NOT NULL,
    filename      text        NOT NULL,
    content_type  text        NOT NULL,
    size          bigint      NOT NULL,
    raw           jsonb       NOT NULL,
    created_at    timestamptz NOT NULL,
    version       bigint      NOT NULL
);
CREATE INDEX email_uploads_user ON view.email_uploads (user_id, created_at DESC, id DESC);
COMMENT ON TABLE view.email_uploads IS 'Files waiting to be sent with an e-mail. One that was discarded has no row.';
COMMENT ON COLUMN view.email_uploads.raw IS 'Where the file lies in the blob store.';

CREATE TABLE view.emails_removed (
    id       uuid   PRIMARY KEY,
    user_id  uuid   NOT NULL,
    version  bigint NOT NULL
);
CREATE INDEX emails_removed_user ON view.emails_removed (user_id);
COMMENT ON TABLE view.emails_removed IS 'E-mails, folders, files and users that are gone, and the version at which they went: a fact delivered late must not bring them back.';
