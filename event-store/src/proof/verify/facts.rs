//! Facts: each is there, belongs to its stream, and hashes to what the tree has for it.
//!
//! Two trees grow side by side, one from the facts as they are, one from the leaves that are kept. Where they differ, the
//! one that gives the root of the newest checkpoint is right, and the other one was changed.

use std::{collections::BTreeSet, ops::RangeInclusive};

use orbit_events::{Partitions, UserId};
use sqlx::PgConnection;

use super::{Check, Verdict, checkpoints::Root};
use crate::{
    Fault, Head,
    proof::{
        leaf::Leaf,
        tiles::{Frontier, HASH, TileId, Tiles, WIDTH},
        tree::Hash,
    },
};

/// Positions in a tile.
const TILE: i64 = 256;
/// Positions looked at at once: eight tiles.
const WINDOW: i64 = 8 * TILE;
/// Differences between fact and tree that are remembered until it is known which of them is right.
const REMEMBERED: usize = 100;

/// Looks at every fact from `verdict.from` on.
pub(super) async fn verify(
    connection: &mut PgConnection,
    head: Head,
    roots: Vec<Root>,
    verdict: &mut Verdict,
    progress: &mut impl FnMut(i64),
) -> Result<(), Fault> {
    // From the beginning of a tile on, so that the tree can be continued there.
    let skipped = (verdict.from - 1) / TILE * TILE;
    let mut trees = Trees::start(connection, skipped, roots, verdict).await?;
    let mut after = trees.facts.size().cast_signed();
    verdict.from = after + 1;
    while after < head.position {
        let window = after + 1..=(after + WINDOW).min(head.position);
        let facts = read(connection, &window).await?;
        if facts.is_empty() && !is_any_after(connection, *window.end()).await? {
            // Nothing follows: however far the head is said to be, this is the end.
            let says = format!("positions {} to {} are missing", window.start(), head.position);
            verdict.note(Check::Positions, *window.start(), says);
            break;
        }
        let tiles = leaves(connection, &window).await?;
        let mut facts = facts.into_iter().peekable();
        for position in window.clone() {
            let fact = facts.next_if(|fact| fact.leaf.position == position);
            let hash = look(fact.as_ref(), position, head.partitions, verdict);
            verdict.facts += i64::from(fact.is_some());
            trees.push(hash, &tiles, verdict);
        }
        trees.compare_upper_tiles(connection, verdict).await?;
        after = *window.end();
        progress(after);
    }
    trees.finish(connection, verdict).await
}

struct Found {
    leaf: Leaf,
    in_stream: bool,
}

async fn read(connection: &mut PgConnection, window: &RangeInclusive<i64>) -> Result<Vec<Found>, Fault> {
    let rows = sqlx::query!(
        r#"SELECT e.position, e.event_id, e.user_id, e.partition, e.category, e.stream_id, e.version,
                  e.type AS wire_type, e.schema_version, e.recorded_at, e.metadata::text AS "metadata!",
                  sha256(e.data) AS "payload_sha256!",
                  coalesce(s.version >= e.version AND s.user_id = e.user_id AND s.category = e.category, false)
                      AS "in_stream!"
           FROM log.events e LEFT JOIN log.streams s ON s.stream_id = e.stream_id
           WHERE e.position BETWEEN $1 AND $2 ORDER BY e.position LIMIT $3"#,
        window.start(),
        window.end(),
        WINDOW
    )
    .fetch_all(connection)
    .await
    .map_err(Fault::database("read facts to verify"))?;
    let found = rows.into_iter().map(|row| Found {
        in_stream: row.in_stream,
        leaf: Leaf {
            position: row.position,
            event_id: row.event_id,
            user_id: row.user_id,
            partition: row.partition,
            category: row.category,
            stream_id: row.stream_id,
            version: row.version,
            wire_type: row.wire_type,
            schema_version: row.schema_version,
            recorded_at: row.recorded_at,
            metadata: row.metadata,
            payload_sha256: row.payload_sha256,
        },
    });
    Ok(found.collect())
}

