//! The time. The only place that asks the system what time it is.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// Gives the time, in UTC, truncated to microseconds: what `PostgreSQL` stores and gives back.
///
/// A clone is the same clock: advancing one advances all.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Fixed(Arc<Mutex<DateTime<Utc>>>),
}

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `at` until it is [set](Self::set) or [advanced](Self::advance): for tests and replays.
    pub fn fixed(at: DateTime<Utc>) -> Self {
        Self(Source::Fixed(Arc::new(Mutex::new(at.trunc_subsecs(6)))))
    }

    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "this is the place that the others are sent to")]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            Source::System => Utc::now().trunc_subsecs(6),
            Source::Fixed(at) => *at.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Moves a fixed clock to `at`. A system clock stays what it is.
    pub fn set(&self, at: DateTime<Utc>) {
        if let Source::Fixed(now) = &self.0 {
            *now.lock().unwrap_or_else(PoisonError::into_inner) = at.trunc_subsecs(6);
        }
    }

    /// Moves a fixed clock forward (or back, if `by` is negative). A system clock stays what it is.
    pub fn advance(&self, by: TimeDelta) {
        if let Source::Fixed(now) = &self.0 {
            *now.lock().unwrap_or_else(PoisonError::into_inner) += by;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_fixed_clock_moves_only_when_told_and_its_clones_move_with_it() {
        let clock = Clock::fixed(at("2026-11-22T20:28:00Z"));
        let other = clock.clone();
        assert_eq!(clock.now(), clock.now());
        clock.advance(TimeDelta::minutes(15));
        assert_eq!(other.now(), at("2026-11-22T20:43:00Z"));
        other.set(at("2027-01-01T00:00:00Z"));
        assert_eq!(clock.now(), at("2027-01-01T00:00:00Z"));
    }

    #[test]
    fn times_carry_no_more_than_microseconds() {
        assert_eq!(Clock::system().now().timestamp_subsec_nanos() % 1_000, 0);
        let clock = Clock::fixed(at("2026-11-22T20:28:00.123456789Z"));
        assert_eq!(clock.now(), at("2026-11-22T20:28:00.123456Z"));
    }

    #[test]
    fn the_system_clock_cannot_be_moved() {
        let clock = Clock::system();
        clock.set(at("1999-01-01T00:00:00Z"));
        clock.advance(TimeDelta::days(-10_000));
        assert!(clock.now() > at("2026-01-01T00:00:00Z"));
    }
}
