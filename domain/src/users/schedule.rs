//! When a user works: hours on days of the week, without overlap.

use chrono::NaiveTime;
use orbit_events::users;

use crate::Invalid;

/// A user's working hours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkingHours(Vec<users::WorkingHours>);

/// What is wrong with working hours, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidEntry {
    /// The entry, from 0; the whole list, if absent.
    pub index: Option<usize>,
    /// The field of the entry; the whole entry, if absent.
    pub field: Option<&'static str>,
    /// What is wrong.
    pub invalid: Invalid,
}

impl WorkingHours {
    /// Most entries: four a day.
    pub const MAX_ENTRIES: usize = 28;

    /// Reads entries in any order; they are kept by day and time.
    pub fn parse(entries: &[users::WorkingHours]) -> Result<Self, Vec<InvalidEntry>> {
        if entries.len() > Self::MAX_ENTRIES {
            let detail = format!("must have at most {} entries, has {}", Self::MAX_ENTRIES, entries.len());
            return Err(vec![InvalidEntry { index: None, field: None, invalid: Invalid::new("too_many", detail) }]);
        }
        let mut refused: Vec<InvalidEntry> = vec![];
        let mut spans: Vec<Span> = vec![];
        for (index, entry) in entries.iter().enumerate() {
            match span(entry) {
                Ok(span) if spans.iter().any(|other| overlap(*other, span)) => {
                    let invalid = Invalid::new("overlap", "must not overlap with an earlier entry");
                    refused.push(InvalidEntry { index: Some(index), field: None, invalid });
                }
                Ok(span) => spans.push(span),
                Err(wrong) => refused.extend(wrong.into_iter().map(|(field, invalid)| InvalidEntry {
                    index: Some(index),
                    field: Some(field),
                    invalid,
                })),
            }
        }
        if !refused.is_empty() {
            return Err(refused);
        }
        let mut entries = entries.to_vec();
        entries.sort_by(|a, b| (a.weekday, &a.from).cmp(&(b.weekday, &b.from)));
        Ok(Self(entries))
    }
}

impl From<WorkingHours> for Vec<users::WorkingHours> {
    fn from(hours: WorkingHours) -> Self {
        hours.0
    }
}

/// Weekday, from, to.
type Span = (u8, NaiveTime, NaiveTime);

fn span(entry: &users::WorkingHours) -> Result<Span, Vec<(&'static str, Invalid)>> {
    let mut wrong = vec![];
    if !(1..=7).contains(&entry.weekday) {
        wrong.push(("weekday", Invalid::new("out_of_range", "must be 1 (Monday) to 7 (Sunday)")));
    }
    let mut time = |field, text: &str| {
        // chrono also reads `9:00` and `09:5`; a time has one spelling.
        let time = Some(text).filter(|text| text.len() == 5).map(|text| NaiveTime::parse_from_str(text, "%H:%M"));
        let Some(Ok(time)) = time else {
            wrong.push((field, Invalid::new("invalid_time", "must be a time like 09:30")));
            return None;
        };
        Some(time)
    };
    if let (Some(from), Some(to)) = (time("from", &entry.from), time("to", &entry.to)) {
        if from >= to {
            wrong.push(("to", Invalid::new("not_after", "must be later than `from`")));
        }
        if wrong.is_empty() {
            return Ok((entry.weekday, from, to));
        }
    }
    Err(wrong)
}

fn overlap(a: Span, b: Span) -> bool {
    a.0 == b.0 && a.1 < b.2 && b.1 < a.2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(weekday: u8, from: &str, to: &str) -> users::WorkingHours {
        users::WorkingHours { weekday, from: from.to_owned(), to: to.to_owned() }
    }

    fn refused(entries: &[users::WorkingHours]) -> Vec<(Option<usize>, Option<&'static str>, &'static str)> {
        let refused = WorkingHours::parse(entries).unwrap_err();
        refused.into_iter().map(|entry| (entry.index, entry.field, entry.invalid.code)).collect()
    }

    #[test]
    fn hours_are_kept_by_day_and_time() {
        let (late, early, monday) =
            (entry(2, "13:00", "17:00"), entry(2, "08:30", "13:00"), entry(1, "00:00", "23:59"));
        let hours = WorkingHours::parse(&[late.clone(), early.clone(), monday.clone()]).unwrap();
        assert_eq!(Vec::from(hours), [monday, early, late]);
        assert_eq!(WorkingHours::parse(&[]), Ok(WorkingHours::default()));
    }

    #[test]
    fn every_faulty_field_is_named() {
        let entries = [entry(0, "9:00", "25:00"), entry(8, "09:00", "09:00"), entry(3, "é9:0", "10:00")];
        assert_eq!(
            refused(&entries),
            [
                (Some(0), Some("weekday"), "out_of_range"),
                (Some(0), Some("from"), "invalid_time"),
                (Some(0), Some("to"), "invalid_time"),
                (Some(1), Some("weekday"), "out_of_range"),
                (Some(1), Some("to"), "not_after"),
                (Some(2), Some("from"), "invalid_time"),
            ]
        );
    }

    #[test]
    fn hours_of_one_day_do_not_overlap() {
        assert_eq!(refused(&[entry(1, "09:00", "12:00"), entry(1, "11:59", "13:00")]), [(Some(1), None, "overlap")]);
        assert!(WorkingHours::parse(&[entry(1, "09:00", "12:00"), entry(2, "11:59", "13:00")]).is_ok());
    }

    #[test]
    fn there_are_at_most_28_entries() {
        let entries: Vec<_> = (0..29).map(|n| entry(1 + n % 7, "09:00", "09:01")).collect();
        assert_eq!(refused(&entries), [(None, None, "too_many")]);
    }
}
