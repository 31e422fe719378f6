//! `GET /audit/proof/inclusion`: that a fact of the caller's is in the log that a checkpoint was signed of.

use base64::{Engine, engine::general_purpose::STANDARD};
use orbit_event_store::proof::{Seal, leaf::Leaf, prove};
use orbit_platform::{
    http::{openapi::parsed, query::Query},
    problem::ApiError,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Audit, base64, checkpoint::Checkpoint, explain, positive, sealed, unfit};
use crate::{answer::Snapshot, reader::Reader};

/// Hashes that lead from a fact to the root of a tree (RFC 6962, 2.1.1).
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "position": 2, "leaf_index": 1, "leaf_hash": "lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c=",
    "entry": "AAAADW9yYml0LmZhY3QudjE=", "tree_size": 2, "hashes": ["bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0="],
    "checkpoint": null
}"#)))]
pub struct InclusionProof {
    /// The fact's place in the log.
    pub position: i64,
    /// The leaf's place in the tree: the position less 1.
    pub leaf_index: i64,
    /// The leaf's hash as the tree has it, in base64.
    pub leaf_hash: String,
    /// The fact as it is now, in the bytes that are sealed, in base64. SHA-256 of a 0 byte and these is `leaf_hash`, or
    /// the fact was changed.
    pub entry: String,
    /// The size of the tree.
    pub tree_size: i64,
    /// The hashes from the leaf up, in base64.
    pub hashes: Vec<String>,
    /// The checkpoint of this tree; null if a `size` was asked for of which none is kept any more.
    pub checkpoint: Option<Checkpoint>,
}

/// What is to be proved.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it documents the parameters, which are read one by one")]
pub struct Parameters {
    /// The fact's place in the log
    #[param(minimum = 1, example = 2)]
    position: i64,
    /// The size of the tree that it is to be proved in, such as that of a checkpoint you have kept; the newest when not
    /// given
    #[param(minimum = 1, nullable = false)]
    size: Option<i64>,
}

/// Proves that a fact of the caller's is in the log. Of a position that is somebody else's there is nothing here.
#[utoipa::path(
    get, path = "/audit/proof/inclusion", tag = "audit", operation_id = "prove_inclusion", params(Parameters),
    responses(
        (status = 200, description = "The proof", body = InclusionProof),
        (status = 404, description = "No such position, or somebody else's"),
    )
)]
pub async fn get(reader: Reader<Audit>, mut query: Query) -> Result<Snapshot<InclusionProof>, ApiError> {
    let (position, size) = (query.required("position", positive), query.value("size", positive));
    query.finish()?;
    // Without a position `finish` has refused.
    let position = position.ok_or_else(ApiError::not_found)?;
    if size.is_some_and(|size| size < position) {
        return Err(unfit("size", "a tree of this size does not hold the position"));
    }
    if reader.min_position().is_some() {
        // A replica may not have the fact yet, and then would have nothing to say of it.
        sealed::upto(&reader, 0).await?;
    }
    let mut log = reader.log().await?;
    let leaf = Leaf::find(&mut log, reader.user_id(), position).await.map_err(explain)?;
    drop(log);
    let leaf = leaf.ok_or_else(ApiError::not_found)?;
    let newest = match size {
        None => sealed::upto(&reader, position).await?,
        Some(size) => sealed::size(&reader, "size", size).await?,
    };
    let (tree_size, mut log) = (size.unwrap_or(newest.size), reader.log().await?);
    let proof = prove::inclusion(&mut log, position, tree_size).await.map_err(explain)?;
    let seal = if tree_size == newest.size {
        Some(newest)
    } else {
        Seal::of_size(&mut log, tree_size).await.map_err(explain)?
    };
    let entry = leaf.bytes().ok_or_else(|| ApiError::internal("the metadata of a fact are not readable"))?;
    let body = InclusionProof {
        position,
        leaf_index: position - 1,
        leaf_hash: base64(&proof.leaf_hash),
        entry: STANDARD.encode(entry),
        tree_size,
        hashes: proof.hashes.iter().map(base64).collect(),
        checkpoint: seal.map(Checkpoint::from),
    };
    Ok(Snapshot { as_of: tree_size, body })
}
