//! The proof that nothing was changed: a Merkle tree over the log and signed checkpoints of it.
//!
//! Reading order: [`tree`] (hashes, paths and what they prove, as pure arithmetic) · [`tiles`] (how the tree is kept) ·
//! [`leaf`] (a fact as bytes) · [`note`] (checkpoints, signed) · [`seals`] (those in the database) · [`sealer`] (folds
//! the log into the tree and signs) · [`prove`] (proofs from tiles) · [`verify`](mod@verify) (the whole log held to its
//! seals).
//!
//! Formats are those of transparency logs, so that their tools and witnesses understand them: RFC 6962 and 9162 for the
//! tree, C2SP signed-note, tlog-checkpoint and tlog-tiles for the rest (<https://c2sp.org>).

pub mod leaf;
pub mod note;
pub mod prove;
pub mod sealer;
pub mod seals;
pub mod tiles;
pub mod tree;
pub mod verify;

pub use sealer::Sealer;
pub use seals::Seal;

#[cfg(test)]
mod tests;
