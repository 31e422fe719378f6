//! Streams: versions are contiguous, rise with the positions, and end where `log.streams` says.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{Check, Verdict};
use crate::Fault;

/// Streams looked at in one statement.
const PAGE: i64 = 1_000;

/// Looks at every stream. Each page is a snapshot of its own, in which stream and facts agree: appends may go on.
pub(super) async fn verify(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), Fault> {
    let mut after = Uuid::nil();
    loop {
        let rows = sqlx::query!(
            r#"SELECT s.stream_id, s.version, e.facts AS "facts!", e.newest, e.first_astray, e.last_position
               FROM (SELECT stream_id, version, user_id, category FROM log.streams WHERE stream_id > $1
                     ORDER BY stream_id LIMIT $2) s
               CROSS JOIN LATERAL (
                   SELECT count(*) AS facts, max(f.version) AS newest, max(f.position) AS last_position,
                          min(f.position) FILTER (WHERE f.version <> f.nth) AS first_astray
                   FROM (SELECT position, version, row_number() OVER (ORDER BY position) AS nth
                         FROM log.events WHERE stream_id = s.stream_id) f) e
               ORDER BY s.stream_id LIMIT $2"#,
            after,
            PAGE
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(Fault::database("look at streams"))?;
        for row in &rows {
            verdict.streams += 1;
            if let Some(position) = row.first_astray {
                let says = format!("a version of stream {} is missing, or out of order, at {position}", row.stream_id);
                verdict.note(Check::Streams, position, says);
            } else if row.newest.unwrap_or(0) != row.version {
                let found = row.newest.unwrap_or(0);
                let says = format!("stream {} is at version {}, its facts end at {found}", row.stream_id, row.version);
                // If a fact at its end is gone, its position is told with the positions.
                verdict.note(Check::Streams, row.last_position.filter(|_| found > row.version), says);
            }
        }
        match rows.last() {
            Some(last) if i64::try_from(rows.len()) == Ok(PAGE) => after = last.stream_id,
            _ => return Ok(()),
        }
    }
}
