//! The two ways to e-mails with some words: the index that knows all that have them, or a walk from the newest on, where
//! many have. Both come to the same; which is sooner, a look at the newest e-mails tells.

/// How e-mails with these words are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// All of them, through the index.
    Index,
    /// Those among so many of the newest.
    Walk(i64),
}

/// What is looked at in a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// How many are looked at to find out.
    pub sample: i64,
    /// How many are looked at at most.
    pub most: i64,
    /// How many are to be found.
    pub wanted: i64,
    /// Whether rows are read only of those that a filter lets pass: so many of these cost what two of the index's do.
    pub filtered: Option<i64>,
}

impl Kind {
    /// How many e-mails a walk may look at, if it is the sooner way to what is wanted in a mailbox of `all`: so many of the
    /// sample were found, and so many of its first [`CANDIDATES_AMONG`] have the words.
    pub fn walk(self, hits: i64, candidates: i64, all: i64) -> Option<i64> {
        let enough = (self.wanted * self.sample).checked_div(hits);
        let is_sooner = match self.filtered {
            None => enough? * 3 / 2 <= self.most,
            Some(for_two) => {
                // Where that is not enough, the index is asked after all, which takes far longer than the walk did.
                let walked = enough.unwrap_or(all).min(all.max(self.sample)).min(self.most);
                walked * 2 < all * candidates / CANDIDATES_AMONG * for_two
            }
        };
        is_sooner.then_some(self.most)
    }
}

/// Words are read one e-mail at a time, from where they lie out of line.
pub const WORDS: Kind = Kind { sample: 64, most: 1_600, wanted: 0, filtered: None };
/// Phrases are looked for where their pairs of words may stand, which the index by date tells.
pub const PHRASES: Kind = Kind { sample: 2_048, most: 200_000, wanted: 0, filtered: Some(5) };
/// Of so many of the newest e-mails it is looked whether they have the words of a phrase, wherever these stand.
pub const CANDIDATES_AMONG: i64 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_is_taken_where_it_finds_enough_before_the_index_does() {
        let words = Kind { wanted: 101, ..WORDS };
        for (hits, walks) in [(0, false), (6, false), (7, true), (64, true)] {
            assert_eq!(words.walk(hits, 0, 100_000).is_some(), walks, "{hits} of the newest have the words");
        }
        let phrases = Kind { wanted: 51, ..PHRASES };
        let cases = [
            (20, 32, 100_000, true, "a phrase of words that are everywhere"),
            (0, 32, 100_000, true, "none, of words that are everywhere"),
            (0, 3, 100_000, false, "none, of words that are in a tenth"),
            (2, 0, 100_000, false, "a phrase of words that are in hardly any"),
            (0, 32, 10_000_000, true, "none, in a mailbox that is too long to look through: some may come soon"),
            (0, 1, 1_000_000, false, "none, of words that are in few of very many"),
            (0, 32, 0, false, "none, in a mailbox that nobody has counted"),
        ];
        for (hits, candidates, all, walks, what) in cases {
            assert_eq!(phrases.walk(hits, candidates, all).is_some(), walks, "{what}");
        }
    }
}
