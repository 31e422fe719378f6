//! `GET /activities/types`: everything that can happen, and how often it has.

use std::collections::HashMap;

use orbit_events::Event;
use orbit_platform::{
    http::{openapi::parsed, page::Page, query::Query},
    problem::ApiError,
};
use serde::Serialize;
use sqlx::{PgConnection, types::Json};
use utoipa::ToSchema;

use super::Activities;
use crate::{
    answer::Snapshot,
    reader::{Reader, Whose},
};

/// A type of activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "action_type": "tasks.completed", "entity_type": "task", "version": 1, "description": "A task was done.", "count": 40
}"#)))]
pub struct ActivityType {
    /// The wire type.
    pub action_type: &'static str,
    /// What it is done to.
    pub entity_type: &'static str,
    /// The newest version of the shape of its `data`.
    pub version: i16,
    /// What it says.
    pub description: &'static str,
    /// How often it has happened to the caller.
    pub count: i64,
}

/// Every type of activity there is, and how often each has happened to the caller. Always one page.
#[utoipa::path(
    get, path = "/activities/types", tag = "activities", operation_id = "list_activity_types",
    responses((status = 200, description = "All types", body = Page<ActivityType>))
)]
pub async fn all(reader: Reader<Activities>, query: Query) -> Result<Snapshot<Page<ActivityType>>, ApiError> {
    query.finish()?;
    let counts = reader.ask(|mut db, whose| async move { count(&mut db, whose).await }).await?;
    Ok(counts.map(|counts| Page::whole(types(&counts))))
}

fn types(counts: &HashMap<String, i64>) -> Vec<ActivityType> {
    let types = Event::types().map(|fact| ActivityType {
        action_type: fact.wire_type,
        entity_type: orbit_events::entity_type(fact.wire_type.split('.').next().unwrap_or_default()),
        version: fact.schema_version,
        description: fact.meaning,
        count: counts.get(fact.wire_type).copied().unwrap_or(0),
    });
    types.collect()
}

async fn count(db: &mut PgConnection, whose: Whose) -> sqlx::Result<Snapshot<HashMap<String, i64>>> {
    let row = sqlx::query!(
        r#"SELECT coalesce((SELECT k.position FROM checkpoints k
                            WHERE k.projection = 'activities' AND k.partition = $1), 0) AS "as_of!",
                  coalesce((SELECT jsonb_object_agg(t.action_type, t.times) FROM (
                       SELECT a.action_type, count(*) AS times FROM activities a WHERE a.user_id = $2
                       GROUP BY a.action_type) t), '{}') AS "counts!: Json<HashMap<String, i64>>"
           LIMIT 1"#,
        whose.partition,
        whose.user_id
    );
    let row = row.fetch_one(db).await?;
    Ok(Snapshot { as_of: row.as_of, body: row.counts.0 })
}
