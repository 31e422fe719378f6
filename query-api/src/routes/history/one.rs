//! `GET /history/{id}`: one fact, by its id. Whoever has a position asks for `/history?position=…`.

use orbit_event_store::Stored;
use orbit_platform::{
    http::{path::PathId, query::Query},
    problem::ApiError,
};
use sqlx::{FromRow as _, PgConnection, Row as _};
use uuid::Uuid;

use super::{
    History,
    causes::push_own,
    question::{Answer, begin},
    view::Fact,
};
use crate::{
    answer::Snapshot,
    reader::{Reader, Whose},
};

/// One fact of the caller's, by its id. By its position: `GET /history?position=…`.
#[utoipa::path(
    get, path = "/history/{id}", tag = "history", operation_id = "get_fact",
    params(("id" = Uuid, Path, description = "The fact's id")),
    responses((status = 200, description = "The fact", body = Fact))
)]
pub async fn get(reader: Reader<History>, PathId(id): PathId, query: Query) -> Result<Snapshot<Fact>, ApiError> {
    query.finish()?;
    let Snapshot { as_of, body } =
        reader.ask(|mut db, whose| async move { find(&mut db, whose, id).await }).await?.found()?;
    let fact = body.tell(&reader).await?.into_iter().next().ok_or_else(ApiError::not_found)?;
    Ok(Snapshot { as_of, body: fact.into() })
}

async fn find(db: &mut PgConnection, whose: Whose, id: Uuid) -> sqlx::Result<Snapshot<Option<Answer>>> {
    let mut sql = begin(whose);
    sql.push(", ")
        .push(Stored::COLUMNS)
        .push(" FROM log.head h LEFT JOIN LATERAL (SELECT ")
        .push(Stored::COLUMNS)
        .push(" FROM log.events e WHERE ");
    push_own(&mut sql, whose, &[id]);
    sql.push(" LIMIT 1) e ON true LIMIT 1");
    let row = sql.build().fetch_one(db).await?;
    let found = row.try_get::<Option<i64>, _>("position")?.map(|_| Stored::from_row(&row)).transpose()?;
    let erased = row.try_get("erased")?;
    let body = found.map(|stored| Answer { erased, facts: vec![stored], total: None });
    Ok(Snapshot { as_of: row.try_get("as_of")?, body })
}
