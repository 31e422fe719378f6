//! Asking for a rebuild of a projection, and taking it back. Projectors do it; `GET /admin/rebuilds/{id}` follows it.

use axum::{http::StatusCode, response::Response};
use orbit_event_store::{
    Unit,
    rebuilds::{self, Reason, Wish},
};
use orbit_platform::{
    http::{
        extract::{Faults, Field, OptionalJsonBody, Unknown},
        openapi::parsed,
        path::{Path, PathId},
    },
    ids,
    problem::ApiError,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    error::Result,
    routes::read::{Empty, Refusal},
    write::{Reply, Write},
};

/// Batches applied at once where nobody says how many.
const WORKERS: i16 = 2;
/// Most of them.
const MOST_WORKERS: i16 = 64;

/// How a projection is to be rebuilt.
#[derive(Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"workers": 2, "verify": true}"#)))]
pub struct NewRebuild {
    /// How many workers, each with one batch that is made and one that is written: 1 to 64; 2 if absent.
    #[serde(default)]
    #[schema(value_type = i16, minimum = 1, maximum = 64)]
    workers: Field<i16>,
    /// Whether a difference to what is served stops it before the new tables take their place; `false` if absent.
    #[serde(default)]
    #[schema(value_type = bool)]
    verify: Field<bool>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// A rebuild that was asked for.
#[derive(Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b41", "state": "queued", "projections": ["tasks"]}"#)))]
pub struct AskedFor {
    /// Its id: `GET /admin/rebuilds/{id}` says how far it is.
    id: Uuid,
    /// `queued`
    state: &'static str,
    /// The projections that are to be filled anew.
    projections: Vec<String>,
}

/// Rebuild a projection
///
/// Its tables are filled anew from the log while the old ones serve, and take their place in one transaction. For
/// administrators. If the same is in line already, that is the answer.
#[utoipa::path(post, path = "/api/v1/admin/projections/{name}/rebuild", tag = "admin", operation_id = "rebuild_projection",
    request_body = Option<NewRebuild>,
    params(("name" = String, Path, description = "The projection, as `GET /admin/projections` calls it", example = "tasks")),
    responses((status = 202, description = "It is in line", body = AskedFor)))]
#[tracing::instrument(name = "command.admin.rebuild", skip_all)]
pub async fn request(write: Write, Path(name): Path<String>, body: OptionalJsonBody<NewRebuild>) -> Result<Response> {
    write.app().admins.require(&write.caller)?;
    let mut faults = Faults::new();
    let (workers, verify) = body.value.read(&mut faults);
    faults.finish()?;
    let pool = write.app().store.log().pool().clone();
    let projections = vec![name];
    if !rebuilds::unknown(&pool, &projections).await?.is_empty() {
        return Err(ApiError::not_found().into());
    }
    let clock = write.app().store.clock();
    let wish = Wish {
        id: ids::new_v7(clock),
        projections,
        workers,
        verify,
        reason: Reason::Asked,
        requested_by: Some(write.caller.user_id),
        at: clock.now(),
    };
    let (pool, wish, dry_run) = (&pool, &wish, write.request.dry_run);
    let decide = |_: Unit| async move {
        // Asked again with the same key, it was written down already and is not decided anew.
        let id = if dry_run { wish.id } else { rebuilds::request(pool, wish).await? };
        let asked = AskedFor { id, state: "queued", projections: wish.projections.clone() };
        Ok(Reply::accepted(&asked)?.at(format!("/api/v1/admin/rebuilds/{id}")))
    };
    write.run(&body.bytes, decide).await
}

impl NewRebuild {
    fn read(self, faults: &mut Faults) -> (i16, bool) {
        faults.unknown(self.unknown);
        let workers = faults.optional("workers", self.workers, some_workers);
        let verify = faults.optional("verify", self.verify, Faults::any);
        (workers.unwrap_or(WORKERS), verify.unwrap_or(false))
    }
}

fn some_workers(workers: i16) -> std::result::Result<i16, Refusal> {
    if (1..=MOST_WORKERS).contains(&workers) {
        return Ok(workers);
    }
    Err(("out_of_range", format!("must be 1 to {MOST_WORKERS}")))
}

/// Cancel a rebuild
///
/// Whatever it has filled is dropped; what is served stays. For administrators.
#[utoipa::path(post, path = "/api/v1/admin/rebuilds/{id}/cancel", tag = "admin", operation_id = "cancel_rebuild",
    params(("id" = Uuid, Path, description = "The rebuild")),
    responses((status = 204, description = "It stops within seconds")))]
#[tracing::instrument(name = "command.admin.cancel_rebuild", skip_all)]
pub async fn cancel(write: Write, PathId(id): PathId, body: OptionalJsonBody<Empty>) -> Result<Response> {
    write.app().admins.require(&write.caller)?;
    body.value.check()?;
    let app = write.app();
    let (pool, now, dry_run) = (app.store.log().pool(), app.store.clock().now(), write.request.dry_run);
    rebuilds::find(pool, id).await?.ok_or_else(ApiError::not_found)?;
    let decide = |_: Unit| async move {
        if !dry_run && !rebuilds::cancel(pool, id, now).await? && !found_cancelled(pool, id).await? {
            return Err(ApiError::conflict("rebuild_ended", "the rebuild has ended").into());
        }
        Ok(Reply::status_only(StatusCode::NO_CONTENT))
    };
    write.run(&body.bytes, decide).await
}

async fn found_cancelled(pool: &orbit_platform::postgres::Pool, id: Uuid) -> Result<bool> {
    Ok(rebuilds::find(pool, id).await?.is_some_and(|rebuild| rebuild.state == "cancelled"))
}
