//! Rows of `email_uploads`: files that wait to be sent.

use chrono::{DateTime, Utc};
use orbit_events::{
    Envelope, Event,
    emails::{
        BlobRef,
        attachment::{self, Discarded},
    },
};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::{
    projection::ApplyFault,
    projections::rows::{self, column},
};

/// A file.
pub(super) struct Row {
    id: Uuid,
    user_id: Uuid,
    filename: String,
    content_type: String,
    size: i64,
    raw: Json<BlobRef>,
    created_at: DateTime<Utc>,
    version: i64,
}

impl rows::Row for Row {
    type Event = attachment::Event;

    fn pick(event: &Event) -> Option<&attachment::Event> {
        if let Event::Attachment(event) = event { Some(event) } else { None }
    }

    async fn load(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Self>, ApplyFault> {
        sqlx::query_as!(
            Self,
            r#"SELECT id, user_id, filename, content_type, size, raw AS "raw: Json<BlobRef>", created_at, version
               FROM email_uploads WHERE id = ANY($1)"#,
            ids
        )
        .fetch_all(connection)
        .await
        .map_err(ApplyFault::database("read uploads"))
    }

    fn reached(&self) -> (Uuid, i64) {
        (self.id, self.version)
    }

    fn fold(_: Option<Self>, event: &attachment::Event, envelope: &Envelope) -> Option<Self> {
        match event {
            attachment::Event::Uploaded(uploaded) => Some(Self {
                id: envelope.stream_id,
                user_id: envelope.user_id.0,
                filename: uploaded.filename.clone(),
                content_type: uploaded.content_type.clone(),
                size: i64::try_from(uploaded.size).unwrap_or(i64::MAX),
                raw: Json(uploaded.raw.clone()),
                created_at: envelope.recorded_at,
                version: envelope.version,
            }),
            attachment::Event::Discarded(Discarded {}) => None,
        }
    }
}

/// Writes uploads that are new or changed.
pub(super) async fn store(connection: &mut PgConnection, rows: &[Row]) -> Result<(), ApplyFault> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO email_uploads AS u (id, user_id, filename, content_type, size, raw, created_at, version)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::jsonb[],
                              $7::timestamptz[], $8::bigint[])
         ON CONFLICT (id) DO UPDATE
             SET filename = excluded.filename, content_type = excluded.content_type, size = excluded.size,
                 raw = excluded.raw, version = excluded.version
             WHERE u.version < excluded.version",
        &column(rows, |r| r.id),
        &column(rows, |r| r.user_id),
        &column(rows, |r| &*r.filename) as &[&str],
        &column(rows, |r| &*r.content_type) as &[&str],
        &column(rows, |r| r.size),
        &column(rows, |r| Json(&*r.raw)) as &[Json<&BlobRef>],
        &column(rows, |r| r.created_at),
        &column(rows, |r| r.version),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("write uploads"))?;
    Ok(())
}
