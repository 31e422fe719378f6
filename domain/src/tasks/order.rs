//! Where lists and tasks stand: fractional index strings, compared byte by byte.
//!
//! A position is a string over `0-9A-Za-z` (in ASCII order) that does not end in `0`, so that there is always room
//! below it. It has the form of a fraction's digits: something fits between any two.
//!
//! The default place of something new is after everything else. To find it nobody has to look up what is there: an
//! end position begins with `V`, followed by the time in microseconds in a fixed width, and time only grows. Every
//! position ever made is an earlier end position, or a start position (these begin with `7` and count down), or lies
//! between two others; so all of them are smaller than the end position of now. When the clock of another machine was
//! ahead, a newcomer may stand before what was made in that lead; [`Slot::between`] never relies on the clock.

use chrono::{DateTime, Utc};

use crate::aggregate::rejections;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE: usize = DIGITS.len();

/// Digits of a time. 62^10 microseconds end in the year 28,000 or so.
const TIME_WIDTH: usize = 10;
const TIME_END: u64 = 62_u64.pow(10);

/// Most characters of a position. Only somebody who inserts thousands of times at one spot gets there; the claims that
/// hold positions are index keys, which `PostgreSQL` limits to about 2,700 bytes.
pub const MAX_LEN: usize = 512;

rejections! {
    /// Why nothing fits between two neighbours.
    NotAscending = "neighbours_not_ascending", Invalid, "the two neighbours do not stand in this order";
    NotAPosition = "not_a_position", Invalid, "a neighbour's place is not a position";
    Full = "no_room", Conflict, "too many were put between these neighbours; move one of them first";
}

/// A place to stand, and between which neighbours that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Position of the neighbour that comes before, if there is to be one.
    before: Option<String>,
    /// Position of the neighbour that comes after, if there is to be one.
    after: Option<String>,
    /// Strictly between the two.
    position: String,
}

impl Slot {
    /// Anywhere, and at the end if there is no place yet: what already has a place stays there.
    pub fn anywhere(now: DateTime<Utc>, jitter: u32) -> Self {
        Self { before: None, after: None, position: at_end(now, jitter) }
    }

    /// Right between the positions of two direct neighbours (not counting whoever is to move); without one of them at
    /// that end, and at the end without both. `jitter` is random: two callers at the same spot then seldom choose the
    /// same position, and the claim catches them when they do.
    pub fn between(
        before: Option<&str>,
        after: Option<&str>,
        now: DateTime<Utc>,
        jitter: u32,
    ) -> Result<Self, Rejection> {
        // Made of the time, places at either end stay short however often they are taken.
        let timed = match (before, after) {
            (None, None) => Some(at_end(now, jitter)),
            (Some(before), None) => Some(at_end(now, jitter)).filter(|end| before < end.as_str()),
            (None, Some(after)) => Some(at_start(now, jitter)).filter(|start| start.as_str() < after),
            (Some(_), Some(_)) => None,
        };
        let position = timed.map_or_else(|| between(before, after, jitter), Ok)?;
        Ok(Self { before: before.map(str::to_owned), after: after.map(str::to_owned), position })
    }

    /// The place itself.
    pub fn position(&self) -> &str {
        &self.position
    }

    /// Whether something at `position` already stands between these neighbours.
    pub fn holds(&self, position: &str) -> bool {
        self.before.as_deref().is_none_or(|before| before < position)
            && self.after.as_deref().is_none_or(|after| position < after)
    }
}

/// The end: greater than every position made before `now`. Several at the same moment are told apart, not ordered, by
/// `jitter`; who makes many in one request adds a microsecond for each.
pub fn at_end(now: DateTime<Utc>, jitter: u32) -> String {
    timed(b'V', micros(now), jitter)
}

/// The start: smaller than every position made before `now`.
pub fn at_start(now: DateTime<Utc>, jitter: u32) -> String {
    timed(b'7', TIME_END - 1 - micros(now), jitter)
}

/// Strictly between two positions, one digit longer than the gap needs; `jitter` chooses within the middle of the gap, and the
/// last digit.
pub fn between(before: Option<&str>, after: Option<&str>, jitter: u32) -> Result<String, Rejection> {
    let low = before.map_or(Ok(vec![]), values)?;
    let high = after.map(values).transpose()?;
    if high.as_ref().is_some_and(|high| low >= *high) {
        return Err(Rejection::NotAscending);
    }
    let middle = middle(&low, high.as_deref(), jitter);
    if middle.len() > MAX_LEN {
        return Err(Rejection::Full);
    }
    Ok(middle.into_iter().map(|digit| char::from(DIGITS[digit])).collect())
}

