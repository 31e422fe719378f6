//! Rows of `tasks`.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use orbit_events::{
    Envelope, Event,
    tasks::{
        Author, Priority, Status,
        task::{self, Reopened, Restored},
    },
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    projection::ApplyFault,
    projections::{
        copy,
        rows::{self, column, uuids_as_text},
    },
};

/// A task. What it says is loaded and written only where it changes: it is long, and its full-text index costs most.
pub(super) struct Row {
    id: Uuid,
    user_id: Uuid,
    list_id: Uuid,
    parent_id: Option<Uuid>,
    /// The title, if these facts change it.
    title: Option<String>,
    /// Whether these facts change the description.
    described: bool,
    description: Option<String>,
    priority: i16,
    status: Cow<'static, str>,
    due_date: Option<NaiveDate>,
    completed_at: Option<DateTime<Utc>>,
    position: String,
    pub labels: Vec<Uuid>,
    created_by: Cow<'static, str>,
    extracted_from_type: Option<String>,
    extracted_from_id: Option<Uuid>,
    dismiss_reason: Option<String>,
    deleted_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i64,
}

impl rows::Row for Row {
    type Event = task::Event;

    fn pick(event: &Event) -> Option<&task::Event> {
        if let Event::Task(event) = event { Some(event) } else { None }
    }

    async fn load(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Self>, ApplyFault> {
        sqlx::query_as!(
            Self,
            r#"SELECT id, user_id, list_id, parent_id, NULL::text AS title, false AS "described!",
                      NULL::text AS description, priority, status, due_date, completed_at, position, labels, created_by,
                      extracted_from_type, extracted_from_id, dismiss_reason, deleted_at, created_at, updated_at, version
               FROM tasks WHERE id = ANY($1)"#,
            ids
        )
        .fetch_all(connection)
        .await
        .map_err(ApplyFault::database("read tasks"))
    }

    fn reached(&self) -> (Uuid, i64) {
        (self.id, self.version)
    }

    fn fold(row: Option<Self>, event: &task::Event, envelope: &Envelope) -> Option<Self> {
        let mut row = match event {
            task::Event::Created(created) => Self::created(created, envelope),
            task::Event::Retitled(retitled) => Self { title: Some(retitled.title.clone()), ..row? },
            task::Event::Described(described) => {
                Self { described: true, description: described.description.clone(), ..row? }
            }
            task::Event::Prioritised(prioritised) => Self { priority: rank(prioritised.priority), ..row? },
            task::Event::Scheduled(scheduled) => Self { due_date: scheduled.due_date, ..row? },
            task::Event::Moved(moved) => Self { list_id: moved.list_id.0, position: moved.position.clone(), ..row? },
            task::Event::StatusChanged(changed) => row?.stand(changed.status, None, None),
            task::Event::Completed(completed) => row?.stand(Status::Done, Some(completed.completed_at), None),
            task::Event::Reopened(Reopened {}) => row?.stand(Status::Open, None, None),
            task::Event::Dismissed(dismissed) => row?.stand(Status::Dismissed, None, dismissed.reason.clone()),
            task::Event::Labelled(labelled) => row?.relabel(labelled.label_id.0, true),
            task::Event::Unlabelled(unlabelled) => row?.relabel(unlabelled.label_id.0, false),
            task::Event::Nested(nested) => Self { parent_id: nested.parent_id.map(Uuid::from), ..row? },
            task::Event::Deleted(deleted) => Self { deleted_at: Some(deleted.deleted_at), ..row? },
            task::Event::Restored(Restored {}) => Self { deleted_at: None, ..row? },
        };
        row.updated_at = envelope.recorded_at;
        row.version = envelope.version;
        Some(row)
    }
}

impl Row {
    fn created(created: &task::Created, envelope: &Envelope) -> Self {
        let from = created.extracted_from.as_ref();
        Self {
            id: envelope.stream_id,
            user_id: envelope.user_id.0,
            list_id: created.list_id.0,
            parent_id: created.parent_id.map(Uuid::from),
            title: Some(created.title.clone()),
            described: true,
            description: created.description.clone(),
            priority: rank(created.priority),
            status: Cow::Borrowed(status(created.status)),
            due_date: created.due_date,
            completed_at: None,
            position: created.position.clone(),
            labels: created.labels.iter().map(|label| label.0).collect(),
            created_by: Cow::Borrowed(author(created.created_by)),
            extracted_from_type: from.map(|entity| entity.kind.clone()),
            extracted_from_id: from.map(|entity| entity.id),
            dismiss_reason: None,
            deleted_at: None,
            created_at: envelope.recorded_at,
            updated_at: envelope.recorded_at,
            version: envelope.version,
        }
    }

