//! Sets of UIDs: ranges, in order, that do not touch.

use std::{fmt, ops::RangeInclusive};

/// A set of UIDs, small however many there are in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uids(Vec<(u32, u32)>);

impl Uids {
    /// No UID.
    pub fn new() -> Self {
        Self::default()
    }

    /// All of a range.
    pub fn range(range: RangeInclusive<u32>) -> Self {
        Self::of([(*range.start(), *range.end())])
    }

    fn of(ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut ranges: Vec<_> = ranges.into_iter().filter(|(first, last)| first <= last && *last > 0).collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    /// What a server writes: `1:4,7`. `None` if it is not that.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
        let ranges = std::str::from_utf8(text).ok()?.split(',').map(|part| match part.split_once(':') {
            // Either end may come first (RFC 9051, seq-range).
            Some((one, other)) => number(one).zip(number(other)).map(|(a, b)| (a.min(b), a.max(b))),
            None => number(part).map(|number| (number, number)),
        });
        Some(Self::of(ranges.collect::<Option<Vec<_>>>()?))
    }

    /// Whether there is none in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|(first, last)| u64::from(last - first) + 1).sum()
    }

    /// Whether one is in it.
    pub fn contains(&self, uid: u32) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= uid);
        after > 0 && self.0[after - 1].1 >= uid
    }

    /// Adds those of another set.
    pub fn extend(&mut self, other: &Self) {
        *self = Self::of(self.0.iter().chain(&other.0).copied());
    }

    /// All of them, in order. A server may name a range of four milliards: take as many as you can use.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// The ranges, in order.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u32>> + '_ {
        self.0.iter().map(|(first, last)| *first..=*last)
    }
}

impl FromIterator<u32> for Uids {
    fn from_iter<I: IntoIterator<Item = u32>>(uids: I) -> Self {
        Self::of(uids.into_iter().map(|uid| (uid, uid)))
    }
}

impl fmt::Display for Uids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (first, last)) in self.0.iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            if first == last { write!(f, "{comma}{first}")? } else { write!(f, "{comma}{first}:{last}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_read_in_any_order_and_written_in_one() {
        let uids = Uids::parse(b"9,3:1,4,20:20,4294967295").unwrap();
        assert_eq!(uids.to_string(), "1:4,9,20,4294967295");
        assert_eq!(uids.len(), 7);
        assert!(uids.contains(2) && uids.contains(20) && !uids.contains(5) && !uids.contains(10));
        for wrong in ["", "0", "1:*", "a", "1,,2", "1:2:3", "-1", "4294967296"] {
            assert_eq!(Uids::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_set_holds_what_was_put_into_it(all in proptest::collection::btree_set(1u32..300, 0..80)) {
            let uids: Uids = all.iter().copied().collect();
            prop_assert!(uids.iter().eq(all.iter().copied()));
            prop_assert_eq!(uids.len(), all.len() as u64);
            for uid in 0..301 {
                prop_assert_eq!(uids.contains(uid), all.contains(&uid));
            }
            if !all.is_empty() {
                prop_assert_eq!(Uids::parse(uids.to_string().as_bytes()), Some(uids));
            }
        }
    }
}
