//! `GET /admin/projections`, `/admin/rebuilds`, `/admin/rebuilds/{id}`: how the read models stand, for administrators.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use orbit_event_store::rebuilds::{self, Rebuild};
use orbit_platform::{
    auth::Caller,
    http::{page::Page, path::PathId, query::Query},
    problem::ApiError,
};
use orbit_projector::checkpoints::{self, Overview};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::app::Reads;

/// Its routes.
pub fn router() -> OpenApiRouter<Reads> {
    OpenApiRouter::new().routes(routes!(projections)).routes(routes!(all)).routes(routes!(get))
}

/// A projection: which read model, how far, how large.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "name": "tasks", "version": 1, "code_version": 1, "position": 4711, "lag": 0, "size_bytes": 1_245_184, "parked": 0,
    "since": "2026-11-24T02:00:00Z", "rebuild_id": null, "rebuild_state": null
}))]
pub struct ProjectionView {
    /// Its name.
    name: String,
    /// The version of the code that filled what is served; null before the first projector ran.
    version: Option<i32>,
    /// The version of the code of this process. If it is newer, a rebuild is due.
    code_version: i32,
    /// The checkpoint of the hindmost partition.
    position: i64,
    /// Facts between that and the head of the log.
    lag: i64,
    /// Bytes that its tables take, indexes included.
    size_bytes: i64,
    /// Facts that could not be applied, and later ones of their streams.
    parked: i64,
    /// When what is served began to be.
    since: Option<DateTime<Utc>>,
    /// The rebuild that is in line or under way.
    rebuild_id: Option<Uuid>,
    /// What it is doing.
    rebuild_state: Option<String>,
}

impl From<Overview> for ProjectionView {
    fn from(overview: Overview) -> Self {
        let Overview {
            name,
            version,
            code_version,
            position,
            lag,
            size_bytes,
            parked,
            since,
            rebuild_id,
            rebuild_state,
        } = overview;
        Self { name, version, code_version, position, lag, size_bytes, parked, since, rebuild_id, rebuild_state }
    }
}

/// A rebuild as it stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b41", "projections": ["tasks"], "workers": 2, "verify": true, "reason": "asked",
    "state": "filling", "cancel": false, "position": 420_000, "target": 1_000_000, "facts": 380_112, "differences": null,
    "error": null, "requested_at": "2026-11-24T02:00:00Z", "started_at": "2026-11-24T02:00:01Z",
    "updated_at": "2026-11-24T02:00:09Z", "finished_at": null
}))]
pub struct RebuildView {
    /// Its id.
    id: Uuid,
    /// The projections that it fills anew.
    projections: Vec<String>,
    /// How many workers, each with one batch that is made and one that is written.
    workers: i16,
    /// Whether a difference to what is served stops it before the swap.
    verify: bool,
    /// `asked`, or `version`: the code is newer than what was served.
    reason: String,
    /// `queued`, `filling`, `indexing`, `comparing`, `swapping`; at its end `complete`, `failed`, `cancelled`.
    state: String,
    /// Whether somebody wants it to stop.
    cancel: bool,
    /// Every fact up to here has been folded.
    position: i64,
    /// The position up to which the present step folds.
    target: i64,
    /// Facts applied, once for each projection that wants them.
    facts: i64,
    /// Tables that came out otherwise than they were served: table, rows served, rows rebuilt, the first keys that differ.
    /// Null before they were compared, or where what is served stood still behind the log.
    #[schema(value_type = Option<Vec<Object>>)]
    differences: Option<Value>,
    /// Why it failed, or why it rests.
    error: Option<String>,
    /// When it was asked for.
    requested_at: DateTime<Utc>,
    /// When it was begun.
    started_at: Option<DateTime<Utc>>,
    /// When it was last heard of.
    updated_at: DateTime<Utc>,
    /// When it ended.
    finished_at: Option<DateTime<Utc>>,
}

impl From<Rebuild> for RebuildView {
    fn from(rebuild: Rebuild) -> Self {
        Self {
            id: rebuild.id,
            projections: rebuild.projections,
            workers: rebuild.workers,
            verify: rebuild.verify,
            reason: rebuild.reason,
            state: rebuild.state,
            cancel: rebuild.cancel,
            position: rebuild.position,
            target: rebuild.target,
            facts: rebuild.facts,
            differences: rebuild.differences.map(|differences| differences.0),
            error: rebuild.error,
            requested_at: rebuild.requested_at,
            started_at: rebuild.started_at,
            updated_at: rebuild.updated_at,
            finished_at: rebuild.finished_at,
        }
    }
}

/// Every projection: version, position, lag, size, parked facts, the rebuild under way.
#[utoipa::path(
    get, path = "/admin/projections", tag = "admin", operation_id = "list_projections",
    responses((status = 200, description = "All of them, on one page", body = Page<ProjectionView>))
)]
pub async fn projections(
    State(reads): State<Reads>,
    caller: Caller,
    query: Query,
) -> Result<Json<Page<ProjectionView>>, ApiError> {
    admin(&reads, &caller, query).await?;
    let all = checkpoints::overview(reads.pool()).await.map_err(away)?;
    Ok(Json(Page::whole(all.into_iter().map(ProjectionView::from).collect())))
}

/// The newest hundred rebuilds, newest first.
#[utoipa::path(
    get, path = "/admin/rebuilds", tag = "admin", operation_id = "list_rebuilds",
    responses((status = 200, description = "Rebuilds, on one page", body = Page<RebuildView>))
)]
pub async fn all(
    State(reads): State<Reads>,
    caller: Caller,
    query: Query,
) -> Result<Json<Page<RebuildView>>, ApiError> {
    admin(&reads, &caller, query).await?;
    let newest = rebuilds::newest(reads.pool()).await.map_err(away)?;
    Ok(Json(Page::whole(newest.into_iter().map(RebuildView::from).collect())))
}

/// One rebuild.
#[utoipa::path(
    get, path = "/admin/rebuilds/{id}", tag = "admin", operation_id = "get_rebuild",
    params(("id" = Uuid, Path, description = "The rebuild")),
    responses((status = 200, description = "The rebuild", body = RebuildView))
)]
pub async fn get(
    State(reads): State<Reads>,
    caller: Caller,
    PathId(id): PathId,
    query: Query,
) -> Result<Json<RebuildView>, ApiError> {
    admin(&reads, &caller, query).await?;
    let found = rebuilds::find(reads.pool(), id).await.map_err(away)?;
    Ok(Json(found.ok_or_else(ApiError::not_found)?.into()))
}

/// An administrator, still logged in, who asked for nothing that is not there.
async fn admin(reads: &Reads, caller: &Caller, query: Query) -> Result<(), ApiError> {
    reads.admins().require(caller)?;
    reads.sessions().check(reads.pool(), caller).await?;
    query.finish()
}

/// What these questions fail with: only the database can be at fault.
fn away(fault: impl std::error::Error + Send + Sync + 'static) -> ApiError {
    ApiError::unavailable("the database").with_source(fault)
}
