//! Facts by their ids, which the log has no index of.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::view::CausingFact;
use crate::{reader::Whose, routes::conditions::Sql};

/// Adds the condition that a fact `e` is one of these of the caller's.
///
/// An index of ids would cost every append, and the activities have one: it tells the position of whatever they have
/// folded. What they have not come to yet lies after their checkpoint, and what they could not tell is parked.
pub fn push_own(sql: &mut Sql, whose: Whose, ids: &[Uuid]) {
    let me = whose.user_id;
    sql.push("e.user_id = ").push_bind(me).push(" AND e.event_id = ANY(").push_bind(ids.to_vec());
    sql.push(") AND e.position IN (SELECT a.position FROM activities a WHERE a.user_id = ").push_bind(me);
    sql.push(" AND a.id = ANY(").push_bind(ids.to_vec());
    sql.push(") UNION ALL SELECT p.position FROM parked p WHERE p.projection = 'activities' AND p.user_id = ");
    sql.push_bind(me).push(" UNION ALL SELECT n.position FROM log.events n WHERE n.user_id = ").push_bind(me);
    sql.push(" AND n.event_id = ANY(").push_bind(ids.to_vec());
    sql.push(") AND n.position > coalesce((SELECT k.position FROM checkpoints k WHERE k.projection = 'activities'");
    sql.push(" AND k.partition = ").push_bind(whose.partition).push("), 0))");
}

/// The caller's own among these facts, by their ids: at most as many as a page has entries.
pub async fn find(db: &mut PgConnection, whose: Whose, ids: &[Uuid]) -> sqlx::Result<HashMap<Uuid, CausingFact>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let limit = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    let mut sql = Sql::new("SELECT e.event_id, e.type, e.position FROM log.events e WHERE ");
    push_own(&mut sql, whose, ids);
    sql.push(" ORDER BY e.position LIMIT ").push_bind(limit);
    let rows: Vec<(Uuid, String, i64)> = sql.build_query_as().fetch_all(db).await?;
    let cause =
        |(id, wire_type, position)| (id, CausingFact { id, wire_type: Some(wire_type), position: Some(position) });
    Ok(rows.into_iter().map(cause).collect())
}
