//! Proofs, made from the tiles.

use sqlx::PgConnection;

use super::{
    tiles::Tiles,
    tree::{self, Hash, Span},
};
use crate::Fault;

/// That a fact is in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// The leaf: the position less 1.
    pub leaf_index: u64,
    /// Its hash, as the tree has it.
    pub leaf_hash: Hash,
    /// The hashes from the leaf up to the root.
    pub hashes: Vec<Hash>,
}

/// Proves that position `1 ..= size` is in the tree of `size` facts, which must be sealed.
pub async fn inclusion(connection: &mut PgConnection, position: i64, size: i64) -> Result<Inclusion, Fault> {
    let (leaf_index, size) = ((position - 1).unsigned_abs(), size.unsigned_abs());
    let mut spans = tree::inclusion(leaf_index, size);
    spans.push(Span { begin: leaf_index, end: leaf_index + 1 });
    let mut hashes = read(connection, &spans).await?;
    let leaf_hash = hashes.pop().ok_or_else(missing)?;
    Ok(Inclusion { leaf_index, leaf_hash, hashes })
}

/// Proves that the tree of `to` facts begins with that of `from`, `1 ..= to`. Both must be sealed.
pub async fn consistency(connection: &mut PgConnection, from: i64, to: i64) -> Result<Vec<Hash>, Fault> {
    read(connection, &tree::consistency(from.unsigned_abs(), to.unsigned_abs())).await
}

/// The root of the tree of `size` facts, which must be sealed.
pub async fn root(connection: &mut PgConnection, size: i64) -> Result<Hash, Fault> {
    let roots = read(connection, &[Span::whole(size.unsigned_abs())]).await?;
    roots.first().copied().ok_or_else(missing)
}

async fn read(connection: &mut PgConnection, spans: &[Span]) -> Result<Vec<Hash>, Fault> {
    let tiles = Tiles::read(connection, spans).await?;
    spans.iter().map(|span| tiles.root_of(*span)).collect::<Option<_>>().ok_or_else(missing)
}

fn missing() -> Fault {
    Fault::Corrupt { what: "the tree over the log", source: "a tile is missing or too short: run orbit verify".into() }
}
