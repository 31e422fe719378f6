//! How the tree is kept: tiles of 256 hashes (C2SP tlog-tiles, height 8), and its right edge, where it grows.
//!
//! A tile of level 0 holds hashes of leaves, one of level n the roots of 256 full tiles of level n - 1. Everything
//! between is hashed again when it is needed: at most 255 hashes.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;

use super::tree::{Hash, Node, Span, empty_root, join, node_hash};
use crate::Fault;

/// Hashes in a full tile.
pub const WIDTH: usize = 256;
/// Levels of the tree in one tile.
const HEIGHT: u32 = 8;
/// Bytes of a hash.
pub const HASH: usize = 32;

/// Which tile. The order is that of levels, then from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// Level: 0 holds leaves.
    pub level: u32,
    /// Place within the level.
    pub index: u64,
}

impl TileId {
    /// The tile that holds hash `entry` of a level.
    fn holding(level: u32, entry: u64) -> Self {
        Self { level, index: entry >> HEIGHT }
    }

    /// The first leaf below it.
    pub fn first_leaf(self) -> u64 {
        self.index << (HEIGHT * (self.level + 1)).min(63)
    }

    /// Its path below `tile/`, such as `0/x001/x234/067`; a partial tile's ends in `.p/` and its width.
    pub fn path(self, width: usize) -> String {
        format!("{}/{}", self.level, path_of(self.index, width))
    }
}

/// The path of a tile or bundle within its level: three digits each, all but the last ones behind an `x`.
pub fn path_of(index: u64, width: usize) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if width < WIDTH { format!("{path}.p/{width}") } else { path }
}

/// How many hashes a level has in a tree of `size` leaves.
pub fn entries(level: u32, size: u64) -> u64 {
    size.checked_shr(HEIGHT * level).unwrap_or(0)
}

/// Tiles that were read.
#[derive(Clone, Debug, Default)]
pub struct Tiles(HashMap<TileId, Vec<u8>>);

impl Tiles {
    /// Adds one.
    pub fn insert(&mut self, id: TileId, hashes: Vec<u8>) {
        self.0.insert(id, hashes);
    }

    /// The tiles that the hashes of these spans are made of, in one question.
    pub async fn read(connection: &mut PgConnection, spans: &[Span]) -> Result<Self, Fault> {
        let nodes = spans.iter().flat_map(|span| span.nodes());
        Self::read_these(connection, &nodes.map(|node| entries_of(node).0).collect()).await
    }

    /// Certain tiles. Those that are not there are not there.
    pub async fn read_these(connection: &mut PgConnection, wanted: &BTreeSet<TileId>) -> Result<Self, Fault> {
        let level = |id: &TileId| i16::try_from(id.level).unwrap_or(i16::MAX);
        let (levels, places): (Vec<_>, Vec<_>) = wanted.iter().map(|id| (level(id), id.index.cast_signed())).unzip();
        let rows = sqlx::query!(
            r#"SELECT t.level, t.index, t.hashes FROM unnest($1::smallint[], $2::bigint[]) AS w (level, index)
               JOIN log.tiles t ON t.level = w.level AND t.index = w.index ORDER BY t.level, t.index LIMIT $3"#,
            &levels,
            &places,
            i64::try_from(wanted.len()).unwrap_or(i64::MAX)
        )
        .fetch_all(connection)
        .await
        .map_err(Fault::database("read tiles of the tree"))?;
        let id = |level: i16, index: i64| TileId { level: level.unsigned_abs().into(), index: index.unsigned_abs() };
        Ok(Self(rows.into_iter().map(|row| (id(row.level, row.index), row.hashes)).collect()))
    }

    /// A tile's hashes, one after the other.
    pub fn get(&self, id: TileId) -> Option<&[u8]> {
        self.0.get(&id).map(Vec::as_slice)
    }

    /// One hash of a level.
    pub fn entry(&self, level: u32, entry: u64) -> Option<Hash> {
        self.row(level, entry, 1)?.first().copied()
    }

    /// The root over a span; `None` if a tile for it is missing or too short.
    pub fn root_of(&self, span: Span) -> Option<Hash> {
        let roots: Option<Vec<Hash>> = span.nodes().into_iter().map(|node| self.node(node)).collect();
        roots.map(|roots| join(&roots))
    }

    fn node(&self, node: Node) -> Option<Hash> {
        let (tile, first, count) = entries_of(node);
        self.row(tile.level, first, count).map(|row| root_of(&row))
    }

    fn row(&self, level: u32, first: u64, count: usize) -> Option<Vec<Hash>> {
        let tile = self.0.get(&TileId::holding(level, first))?;
        let begin = usize::try_from(first).ok()? % WIDTH * HASH;
        let row = tile.get(begin..begin + count * HASH)?;
        Some(row.as_chunks().0.to_vec())
    }
}

/// The tile that a complete subtree is hashed from, its first hash within the level, and how many there are.
fn entries_of(node: Node) -> (TileId, u64, usize) {
    let (level, below) = (node.height / HEIGHT, node.height % HEIGHT);
    let first = node.index << below;
    (TileId::holding(level, first), first, 1 << below)
}

/// The root over a power of two of hashes.
fn root_of(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty_root(),
        [one] => *one,
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// The right edge of a growing tree: of each level, the hashes that do not fill a tile yet. A few kilobytes, however
/// large the tree is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    edge: Vec<Vec<Hash>>,
}

