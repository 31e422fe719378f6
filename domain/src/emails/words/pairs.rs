//! Which words of an e-mail stand behind each other, in few bits: a Bloom filter (Bloom 1970) of three hashes over its pairs
//! of neighbours. It says of most e-mails that they do not have a phrase, without a look at their words, and is so narrow
//! that the index by date carries it.

use super::GAP;

/// Bits for each pair, of which three are set: of e-mails without a phrase of two words, one in thirty passes for having it.
const BITS_EACH: usize = 8;
/// Bits come in steps of so many.
const STEP: usize = 64;
/// Fewest bits, and most: an entry of an index has room for these. Of longer texts more pass.
const FEWEST: usize = 64;
const MOST: usize = 8_192;

/// The filter over a [`sequence`](super::Words::sequence). Whoever asks takes a hash modulo its number of bits; these are
/// counted as `PostgreSQL`'s `get_bit` does, each byte from its lowest.
pub(super) fn filter(sequence: &[u8]) -> Vec<u8> {
    let bits = (sequence.len() / 2 * BITS_EACH).next_multiple_of(STEP).clamp(FEWEST, MOST);
    let mut filter = vec![0_u8; bits / 8];
    for hash in hashes(sequence) {
        let bit = usize::try_from(hash).unwrap_or(0) % bits;
        filter[bit / 8] |= 1 << (bit % 8);
    }
    filter
}

/// The hashes of a run of words, three for each pair of neighbours: their bits are set wherever the run stands.
pub(super) fn hashes(sequence: &[u8]) -> impl Iterator<Item = i32> {
    let (words, _) = sequence.as_chunks::<2>();
    words.windows(2).filter(|pair| !pair.contains(&GAP)).flat_map(|pair| three(pair[0], pair[1]))
}

/// Three numbers that are never negative.
fn three([a, b]: [u8; 2], [c, d]: [u8; 2]) -> [i32; 3] {
    let first = mixed(u32::from_be_bytes([a, b, c, d]));
    let second = mixed(first ^ 0x9e37_79b9);
    [first, second, mixed(second ^ 0x9e37_79b9)].map(|hash| (hash & 0x7fff_ffff).cast_signed())
}

/// The finaliser of `MurmurHash3` (Appleby 2008).
fn mixed(mut bits: u32) -> u32 {
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xc2b2_ae35);
    bits ^ (bits >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the database asks.
    fn may_have(filter: &[u8], run: &[u8]) -> bool {
        hashes(run).all(|hash| {
            let bit = usize::try_from(hash).unwrap() % (filter.len() * 8);
            filter[bit / 8] >> (bit % 8) & 1 == 1
        })
    }

    fn text(words: u16) -> Vec<u8> {
        (1..=words).flat_map(|n| n.wrapping_mul(40_503).max(1).to_be_bytes()).collect()
    }

    #[test]
    fn every_run_of_a_text_passes() {
        for words in [0, 1, 2, 15, 16, 17, 350, 10_000] {
            let text = text(words);
            let filter = filter(&text);
            assert!((FEWEST / 8..=MOST / 8).contains(&filter.len()), "{words}");
            for run in text.windows(6).step_by(2) {
                assert!(may_have(&filter, run), "{words} {run:?}");
            }
        }
    }

    #[test]
    fn most_of_what_is_not_there_is_stopped() {
        let filter = filter(&text(350));
        let strangers = (0..10_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) | 0x0001_0001).to_be_bytes());
        let passed = strangers.filter(|run| may_have(&filter, run)).count();
        assert!((150..600).contains(&passed), "{passed} of 10000");
    }

    #[test]
    fn no_pair_goes_over_a_gap() {
        let sequence = [[0, 1], [0, 2], GAP, [0, 3]].concat();
        assert_eq!(hashes(&sequence).count(), 3, "of one pair");
    }
}
