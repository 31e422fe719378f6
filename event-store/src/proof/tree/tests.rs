use proptest::prelude::*;

use super::*;
use crate::proof::tiles::{Frontier, Tiles};

/// The leaves and roots of the reference implementation of Certificate Transparency.
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
/// Its proofs: a leaf's index, the size, the hashes.
const INCLUSIONS: [(u64, u64, &[&str]); 3] = [
    (
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
];
/// Two sizes and the hashes that prove the larger to begin with the smaller.
const CONSISTENCIES: [(u64, u64, &[&str]); 3] = [
    (
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hash(hex: &str) -> Hash {
    bytes(hex).try_into().unwrap()
}

fn known(size: usize) -> Vec<Hash> {
    LEAVES[..size].iter().map(|leaf| leaf_hash(&bytes(leaf))).collect()
}

/// The tree's hash as RFC 6962, 2.1 writes it down.
fn mth(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        more => {
            let (left, right) = more.split_at(split(more.len()));
            node_hash(&mth(left), &mth(right))
        }
    }
}

/// The largest power of two less than `n`.
fn split(n: usize) -> usize {
    let mut k = 1;
    while 2 * k < n {
        k *= 2;
    }
    k
}

/// PATH of RFC 6962, 2.1.1.
fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return vec![];
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut path, sibling) =
        if m < left.len() { (path(m, left), mth(right)) } else { (path(m - left.len(), right), mth(left)) };
    path.push(sibling);
    path
}

/// SUBPROOF of RFC 6962, 2.1.2.
fn subproof(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if whole { vec![] } else { vec![mth(leaves)] };
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut proof, sibling) = if m <= left.len() {
        (subproof(m, left, whole), mth(right))
    } else {
        (subproof(m - left.len(), right, false), mth(left))
    };
    proof.push(sibling);
    proof
}

/// The tree of these leaves, as the sealer would keep it.
fn kept(leaves: &[Hash]) -> (Frontier, Tiles) {
    let (mut frontier, mut tiles) = (Frontier::default(), Tiles::default());
    for leaf in leaves {
        frontier.push(*leaf, |id, hashes| tiles.insert(id, hashes.concat()));
    }
    for (id, hashes) in frontier.partial() {
        tiles.insert(id, hashes.concat());
    }
    (frontier, tiles)
}

fn hashes(tiles: &Tiles, spans: &[Span]) -> Vec<Hash> {
    spans.iter().map(|span| tiles.root_of(*span).unwrap()).collect()
}

#[test]
fn the_known_roots_and_proofs_come_out() {
    for (size, root) in ROOTS.iter().enumerate() {
        let leaves = known(size);
        let (frontier, tiles) = kept(&leaves);
        assert_eq!((frontier.root(), mth(&leaves)), (hash(root), hash(root)), "size {size}");
        assert_eq!(tiles.root_of(Span::whole(size as u64)), Some(hash(root)), "size {size}");
    }
    let (_, tiles) = kept(&known(8));
    for (index, size, proof) in INCLUSIONS {
        let proof: Vec<Hash> = proof.iter().map(|one| hash(one)).collect();
        assert_eq!(hashes(&tiles, &inclusion(index, size)), proof);
        let (leaf, root) =
            (leaf_hash(&bytes(LEAVES[usize::try_from(index).unwrap()])), hash(ROOTS[usize::try_from(size).unwrap()]));
        assert!(proves_inclusion(index, size, &leaf, &proof, &root));
    }
    for (from, to, proof) in CONSISTENCIES {
        let proof: Vec<Hash> = proof.iter().map(|one| hash(one)).collect();
        assert_eq!(hashes(&tiles, &consistency(from, to)), proof);
        let root = |size: u64| hash(ROOTS[usize::try_from(size).unwrap()]);
        assert!(proves_consistency(from, to, &root(from), &root(to), &proof));
        assert!(!proves_consistency(from, to, &root(from - 1), &root(to), &proof));
    }
}

#[test]
fn nothing_is_proved_of_leaves_and_trees_that_are_not_there() {
    let leaves = known(3);
    assert!(!proves_inclusion(3, 3, &leaves[2], &[], &mth(&leaves)));
    assert!(!proves_inclusion(0, 0, &leaves[0], &[], &empty_root()));
    assert!(!proves_consistency(0, 3, &empty_root(), &mth(&leaves), &[]));
    assert!(!proves_consistency(3, 2, &mth(&leaves), &mth(&leaves[..2]), &[]));
    assert!(proves_consistency(3, 3, &mth(&leaves), &mth(&leaves), &[]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Over tiles and back: as the recursions of the RFC have it, at sizes that fill tiles of two levels.
    #[test]
    fn proofs_over_tiles_are_those_of_the_standard(size in 1_usize..1200, at in any::<prop::sample::Index>(), past in any::<prop::sample::Index>()) {
        let leaves: Vec<Hash> = (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let (frontier, tiles) = kept(&leaves);
        let root = mth(&leaves);
        prop_assert_eq!(frontier.root(), root);
        let index = at.index(size);
        let proof = hashes(&tiles, &inclusion(index as u64, size as u64));
        prop_assert_eq!(&proof, &path(index, &leaves));
        prop_assert!(proves_inclusion(index as u64, size as u64, &leaves[index], &proof, &root));

        // An earlier size, out of the tiles of the later one.
        let from = past.index(size) + 1;
        let from_root = mth(&leaves[..from]);
        prop_assert_eq!(tiles.root_of(Span::whole(from as u64)), Some(from_root));
        let proof = hashes(&tiles, &consistency(from as u64, size as u64));
        prop_assert_eq!(&proof, &subproof(from, &leaves, true));
        prop_assert!(proves_consistency(from as u64, size as u64, &from_root, &root, &proof));
    }

    /// One hash that is another, one too many or too few: nothing is proved.
    #[test]
    fn a_spoilt_proof_proves_nothing(size in 2_usize..300, at in any::<prop::sample::Index>(), which in any::<prop::sample::Index>()) {
        let leaves: Vec<Hash> = (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let (_, tiles) = kept(&leaves);
        let root = mth(&leaves);
        let index = at.index(size);
        let (place, size) = (index as u64, size as u64);
        let proof = hashes(&tiles, &inclusion(place, size));
        let mut spoilt = proof.clone();
        spoilt[which.index(proof.len())][7] ^= 1;
        prop_assert!(!proves_inclusion(place, size, &leaves[index], &spoilt, &root));
        prop_assert!(!proves_inclusion(place, size, &leaves[index], &proof[1..], &root));
        let longer = [&proof[..], &[root]].concat();
        prop_assert!(!proves_inclusion(place, size, &leaves[index], &longer, &root));
        prop_assert!(!proves_inclusion(place, size, &root, &proof, &root));

        let from = (place / 2).max(1);
        let from_root = mth(&leaves[..usize::try_from(from).unwrap()]);
        let proof = hashes(&tiles, &consistency(from, size));
        let mut spoilt = proof.clone();
        spoilt[which.index(proof.len())][7] ^= 1;
        prop_assert!(!proves_consistency(from, size, &from_root, &root, &spoilt));
        prop_assert!(!proves_consistency(from, size, &from_root, &root, &proof[1..]));
        prop_assert!(!proves_consistency(from, size, &root, &root, &proof));
    }
}