fn micros(now: DateTime<Utc>) -> u64 {
    u64::try_from(now.timestamp_micros()).unwrap_or(0).min(TIME_END - 1)
}

/// A region, a number in a fixed width, and three digits of jitter of which the last is not zero.
fn timed(region: u8, number: u64, jitter: u32) -> String {
    let mut digits = [region; 1 + TIME_WIDTH + 3];
    let mut rest = number;
    for digit in digits[1..=TIME_WIDTH].iter_mut().rev() {
        *digit = DIGITS[below(rest, BASE)];
        rest /= BASE as u64;
    }
    let jitter = u64::from(jitter);
    digits[TIME_WIDTH + 1] = DIGITS[below(jitter / 61 / 62, BASE)];
    digits[TIME_WIDTH + 2] = DIGITS[below(jitter / 61, BASE)];
    digits[TIME_WIDTH + 3] = DIGITS[1 + below(jitter, BASE - 1)];
    digits.iter().map(|digit| char::from(*digit)).collect()
}

/// The remainder of a division by something small, as an index.
fn below(number: u64, divisor: usize) -> usize {
    usize::try_from(number % divisor as u64).unwrap_or(0)
}

fn values(position: &str) -> Result<Vec<usize>, Rejection> {
    let digits: Option<Vec<usize>> = position.bytes().map(|byte| DIGITS.binary_search(&byte).ok()).collect();
    digits.filter(|digits| digits.last().is_some_and(|last| *last != 0)).ok_or(Rejection::NotAPosition)
}