    fn stand(self, to: Status, completed_at: Option<DateTime<Utc>>, dismiss_reason: Option<String>) -> Self {
        Self { status: Cow::Borrowed(status(to)), completed_at, dismiss_reason, ..self }
    }

    fn relabel(mut self, label: Uuid, on: bool) -> Self {
        self.labels.retain(|known| *known != label);
        if on {
            self.labels.push(label);
        }
        self
    }
}

fn rank(priority: Priority) -> i16 {
    match priority {
        Priority::Low => 1,
        Priority::Medium => 2,
        Priority::High => 3,
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Backlog => "backlog",
        Status::Open => "open",
        Status::InProgress => "in_progress",
        Status::Waiting => "waiting",
        Status::Done => "done",
        Status::Pending => "pending",
        Status::Dismissed => "dismissed",
    }
}

fn author(author: Author) -> &'static str {
    match author {
        Author::User => "user",
        Author::Agent => "agent",
    }
}

/// Writes tasks that began in this batch.
pub(super) async fn insert(connection: &mut PgConnection, rows: &[Row]) -> Result<(), ApplyFault> {
    if rows.is_empty() {
        return Ok(());
    }
    // There is a row already only if the facts are delivered again; the version decides whose words stand.
    sqlx::query!(
        "INSERT INTO tasks AS t (id, user_id, list_id, parent_id, title, description, priority, status, due_date,
                                 completed_at, position, labels, created_by, extracted_from_type, extracted_from_id,
                                 dismiss_reason, deleted_at, created_at, updated_at, version)
         SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::uuid[]), unnest($4::uuid[]), unnest($5::text[]),
                unnest($6::text[]), unnest($7::smallint[]), unnest($8::text[]), unnest($9::date[]),
                unnest($10::timestamptz[]), unnest($11::text[]), unnest($12::text[])::uuid[], unnest($13::text[]),
                unnest($14::text[]), unnest($15::uuid[]), unnest($16::text[]), unnest($17::timestamptz[]),
                unnest($18::timestamptz[]), unnest($19::timestamptz[]), unnest($20::bigint[])
         ON CONFLICT (id) DO UPDATE
             SET list_id = excluded.list_id, parent_id = excluded.parent_id, title = excluded.title,
                 description = excluded.description, priority = excluded.priority, status = excluded.status,
                 due_date = excluded.due_date, completed_at = excluded.completed_at, position = excluded.position,
                 labels = excluded.labels, dismiss_reason = excluded.dismiss_reason, deleted_at = excluded.deleted_at,
                 updated_at = excluded.updated_at, version = excluded.version
             WHERE t.version < excluded.version",
        &column(rows, |r| r.id),
        &column(rows, |r| r.user_id),
        &column(rows, |r| r.list_id),
        &column(rows, |r| r.parent_id) as &[Option<Uuid>],
        &column(rows, |r| r.title.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.description.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.priority),
        &column(rows, |r| &*r.status) as &[&str],
        &column(rows, |r| r.due_date) as &[Option<NaiveDate>],
        &column(rows, |r| r.completed_at) as &[Option<DateTime<Utc>>],
        &column(rows, |r| &*r.position) as &[&str],
        &column(rows, |r| uuids_as_text(&r.labels)),
        &column(rows, |r| &*r.created_by) as &[&str],
        &column(rows, |r| r.extracted_from_type.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.extracted_from_id) as &[Option<Uuid>],
        &column(rows, |r| r.dismiss_reason.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.deleted_at) as &[Option<DateTime<Utc>>],
        &column(rows, |r| r.created_at),
        &column(rows, |r| r.updated_at),
        &column(rows, |r| r.version),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("write new tasks"))?;
    Ok(())
}

