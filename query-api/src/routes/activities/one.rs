//! `GET /activities/{id}`: one fact, by its id. Whoever has a position asks for `/activities?position=…`.

use orbit_platform::{
    http::{path::PathId, query::Query},
    problem::ApiError,
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Activities,
    view::{Activity, COLUMNS, Row},
};
use crate::{
    answer::Snapshot,
    past::About,
    reader::{Reader, Whose},
};

/// One activity, by the id of its fact. By its position: `GET /activities?position=…`.
#[utoipa::path(
    get, path = "/activities/{id}", tag = "activities", operation_id = "get_activity",
    params(("id" = Uuid, Path, description = "The fact's id")),
    responses((status = 200, description = "The activity", body = Activity))
)]
pub async fn get(reader: Reader<Activities>, PathId(id): PathId, query: Query) -> Result<Snapshot<Activity>, ApiError> {
    query.finish()?;
    reader.about(About::Fact(id)).ask(|mut db, whose| async move { find(&mut db, whose, id).await }).await?.found()
}

async fn find(db: &mut PgConnection, whose: Whose, id: Uuid) -> sqlx::Result<Snapshot<Option<Activity>>> {
    let statement = format!(
        "SELECT {COLUMNS} FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
            WHERE k.projection = 'activities' AND k.partition = $1), 0) AS as_of) c
         LEFT JOIN activities a ON a.id = $3 AND a.user_id = $2 LIMIT 1"
    );
    let row: Row = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(whose.partition)
        .bind(whose.user_id)
        .bind(id)
        .fetch_one(db)
        .await?;
    Ok(Snapshot { as_of: row.as_of, body: row.activity })
}
