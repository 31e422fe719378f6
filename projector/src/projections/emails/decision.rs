//! Rows of `email_decisions`: what users decided about threads.

use std::{borrow::Cow, collections::HashSet};

use orbit_events::{
    EmailId, Envelope, Event,
    emails::thread::{self, Dissolved, Merged, Split},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    projection::ApplyFault,
    projections::rows::{self, column, uuids_as_text},
};

/// A decision. One that was taken back still says whom it was about.
pub(super) struct Row {
    id: Uuid,
    user_id: Uuid,
    position: i64,
    kind: Cow<'static, str>,
    email_ids: Vec<Uuid>,
    version: i64,
}

impl rows::Row for Row {
    type Event = thread::Event;

    fn pick(event: &Event) -> Option<&thread::Event> {
        if let Event::Thread(event) = event { Some(event) } else { None }
    }

    async fn load(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Self>, ApplyFault> {
        sqlx::query_as!(
            Self,
            "SELECT id, user_id, position, kind, email_ids, version FROM email_decisions WHERE id = ANY($1)",
            ids
        )
        .fetch_all(connection)
        .await
        .map_err(ApplyFault::database("read decisions about threads"))
    }

    fn reached(&self) -> (Uuid, i64) {
        (self.id, self.version)
    }

    fn fold(row: Option<Self>, event: &thread::Event, envelope: &Envelope) -> Option<Self> {
        let about = |email_ids: &[EmailId]| email_ids.iter().map(|email| email.0).collect();
        let (kind, email_ids) = match event {
            thread::Event::Merged(Merged { email_ids }) => ("merged", about(email_ids)),
            thread::Event::Split(Split { email_ids }) => ("split", about(email_ids)),
            thread::Event::Dissolved(Dissolved {}) => ("dissolved", row?.email_ids),
        };
        Some(Self {
            id: envelope.stream_id,
            user_id: envelope.user_id.0,
            position: envelope.position,
            kind: Cow::Borrowed(kind),
            email_ids,
            version: envelope.version,
        })
    }
}

/// Writes decisions that are new or changed. Returns which e-mails of which users are decided about otherwise now.
pub(super) async fn store(connection: &mut PgConnection, rows: &[Row]) -> Result<HashSet<(Uuid, Uuid)>, ApplyFault> {
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let written = sqlx::query!(
        r#"INSERT INTO email_decisions AS d (id, user_id, position, kind, email_ids, version)
           SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::bigint[]), unnest($4::text[]),
                  unnest($5::text[])::uuid[], unnest($6::bigint[])
           ON CONFLICT (id) DO UPDATE
               SET position = excluded.position, kind = excluded.kind, email_ids = excluded.email_ids,
                   version = excluded.version
               WHERE d.version < excluded.version
           RETURNING d.user_id, old.email_ids AS "before?", d.email_ids AS after"#,
        &column(rows, |r| r.id),
        &column(rows, |r| r.user_id),
        &column(rows, |r| r.position),
        &column(rows, |r| &*r.kind) as &[&str],
        &column(rows, |r| uuids_as_text(&r.email_ids)),
        &column(rows, |r| r.version),
    )
    .fetch_all(connection)
    .await
    .map_err(ApplyFault::database("write decisions about threads"))?;
    let about = written.into_iter().flat_map(|decision| {
        let emails = decision.before.unwrap_or_default().into_iter().chain(decision.after);
        emails.map(move |email| (decision.user_id, email)).collect::<Vec<_>>()
    });
    Ok(about.collect())
}