/// Writes tasks that began in this batch into a table that holds none of them.
pub(super) async fn copy(connection: &mut PgConnection, rows: &[Row]) -> Result<(), ApplyFault> {
    let statement = "COPY tasks (id, user_id, list_id, parent_id, title, description, priority, status, due_date,
        completed_at, position, labels, created_by, extracted_from_type, extracted_from_id, dismiss_reason, deleted_at,
        created_at, updated_at, version) FROM STDIN BINARY";
    copy::write(connection, statement, "fill tasks", rows, |task, row| {
        row.put(task.id)?;
        row.put(task.user_id)?;
        row.put(task.list_id)?;
        row.put(task.parent_id)?;
        row.put(task.title.as_deref())?;
        row.put(task.description.as_deref())?;
        row.put(task.priority)?;
        row.put(&*task.status)?;
        row.put(task.due_date)?;
        row.put(task.completed_at)?;
        row.put(&*task.position)?;
        row.put(&task.labels)?;
        row.put(&*task.created_by)?;
        row.put(task.extracted_from_type.as_deref())?;
        row.put(task.extracted_from_id)?;
        row.put(task.dismiss_reason.as_deref())?;
        row.put(task.deleted_at)?;
        row.put(task.created_at)?;
        row.put(task.updated_at)?;
        row.put(task.version)
    })
    .await
}

/// Writes tasks that have changed.
pub(super) async fn update(connection: &mut PgConnection, rows: &[Row]) -> Result<(), ApplyFault> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE tasks AS t
         SET list_id = r.list_id, parent_id = r.parent_id, priority = r.priority, status = r.status,
             due_date = r.due_date, completed_at = r.completed_at, position = r.position, labels = r.labels::uuid[],
             dismiss_reason = r.dismiss_reason, deleted_at = r.deleted_at, updated_at = r.updated_at,
             version = r.version
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::smallint[], $5::text[], $6::date[], $7::timestamptz[],
                     $8::text[], $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::bigint[])
              AS r (id, list_id, parent_id, priority, status, due_date, completed_at, position, labels, dismiss_reason,
                    deleted_at, updated_at, version)
         WHERE t.id = r.id",
        &column(rows, |r| r.id),
        &column(rows, |r| r.list_id),
        &column(rows, |r| r.parent_id) as &[Option<Uuid>],
        &column(rows, |r| r.priority),
        &column(rows, |r| &*r.status) as &[&str],
        &column(rows, |r| r.due_date) as &[Option<NaiveDate>],
        &column(rows, |r| r.completed_at) as &[Option<DateTime<Utc>>],
        &column(rows, |r| &*r.position) as &[&str],
        &column(rows, |r| uuids_as_text(&r.labels)),
        &column(rows, |r| r.dismiss_reason.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.deleted_at) as &[Option<DateTime<Utc>>],
        &column(rows, |r| r.updated_at),
        &column(rows, |r| r.version),
    )
    .execute(&mut *connection)
    .await
    .map_err(ApplyFault::database("write changed tasks"))?;
    let reworded: Vec<&Row> = rows.iter().filter(|row| row.title.is_some() || row.described).collect();
    if reworded.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE tasks AS t
         SET title = coalesce(r.title, t.title),
             description = CASE WHEN r.described THEN r.description ELSE t.description END
         FROM unnest($1::uuid[], $2::text[], $3::boolean[], $4::text[]) AS r (id, title, described, description)
         WHERE t.id = r.id",
        &column(&reworded, |r| r.id),
        &column(&reworded, |r| r.title.as_deref()) as &[Option<&str>],
        &column(&reworded, |r| r.described),
        &column(&reworded, |r| r.description.as_deref()) as &[Option<&str>],
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("write the words of tasks"))?;
    Ok(())
}