impl Frontier {
    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The edge of a tree of `size` leaves from its tiles; `None` if one is missing or too short.
    pub async fn read(connection: &mut PgConnection, size: u64) -> Result<Option<Self>, Fault> {
        let tiles = Tiles::read_these(connection, &Self::tiles(size).collect()).await?;
        Ok(Self::from_tiles(size, &tiles))
    }

    /// The tiles at the edge of a tree of `size` leaves that are not full.
    fn tiles(size: u64) -> impl Iterator<Item = TileId> {
        let levels = (0..).map_while(move |level| Some((level, entries(level, size))).filter(|(_, all)| *all > 0));
        let partial = levels.filter(|(_, all)| all % WIDTH as u64 > 0);
        partial.map(|(level, all)| TileId::holding(level, all))
    }

    fn from_tiles(size: u64, tiles: &Tiles) -> Option<Self> {
        let mut edge = Vec::new();
        for level in (0..).take_while(|level| entries(*level, size) > 0) {
            let all = entries(level, size);
            let count = usize::try_from(all).ok()? % WIDTH;
            edge.push(if count == 0 { Vec::new() } else { tiles.row(level, all - count as u64, count)? });
        }
        Some(Self { size, edge })
    }

    /// Adds a leaf, and hands over every tile that it fills.
    pub fn push(&mut self, leaf: Hash, mut full: impl FnMut(TileId, &[Hash])) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0.. {
            if self.edge.len() == level {
                self.edge.push(Vec::with_capacity(WIDTH));
            }
            let row = &mut self.edge[level];
            row.push(hash);
            if row.len() < WIDTH {
                return;
            }
            let level = u32::try_from(level).unwrap_or(u32::MAX);
            full(TileId::holding(level, entries(level, self.size) - 1), row);
            hash = root_of(row);
            row.clear();
        }
    }

    /// The tiles that are not full, with what they hold.
    pub fn partial(&self) -> impl Iterator<Item = (TileId, &[Hash])> {
        let levels = (0..).zip(&self.edge).filter(|(_, row)| !row.is_empty());
        levels.map(|(level, row)| (TileId::holding(level, entries(level, self.size)), row.as_slice()))
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        // Complete subtrees, from the small ones on the right to the large ones on the left.
        let mut root: Option<Hash> = None;
        for row in &self.edge {
            let mut rest = row.as_slice();
            while !rest.is_empty() {
                let (before, last) = rest.split_at(rest.len() - (1 << rest.len().trailing_zeros()));
                let subtree = root_of(last);
                root = Some(root.map_or(subtree, |right| node_hash(&subtree, &right)));
                rest = before;
            }
        }
        root.unwrap_or_else(empty_root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::tree::leaf_hash;

    #[test]
    fn paths_are_those_of_the_specification() {
        let path = |level, index, width| TileId { level, index }.path(width);
        assert_eq!(path(0, 1_234_067, WIDTH), "0/x001/x234/067");
        assert_eq!(path(1, 7, 17), "1/007.p/17");
        assert_eq!(path(2, 1_000, WIDTH), "2/x001/000");
    }

    #[test]
    fn a_tree_of_seventy_thousand_has_the_tiles_that_the_specification_counts() {
        let (mut frontier, mut full) = (Frontier::default(), [0_u32; 3]);
        for n in 0..70_000_u32 {
            frontier.push(leaf_hash(&n.to_be_bytes()), |id, hashes| {
                assert_eq!(hashes.len(), WIDTH);
                assert_eq!(id.index, u64::from(full[id.level as usize]), "from left to right");
                full[id.level as usize] += 1;
            });
        }
        assert_eq!(full, [273, 1, 0]);
        let partial: Vec<_> = frontier.partial().map(|(id, hashes)| (id.level, id.index, hashes.len())).collect();
        assert_eq!(partial, [(0, 273, 112), (1, 1, 17), (2, 0, 1)]);
        assert_eq!(
            Frontier::tiles(70_000).map(|id| (id.level, id.index)).collect::<Vec<_>>(),
            [(0, 273), (1, 1), (2, 0)]
        );
    }

    #[test]
    fn the_edge_is_found_again_in_the_tiles() {
        for size in [0, 1, 255, 256, 257, 511, 512, 1_000] {
            let (mut frontier, mut tiles) = (Frontier::default(), Tiles::default());
            for n in 0..size {
                frontier.push(leaf_hash(&u64::to_be_bytes(n)), |id, hashes| tiles.insert(id, hashes.concat()));
            }
            for (id, hashes) in frontier.partial() {
                tiles.insert(id, hashes.concat());
            }
            let again = Frontier::from_tiles(size, &tiles).unwrap();
            assert_eq!(again.root(), frontier.root(), "{size}");
            assert_eq!(again.edge.len(), frontier.edge.len(), "{size}");
            assert_eq!(again, frontier, "{size}");
        }
        assert!(Frontier::from_tiles(3, &Tiles::default()).is_none());
    }

    #[test]
    fn a_tile_knows_its_first_leaf() {
        assert_eq!(TileId { level: 0, index: 3 }.first_leaf(), 768);
        assert_eq!(TileId { level: 1, index: 1 }.first_leaf(), 65_536);
    }
}
