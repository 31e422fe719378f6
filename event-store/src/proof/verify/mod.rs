//! The whole log held to what was sealed: positions, streams, facts, tiles, checkpoints. What was found wrong is named by
//! the position at which it begins.
//!
//! Nothing is believed that can be counted or hashed again, but two things: that a checkpoint's signature could not be
//! made without the key, and that a witness's copy is a copy. Whoever can write to the database *and* has the key can
//! make everything fit; only a checkpoint that somebody else has kept tells on them.

mod checkpoints;
mod facts;
mod streams;

use orbit_platform::signing::PUBLIC_KEY;
use serde::Serialize;
use sqlx::PgConnection;

use super::{note::Checkpoint, seals::Seal};
use crate::{Fault, Head, read};

/// Defects that are told one by one; further ones are counted.
const TOLD: usize = 100;

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Every position from 1 to the head is there, once.
    Positions,
    /// Versions of each stream are contiguous, in the order of positions, and end where the stream does.
    Streams,
    /// Every fact is the one that was sealed.
    Facts,
    /// Tiles are what the facts make of them.
    Tree,
    /// Checkpoints are well signed and have the roots that the facts give.
    Checkpoints,
    /// Checkpoints that somebody else has kept.
    Witness,
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Defect {
    /// What was looked at.
    pub check: Check,
    /// Where it begins; none if no position is to blame.
    pub position: Option<i64>,
    /// What is wrong, in words.
    pub says: String,
}

/// Whom to believe, and where to begin.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The first position that is looked at. What is before it is believed to be what the tiles say.
    pub from: i64,
    /// Public keys that may sign. If there are none, each checkpoint is held to the key that lies beside it.
    pub trusted: Vec<[u8; PUBLIC_KEY]>,
    /// Checkpoints from outside, whose signatures the caller has looked at.
    pub witnessed: Vec<Checkpoint>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The first position that was looked at.
    pub from: i64,
    /// The log's head when it began.
    pub head: i64,
    /// Facts that were read.
    pub facts: i64,
    /// Streams that were looked at.
    pub streams: i64,
    /// How far the log is sealed.
    pub sealed: i64,
    /// Checkpoints that were looked at.
    pub checkpoints: i64,
    /// What is wrong, as it was found.
    pub defects: Vec<Defect>,
    /// Defects beyond those told.
    pub more_defects: u64,
}

impl Verdict {
    /// The lowest position at which something is wrong.
    pub fn first_bad(&self) -> Option<i64> {
        self.defects.iter().filter_map(|defect| defect.position).min()
    }

    /// The first thing wrong of a kind.
    pub fn wrong(&self, check: Check) -> Option<&Defect> {
        let all = self.defects.iter().filter(|defect| defect.check == check);
        all.min_by_key(|defect| defect.position.unwrap_or(i64::MAX))
    }

    fn note(&mut self, check: Check, position: impl Into<Option<i64>>, says: impl Into<String>) {
        // The first of each kind is always told, whatever came before.
        if self.defects.len() < TOLD || self.wrong(check).is_none() {
            self.defects.push(Defect { check, position: position.into(), says: says.into() });
        } else {
            self.more_defects += 1;
        }
    }
}

/// Looks at everything, in batches; memory does not grow with the log. `progress` hears how far it is.
pub async fn verify(
    connection: &mut PgConnection,
    question: &Question,
    mut progress: impl FnMut(i64),
) -> Result<Verdict, Fault> {
    // Seals first: what they cover is in the log by then.
    let sealed = Seal::newest(connection).await?.map_or(0, |seal| seal.size);
    let head = read::head(&mut *connection).await?;
    let from = question.from.max(1);
    let mut verdict = Verdict { from, head: head.position, sealed, ..Verdict::default() };
    bounds(connection, head, &mut verdict).await?;
    let roots = checkpoints::verify(connection, question, &mut verdict).await?;
    facts::verify(connection, head, roots, &mut verdict, &mut progress).await?;
    streams::verify(connection, &mut verdict).await?;
    verdict.defects.sort_by_key(|defect| (defect.position.unwrap_or(i64::MAX), defect.check));
    Ok(verdict)
}

/// Nothing is before the first position or beyond the head, and nothing is sealed that is not there.
async fn bounds(connection: &mut PgConnection, head: Head, verdict: &mut Verdict) -> Result<(), Fault> {
    let beyond = sqlx::query_scalar!(
        r#"SELECT position AS "position!" FROM (
               (SELECT position FROM log.events WHERE position < 1 ORDER BY position LIMIT 1)
               UNION ALL
               (SELECT e.position FROM log.events e WHERE e.position > (SELECT h.position FROM log.head h)
                ORDER BY e.position LIMIT 1)) AS beyond
           ORDER BY position LIMIT 2"#
    )
    .fetch_all(connection)
    .await
    .map_err(Fault::database("look for positions beyond the head"))?;
    for position in beyond {
        verdict.note(
            Check::Positions,
            position,
            format!("there is a fact at {position}, where the log does not reach"),
        );
    }
    if verdict.sealed > head.position {
        let says = format!("{} facts were sealed, and the log ends at {}", verdict.sealed, head.position);
        verdict.note(Check::Positions, head.position + 1, says);
    }
    if verdict.sealed == 0 && head.position > 0 {
        let says = "nothing was ever sealed: a command-api (or orbit up) seals within two seconds";
        verdict.note(Check::Checkpoints, None, says);
    }
    Ok(())
}
