//! How the projections stand, for `orbit doctor`, `orbit projections` and the admin API.

use chrono::{DateTime, Utc};
use orbit_platform::postgres::Pool;
use serde::Serialize;
use uuid::Uuid;

use crate::{projections, runner::Fault};

/// How far a projection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub projection: String,
    /// How many partitions it has begun.
    pub partitions: i64,
    /// The checkpoint of the hindmost one: every fact up to here is in the read model, or parked.
    pub position: i64,
}

/// How far every projection that has begun is, by name.
pub async fn standings(pool: &Pool) -> Result<Vec<Standing>, Fault> {
    sqlx::query_as!(
        Standing,
        r#"SELECT projection, count(*) AS "partitions!", min(position) AS "position!"
           FROM checkpoints GROUP BY projection ORDER BY projection LIMIT 1000"#
    )
    .fetch_all(pool)
    .await
    .map_err(Fault::database("read how far the projections are"))
}

/// A projection looked at from all sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// Its name.
    pub name: String,
    /// The version of the code that filled what is served; none before the first projector ran.
    pub version: Option<i32>,
    /// The version of this program's code. If it is newer, a rebuild is due.
    pub code_version: i32,
    /// The checkpoint of the hindmost partition.
    pub position: i64,
    /// Facts that are in the log and not yet in the read model, or of no interest to it.
    pub lag: i64,
    /// Bytes that its tables take, indexes included.
    pub size_bytes: i64,
    /// Facts that could not be applied, and later ones of their streams.
    pub parked: i64,
    /// When what is served began to be.
    pub since: Option<DateTime<Utc>>,
    /// The rebuild that is in line or under way.
    pub rebuild_id: Option<Uuid>,
    /// What it is doing.
    pub rebuild_state: Option<String>,
}

/// Every projection there is, in the order in which they are listed.
pub async fn overview(pool: &Pool) -> Result<Vec<Overview>, Fault> {
    let mut all = Vec::with_capacity(projections::ALL.len());
    for projection in projections::ALL {
        let row = sqlx::query!(
            r#"SELECT (SELECT version FROM view.projections WHERE name = $1) AS version,
                      (SELECT since FROM view.projections WHERE name = $1) AS since,
                      coalesce((SELECT min(position) FROM view.checkpoints WHERE projection = $1), 0) AS "position!",
                      (SELECT position FROM log.head) AS "head!",
                      (SELECT count(*) FROM view.parked WHERE projection = $1) AS "parked!",
                      coalesce((SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c
                                WHERE c.relnamespace = 'view'::regnamespace AND c.relname = ANY($2)), 0) AS "size_bytes!",
                      r.id AS "rebuild_id?", r.state AS "rebuild_state?"
               FROM (SELECT) AS nothing
               LEFT JOIN LATERAL (SELECT id, state FROM work.rebuilds
                                  WHERE finished_at IS NULL AND $1 = ANY(projections)
                                  ORDER BY requested_at, id LIMIT 1) AS r ON true
               LIMIT 1"#,
            projection.name,
            projection.tables as &[&str]
        )
        .fetch_one(pool)
        .await
        .map_err(Fault::database("look at a projection"))?;
        all.push(Overview {
            name: projection.name.to_owned(),
            version: row.version,
            code_version: projection.version,
            position: row.position,
            lag: (row.head - row.position).max(0),
            size_bytes: row.size_bytes,
            parked: row.parked,
            since: row.since,
            rebuild_id: row.rebuild_id,
            rebuild_state: row.rebuild_state,
        });
    }
    Ok(all)
}