async fn is_any_after(connection: &mut PgConnection, position: i64) -> Result<bool, Fault> {
    sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM log.events WHERE position > $1) AS "any!""#, position)
        .fetch_one(connection)
        .await
        .map_err(Fault::database("look for later facts"))
}

/// The tiles with the leaves of these positions.
async fn leaves(connection: &mut PgConnection, window: &RangeInclusive<i64>) -> Result<Tiles, Fault> {
    let tile = |position: i64| ((position - 1) / TILE).unsigned_abs();
    let wanted: BTreeSet<TileId> =
        (tile(*window.start())..=tile(*window.end())).map(|index| TileId { level: 0, index }).collect();
    Tiles::read_these(connection, &wanted).await
}

/// What a fact says of itself; its hash, if there is a fact that has one.
fn look(fact: Option<&Found>, position: i64, partitions: Partitions, verdict: &mut Verdict) -> Option<Hash> {
    let Some(Found { leaf, in_stream }) = fact else {
        verdict.note(Check::Positions, position, format!("position {position} is missing"));
        return None;
    };
    if !in_stream {
        let says = format!("position {position} is not of the stream {} that it names", leaf.stream_id);
        verdict.note(Check::Streams, position, says);
    }
    if partitions.of(UserId(leaf.user_id)) != leaf.partition {
        verdict.note(Check::Facts, position, format!("position {position} is in another partition than its user"));
    }
    let hash = leaf.hash();
    if hash.is_none() {
        verdict.note(Check::Facts, position, format!("the metadata at position {position} are not readable"));
    }
    hash
}

/// The two trees, and what they are held to.
struct Trees {
    facts: Frontier,
    kept: Frontier,
    sealed: u64,
    /// Roots of sizes that are still to come, the smallest last.
    roots: Vec<Root>,
    /// The largest size whose root was right.
    good: u64,
    /// The largest size whose root was asked for, and which tree gave it.
    held: u64,
    facts_fit: bool,
    kept_fit: bool,
    /// Positions at which the trees differ.
    different: Vec<i64>,
    many_more: u64,
    /// Tiles above the leaves, as the facts and as the kept leaves make them.
    upper: Vec<(TileId, Vec<u8>, Vec<u8>)>,
}

impl Trees {
    async fn start(
        connection: &mut PgConnection,
        skipped: i64,
        mut roots: Vec<Root>,
        verdict: &mut Verdict,
    ) -> Result<Self, Fault> {
        let sealed = verdict.sealed.min(verdict.head).unsigned_abs();
        let skipped = skipped.unsigned_abs().min(sealed - sealed % TILE.unsigned_abs());
        let tree = Frontier::read(connection, skipped).await?.unwrap_or_else(|| {
            verdict.note(
                Check::Tree,
                None,
                format!("tiles are missing below position {skipped}: looking at everything"),
            );
            Frontier::default()
        });
        roots.retain(|root| root.size > tree.size());
        roots.reverse();
        Ok(Self {
            good: tree.size(),
            facts: tree.clone(),
            kept: tree,
            sealed,
            roots,
            held: 0,
            facts_fit: false,
            kept_fit: false,
            different: Vec::new(),
            many_more: 0,
            upper: Vec::new(),
        })
    }