/// Digits strictly between `low` (missing digits are zero) and `high` (none: one), `low < high`; the last is not zero.
fn middle(low: &[usize], high: Option<&[usize]>, jitter: u32) -> Vec<usize> {
    let mut found = vec![];
    // While the digits found so far are also those of `high`, they still bound from above.
    let mut high = high;
    for at in 0.. {
        let floor = low.get(at).copied().unwrap_or(0);
        let ceiling = high.map_or(BASE, |high| high.get(at).copied().unwrap_or(0));
        if floor == ceiling {
            found.push(floor);
            continue;
        }
        let gap = ceiling - floor - 1;
        if gap > 0 {
            // The middle half: room is left on both sides for those who come later.
            let quarter = gap / 4;
            let choice = gap - 2 * quarter;
            found.push(floor + 1 + quarter + below(u64::from(jitter), choice));
            // One more digit that bounds nothing: many who choose at one spot would all choose among a few.
            found.push(1 + below(u64::from(jitter) / choice as u64, BASE - 1));
            break;
        }
        // Neighbouring digits: what is above `low` in the digits to come is below `high`.
        found.push(floor);
        high = None;
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::Index};

    use super::*;

    fn at(micros: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(micros).unwrap()
    }

    /// 2026-11-22 21:00 UTC.
    const NOW: i64 = 1_795_381_200_000_000;

    #[test]
    fn an_end_position_has_this_form_for_ever() {
        assert_eq!(at_end(at(0), 0), "V0000000000001");
        assert_eq!(at_end(at(NOW), 0), "V08DogxHwwa001");
        assert_eq!(at_start(at(NOW), 0), "7zrmBJ2i33P001");
    }

    #[test]
    fn the_end_of_later_is_after_the_end_of_earlier_whatever_the_jitter() {
        assert!(at_end(at(NOW), u32::MAX) < at_end(at(NOW + 1), 0));
        assert!(at_start(at(NOW + 1), u32::MAX) < at_start(at(NOW), 0));
    }

    #[test]
    fn times_out_of_range_still_give_positions() {
        for now in [DateTime::<Utc>::MIN_UTC, at(-1), DateTime::<Utc>::MAX_UTC] {
            for end in [at_end(now, 7), at_start(now, 7)] {
                assert!(values(&end).is_ok(), "{end}");
            }
        }
    }

    #[test]
    fn what_is_between_two_neighbours_stays_there() {
        let slot = Slot::between(Some("A"), Some("C"), at(NOW), 0).unwrap();
        assert_eq!(slot.position(), "B1");
        assert!(slot.holds("B1") && slot.holds("B") && slot.holds("AV"));
        assert!(!slot.holds("A") && !slot.holds("C") && !slot.holds("D"));
        assert!(Slot::anywhere(at(NOW), 0).holds("whatever"));
    }

    #[test]
    fn many_who_choose_at_one_spot_seldom_choose_the_same() {
        // A wide gap, a narrow one, and two in which the digits are neighbours.
        for (before, after) in [("A", "z"), ("A", "C"), ("A", "B"), ("A", "A1V")] {
            let jitters = (0..24_u32).map(|n| n.wrapping_mul(2_654_435_769));
            let chosen: std::collections::HashSet<String> =
                jitters.map(|jitter| between(Some(before), Some(after), jitter).unwrap()).collect();
            assert!(chosen.len() >= 18, "{} different places between {before} and {after}", chosen.len());
            assert!(chosen.iter().all(|place| before < place.as_str() && place.as_str() < after));
        }
    }

    #[test]
    fn the_end_is_found_when_the_last_was_made_by_a_clock_ahead() {
        let last = at_end(at(NOW + 60_000_000), 1);
        let slot = Slot::between(Some(&last), None, at(NOW), 1).unwrap();
        assert!(slot.position() > last.as_str());
        let first = at_start(at(NOW + 60_000_000), 1);
        let slot = Slot::between(None, Some(&first), at(NOW), 1).unwrap();
        assert!(slot.position() < first.as_str());
    }

    #[test]
    fn neighbours_in_the_wrong_order_are_refused() {
        assert_eq!(between(Some("B"), Some("A"), 0), Err(Rejection::NotAscending));
        assert_eq!(between(Some("B"), Some("B"), 0), Err(Rejection::NotAscending));
    }

    #[test]
    fn what_is_no_position_is_refused() {
        for text in ["", "0", "A0", "ä", "a-b", "\0"] {
            assert_eq!(between(Some(text), None, 0), Err(Rejection::NotAPosition), "{text}");
            assert_eq!(between(None, Some(text), 0), Err(Rejection::NotAPosition), "{text}");
        }
    }

    #[test]
    fn a_gap_that_is_used_up_is_full() {
        let (low, mut high) = ("A".to_owned(), "B".to_owned());
        let mut inserted = 0;
        let full = loop {
            match between(Some(&low), Some(&high), 0) {
                Ok(middle) => high = middle,
                Err(full) => break full,
            }
            inserted += 1;
        };
        assert_eq!(full, Rejection::Full);
        assert!(inserted > 1_500, "only {inserted} fit at one spot");
    }

    #[test]
    fn moving_to_the_top_or_the_end_ten_thousand_times_does_not_make_positions_longer() {
        let (mut first, mut last) = (at_end(at(NOW), 0), at_end(at(NOW), 0));
        for n in 1..10_000 {
            let now = at(NOW + n);
            let top = Slot::between(None, Some(&first), now, 5).unwrap().position().to_owned();
            let end = Slot::between(Some(&last), None, now, 5).unwrap().position().to_owned();
            assert!(top < first && last < end);
            (first, last) = (top, end);
        }
        assert_eq!((first.len(), last.len()), (14, 14));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn thousands_of_random_insertions_keep_the_order_and_stay_short(
            insertions in prop::collection::vec((any::<Index>(), any::<u32>()), 3_000),
        ) {
            let mut positions: Vec<String> = vec![];
            for (index, jitter) in insertions {
                let at = index.index(positions.len() + 1);
                let before = at.checked_sub(1).map(|at| positions[at].as_str());
                let made = between(before, positions.get(at).map(String::as_str), jitter).unwrap();
                prop_assert!(!made.ends_with('0') && made.bytes().all(|byte| DIGITS.contains(&byte)));
                positions.insert(at, made);
            }
            prop_assert!(positions.is_sorted_by(|a, b| a < b));
            let longest = positions.iter().map(String::len).max().unwrap_or(0);
            prop_assert!(longest <= 16, "{} characters", longest);
        }

        #[test]
        fn everything_ever_made_is_before_the_end_of_now(
            moves in prop::collection::vec((any::<Index>(), any::<u32>(), 0..4_u8), 200),
        ) {
            let mut positions: Vec<String> = vec![];
            for (tick, (index, jitter, what)) in (0_i64..).zip(moves) {
                let now = at(NOW + tick);
                let place = if what == 0 { positions.len() } else { index.index(positions.len() + 1) };
                let before = place.checked_sub(1).map(|at| positions[at].as_str());
                let after = positions.get(place).map(String::as_str);
                let slot = Slot::between(before, after, now, jitter).unwrap();
                prop_assert!(slot.holds(slot.position()));
                prop_assert!(slot.position() < at_end(at(NOW + tick + 1), 0).as_str());
                positions.insert(place, slot.position().to_owned());
            }
            prop_assert!(positions.is_sorted_by(|a, b| a < b));
        }

        #[test]
        fn hostile_neighbours_never_panic(
            before in any::<Option<String>>(),
            after in any::<Option<String>>(),
            jitter: u32,
        ) {
            let _ = between(before.as_deref(), after.as_deref(), jitter);
            let _ = Slot::between(before.as_deref(), after.as_deref(), at(NOW), jitter);
        }
    }
}
