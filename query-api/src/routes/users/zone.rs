//! The caller's time zone: what a day is.
//!
//! Days are cut here, not in SQL: the zones that we know and those that the database's system knows are not the same.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use orbit_platform::problem::ApiError;
use sqlx::PgConnection;

use super::Users;
use crate::{
    answer::Snapshot,
    past::About,
    reader::{Context, Reader, Whose},
};

/// A time zone.
#[derive(Clone, Copy, Debug)]
pub struct Zone(Tz);

/// The caller's zone, for a read of another context. Who has just moved asks with `Orbit-Min-Position` and gets the new
/// days: the read model of users is waited for too.
pub async fn of_caller<C: Context>(reader: &Reader<C>) -> Result<Zone, ApiError> {
    let zone = reader.ask_of::<Users, _, _>(About::Caller, |mut db, whose| async move { find(&mut db, whose).await });
    let zone = zone.await?;
    Ok(zone.body)
}

/// The zone of a user; UTC until the user is in the read model.
async fn find(db: &mut PgConnection, whose: Whose) -> sqlx::Result<Snapshot<Zone>> {
    let row = sqlx::query!(
        r#"SELECT c.as_of AS "as_of!", u.time_zone AS "time_zone?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'users' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN users u ON u.id = $2 LIMIT 1"#,
        whose.partition,
        whose.user_id
    );
    let row = row.fetch_one(db).await?;
    Ok(Snapshot { as_of: row.as_of, body: row.time_zone.map_or(Zone::UTC, |name| Zone::named(&name)) })
}

impl Zone {
    /// That of whoever has none.
    pub const UTC: Self = Self(Tz::UTC);

    fn named(name: &str) -> Self {
        Self(name.parse().unwrap_or(Tz::UTC))
    }

    /// Its IANA name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The day at a moment.
    pub fn day(self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.0).date_naive()
    }

    /// The last `count` days up to and including `last`, oldest first.
    pub fn days_up_to(last: NaiveDate, count: u16) -> Vec<NaiveDate> {
        (0..u64::from(count)).rev().filter_map(|back| last.checked_sub_days(Days::new(back))).collect()
    }

    /// When a day begins: at midnight, or where a change of the clocks swallows it, when it is over.
    pub fn begin(self, day: NaiveDate) -> DateTime<Utc> {
        let midnight = day.and_time(NaiveTime::MIN);
        let mut quarters = (0..96).map(|quarter| midnight + TimeDelta::minutes(15 * quarter));
        let begin = quarters.find_map(|local| self.0.from_local_datetime(&local).earliest());
        begin.map_or_else(|| midnight.and_utc(), |begin| begin.to_utc())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_is_the_users_own() {
        let late = at("2026-11-22T23:30:00Z");
        assert_eq!(Zone::named("Europe/Berlin").day(late), day("2026-11-23"));
        assert_eq!(Zone::named("America/New_York").day(late), day("2026-11-22"));
        assert_eq!(Zone::named("Nowhere/AtAll").day(late), day("2026-11-22"));
    }

    #[test]
    fn a_day_begins_at_midnight_or_when_the_clocks_have_jumped_over_it() {
        assert_eq!(Zone::named("Europe/Berlin").begin(day("2026-11-23")), at("2026-11-22T23:00:00Z"));
        // In Cairo, clocks went from 00:00 to 01:00 on 2026-04-24.
        assert_eq!(Zone::named("Africa/Cairo").begin(day("2026-04-24")), at("2026-04-23T22:00:00Z"));
    }

    #[test]
    fn days_are_counted_back_from_the_last() {
        assert_eq!(Zone::days_up_to(day("2026-03-01"), 3), ["2026-02-27", "2026-02-28", "2026-03-01"].map(day));
    }
}
