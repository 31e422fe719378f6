//! `GET /audit/proof/consistency`: that the log has only grown between two checkpoints.

use orbit_event_store::proof::prove;
use orbit_platform::{
    http::{openapi::parsed, query::Query},
    problem::ApiError,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Audit, base64, explain, positive, sealed, unfit};
use crate::{answer::Snapshot, reader::Reader};

/// Hashes that show a tree to begin with an earlier one (RFC 6962, 2.1.2).
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "from": 1, "to": 2, "from_root": "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=",
    "to_root": "+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSU=", "hashes": ["lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c="]
}"#)))]
pub struct ConsistencyProof {
    /// The size of the earlier tree.
    pub from: i64,
    /// The size of the later tree.
    pub to: i64,
    /// The root of the earlier tree, as it is in the later one, in base64. Hold it to the checkpoint that you have kept.
    pub from_root: String,
    /// The root of the later tree, in base64.
    pub to_root: String,
    /// The hashes of the proof, in base64.
    pub hashes: Vec<String>,
}

/// Which trees.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it documents the parameters, which are read one by one")]
pub struct Parameters {
    /// The size of the earlier tree: that of a checkpoint you have kept
    #[param(minimum = 1, example = 1)]
    from: i64,
    /// The size of the later tree; that of the newest checkpoint when not given
    #[param(minimum = 1, nullable = false)]
    to: Option<i64>,
}

/// Proves that the log of the later checkpoint begins with that of the earlier one: nothing was changed in between, only
/// appended.
#[utoipa::path(
    get, path = "/audit/proof/consistency", tag = "audit", operation_id = "prove_consistency", params(Parameters),
    responses((status = 200, description = "The proof", body = ConsistencyProof))
)]
pub async fn get(reader: Reader<Audit>, mut query: Query) -> Result<Snapshot<ConsistencyProof>, ApiError> {
    let (from, to) = (query.required("from", positive), query.value("to", positive));
    query.finish()?;
    // Without it `finish` has refused.
    let from = from.ok_or_else(ApiError::not_found)?;
    if to.is_some_and(|to| to < from) {
        return Err(unfit("from", "it must not be more than to"));
    }
    let newest = match to {
        None => sealed::size(&reader, "from", from).await?,
        Some(to) => sealed::size(&reader, "to", to).await?,
    };
    let (to, mut log) = (to.unwrap_or(newest.size), reader.log().await?);
    let hashes = prove::consistency(&mut log, from, to).await.map_err(explain)?;
    let from_root = prove::root(&mut log, from).await.map_err(explain)?;
    let to_root = prove::root(&mut log, to).await.map_err(explain)?;
    let body = ConsistencyProof {
        from,
        to,
        from_root: base64(&from_root),
        to_root: base64(&to_root),
        hashes: hashes.iter().map(base64).collect(),
    };
    Ok(Snapshot { as_of: to, body })
}