    /// The next position: the hash of its fact, beside the leaf that is kept.
    fn push(&mut self, hash: Option<Hash>, tiles: &Tiles, verdict: &mut Verdict) {
        let index = self.facts.size();
        let position = index.cast_signed() + 1;
        let kept = tiles.entry(0, index).filter(|_| index < self.sealed);
        if index < self.sealed && kept.is_none() {
            verdict.note(
                Check::Tree,
                position,
                format!("the tree has no leaf for position {position}: a tile is missing or too short"),
            );
        }
        if let (Some(fact), Some(leaf)) = (hash, kept)
            && fact != leaf
        {
            if self.different.len() < REMEMBERED { self.different.push(position) } else { self.many_more += 1 }
        }
        let stand_in = hash.or(kept).unwrap_or_default();
        let (mut of_facts, mut of_kept) = (Vec::new(), Vec::new());
        self.facts.push(stand_in, |id, hashes| of_facts.push((id, hashes.concat())));
        self.kept.push(kept.unwrap_or(stand_in), |id, hashes| of_kept.push((id, hashes.concat())));
        if self.kept.size() == self.sealed {
            of_facts.extend(self.facts.partial().map(|(id, hashes)| (id, hashes.concat())));
            of_kept.extend(self.kept.partial().map(|(id, hashes)| (id, hashes.concat())));
        }
        let both = of_facts.into_iter().zip(of_kept).filter(|((id, _), _)| id.level > 0);
        self.upper.extend(both.map(|((id, one), (_, other))| (id, one, other)));
        while self.roots.last().is_some_and(|root| root.size <= self.facts.size()) {
            if let Some(root) = self.roots.pop() {
                self.hold_to(&root, verdict);
            }
        }
    }

    fn hold_to(&mut self, root: &Root, verdict: &mut Verdict) {
        self.held = root.size;
        (self.facts_fit, self.kept_fit) = (self.facts.root() == root.hash, self.kept.root() == root.hash);
        if self.facts_fit || self.kept_fit {
            self.good = root.size;
            return;
        }
        let whose = if root.check == Check::Witness { "a witness's checkpoint" } else { "the checkpoint" };
        let between = format!("one of the positions {} to {} was changed", self.good + 1, root.size);
        let says = format!("{whose} of {} facts has another root than the facts give: {between}", root.size);
        // If a fact in there is known to be changed, that one is named; else the first that may be.
        let position = self.different.iter().copied().find(|position| position.unsigned_abs() > self.good);
        verdict.note(root.check, position.unwrap_or(self.good.cast_signed() + 1), says);
    }

    /// Tiles above the leaves must be made of those below.
    async fn compare_upper_tiles(&mut self, connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), Fault> {
        if self.upper.is_empty() {
            return Ok(());
        }
        let made = std::mem::take(&mut self.upper);
        let tiles = Tiles::read_these(connection, &made.iter().map(|(id, ..)| *id).collect()).await?;
        for (id, of_facts, of_kept) in made {
            let stored = tiles.get(id).unwrap_or_default();
            // Either will do: where facts and leaves differ, that is told of the leaf.
            let pairs = of_facts.chunks(HASH).zip(of_kept.chunks(HASH)).zip(0_u64..);
            let wrong = pairs.map(|((one, other), entry)| ([one, other], entry)).find(|(made, entry)| {
                let at = usize::try_from(*entry).unwrap_or(usize::MAX) * HASH;
                stored.get(at..at + HASH).is_none_or(|hash| !made.contains(&hash))
            });
            if let Some((_, entry)) = wrong {
                let leaf = id.first_leaf() + entry * TileId { level: id.level - 1, index: 1 }.first_leaf();
                let position = leaf.cast_signed() + 1;
                let says =
                    format!("tile {} is not made of the tiles below it, from position {position} on", id.path(WIDTH));
                verdict.note(Check::Tree, position, says);
            }
        }
        Ok(())
    }

    /// Says of every difference which side is right.
    async fn finish(mut self, connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), Fault> {
        self.compare_upper_tiles(connection, verdict).await?;
        for position in &self.different {
            // Beyond the last checkpoint nothing tells which of the two is right.
            let judged = position.unsigned_abs() <= self.held;
            let (check, is) = match (judged && self.facts_fit, judged && self.kept_fit) {
                (true, _) => (Check::Tree, "the leaf that is kept was changed; the fact is the one that was sealed"),
                (false, true) => (Check::Facts, "the fact is not the one that was sealed"),
                (false, false) => (Check::Facts, "the fact and the leaf that is kept for it are not the same"),
            };
            verdict.note(check, *position, format!("position {position}: {is}"));
        }
        verdict.more_defects += self.many_more;
        Ok(())
    }
}
