//! The Merkle tree of RFC 6962 (2.1) and RFC 9162 (2.1) over SHA-256: hashes, which subtrees a proof consists of, and
//! what a proof proves. Pure arithmetic; where hashes come from is the matter of [`tiles`](super::tiles).
//!
//! A tree of `size` leaves divides at the largest power of two below `size`, and so on in each half. A leaf is hashed
//! with a 0 byte before it, a node with a 1 byte before its two halves: neither can be taken for the other.

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The hash of a leaf.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// The hash of a node over the hashes of its halves.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of a tree without leaves.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// Neighbouring leaves with a node of their own above them: `begin <= leaf < end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first leaf.
    pub begin: u64,
    /// The leaf after the last one.
    pub end: u64,
}

/// A complete subtree: `2^height` leaves, the `index`-th such row of them. It never changes as the tree grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Levels above the leaves.
    pub height: u32,
    /// Which one of that height, from the left.
    pub index: u64,
}

impl Span {
    /// All leaves of a tree.
    pub fn whole(size: u64) -> Self {
        Self { begin: 0, end: size }
    }

    /// The complete subtrees that it consists of, from left to right, which is from large to small.
    pub fn nodes(self) -> Vec<Node> {
        let mut nodes = Vec::new();
        let mut begin = self.begin;
        while begin < self.end {
            let height = (self.end - begin).ilog2();
            nodes.push(Node { height, index: begin >> height });
            begin += 1 << height;
        }
        nodes
    }
}

/// The root over complete subtrees, given from left to right.
pub fn join(subtrees: &[Hash]) -> Hash {
    let mut from_the_right = subtrees.iter().rev();
    let last = from_the_right.next().copied().unwrap_or_else(empty_root);
    from_the_right.fold(last, |right, left| node_hash(left, &right))
}

/// Where a span divides: after the largest power of two of leaves that is less than all of them.
fn middle(begin: u64, end: u64) -> u64 {
    begin + (1 << (end - begin - 1).ilog2())
}

/// The spans whose hashes prove that a leaf is in the tree, from the leaf up (RFC 6962, 2.1.1).
pub fn inclusion(index: u64, size: u64) -> Vec<Span> {
    let (mut begin, mut end) = (0, size);
    let mut path = Vec::new();
    while end - begin > 1 {
        let middle = middle(begin, end);
        if index < middle {
            path.push(Span { begin: middle, end });
            end = middle;
        } else {
            path.push(Span { begin, end: middle });
            begin = middle;
        }
    }
    path.reverse();
    path
}

/// The spans whose hashes prove that the tree of `to` leaves begins with that of `from`, which is not empty
/// (RFC 6962, 2.1.2).
pub fn consistency(from: u64, to: u64) -> Vec<Span> {
    let (mut begin, mut end) = (0, to);
    let mut path = Vec::new();
    while from < end {
        let middle = middle(begin, end);
        if from <= middle {
            path.push(Span { begin: middle, end });
            end = middle;
        } else {
            path.push(Span { begin, end: middle });
            begin = middle;
        }
    }
    // Where the smaller tree ends in the larger one; if that is all of the smaller one, its root is known already.
    if begin > 0 {
        path.push(Span { begin, end });
    }
    path.reverse();
    path
}

/// Whether `proof` shows that `leaf` is the `index`-th of the `size` leaves under `root`.
pub fn proves_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let path = inclusion(index, size);
    let climb = |below: Hash, (span, sibling): (&Span, &Hash)| {
        if span.begin > index { node_hash(&below, sibling) } else { node_hash(sibling, &below) }
    };
    path.len() == proof.len() && path.iter().zip(proof).fold(*leaf, climb) == *root
}

/// Whether `proof` shows that the tree of `to` leaves under `to_root` begins with the tree of `from` leaves under
/// `from_root`.
pub fn proves_consistency(from: u64, to: u64, from_root: &Hash, to_root: &Hash, proof: &[Hash]) -> bool {
    if from == 0 || from > to {
        return false;
    }
    let path = consistency(from, to);
    if path.len() != proof.len() {
        return false;
    }
    let mut steps = path.iter().zip(proof).peekable();
    // The proof begins with what the smaller tree ends with, unless that is all of it.
    let seed = match steps.next_if(|(span, _)| span.end == from) {
        Some((_, hash)) => *hash,
        None => *from_root,
    };
    let (mut old, mut new) = (seed, seed);
    for (span, sibling) in steps {
        if span.begin >= from {
            new = node_hash(&new, sibling);
        } else {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
        }
    }
    old == *from_root && new == *to_root
}

#[cfg(test)]
mod tests;
