//! What lists of e-mails can be asked for: the parameters, and the language of `q`.

use chrono::{DateTime, NaiveDate, Utc};
use orbit_domain::emails::{
    ROLES,
    query::{self as language, Field, In, Search, Term, Terms},
    words,
};
use orbit_events::emails::Role;
use orbit_platform::http::{
    path::parse_id,
    query::{self, Query, Refusal},
};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::routes::{users::zone::Zone, words::required};

/// The longest address, or name of somebody, that is looked for.
const PEOPLE_CHARS: usize = 320;

/// What all lists of e-mails are filtered by.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it documents the parameters, which are read one by one")]
pub struct EmailFilters {
    /// Where it is to be found: `inbox`, `sent`, `drafts`, `archive`, `trash`, `junk`, `other`, or the id of a folder.
    /// Without it (and without `in:`) lists leave out trash, junk and what is put off until later
    #[param(example = "inbox", nullable = false)]
    folder: Option<String>,
    /// A label on it
    #[param(nullable = false)]
    label: Option<String>,
    /// Whether it was read
    #[param(nullable = false)]
    is_read: Option<bool>,
    /// Whether it was starred
    #[param(nullable = false)]
    is_starred: Option<bool>,
    /// Whether it was put into the archive
    #[param(nullable = false)]
    is_archived: Option<bool>,
    /// Whether there is a file with it
    #[param(nullable = false)]
    has_attachments: Option<bool>,
    /// Who wrote it: an address, a part of one, or words of a name
    #[param(max_length = 320, example = "ada@example.org", nullable = false)]
    from: Option<String>,
    /// Whom it is for, or who got a copy: an address, a part of one, or words of a name
    #[param(max_length = 320, nullable = false)]
    to: Option<String>,
    /// Written before this time (RFC 3339), or before this day begins in the user's zone (`YYYY-MM-DD`)
    #[param(example = "2026-11-22", nullable = false)]
    before: Option<String>,
    /// Written at this time or later (RFC 3339), or from the beginning of this day on (`YYYY-MM-DD`)
    #[param(example = "2026-11-01", nullable = false)]
    after: Option<String>,
    /// The thread that it belongs to: the id of any e-mail in it
    #[param(nullable = false)]
    thread: Option<Uuid>,
    /// The language of its text (ISO 639-1)
    #[param(min_length = 2, max_length = 2, example = "de", nullable = false)]
    language: Option<String>,
}

/// Where an e-mail is to lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where things of this kind are looked for.
    Role(&'static str),
    /// In this folder, and neither archived nor in the trash since.
    Folder(Uuid),
    /// In a folder of this name or path.
    Named(String),
    /// Anywhere.
    Anywhere,
}

/// A time, or a day whose beginning is one in the user's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    At(DateTime<Utc>),
    Day(NaiveDate),
}

/// What a request asks of e-mails. All of it holds together.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Where it lies.
    pub places: Vec<Place>,
    /// Labels on it.
    pub labels: Vec<String>,
    /// Whether it was read. Said twice differently, nothing is so.
    pub is_read: Vec<bool>,
    /// Whether it was starred.
    pub is_starred: Vec<bool>,
    /// Whether it was archived.
    pub is_archived: Option<bool>,
    /// Whether there is a file with it.
    pub has_attachments: Option<bool>,
    /// Whether it is put off until later.
    pub snoozed: Option<bool>,
    /// The thread.
    pub thread: Option<Uuid>,
    /// The language.
    pub language: Option<String>,
    /// What is to be found in its words.
    pub terms: Terms,
    /// Not before this.
    pub since: Option<DateTime<Utc>>,
    /// Before this.
    pub until: Option<DateTime<Utc>>,
    /// Whether there is a `q`.
    pub is_search: bool,
    edges: Vec<(Side, Edge)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Since,
    Until,
}

impl Asked {
    /// Reads the filters, and `q` in the language of searches, which may have to be there.
    pub fn read(query: &mut Query, must_search: bool) -> Self {
        let mut asked = Self {
            places: query.value("folder", place).into_iter().collect(),
            labels: query.value("label", query::any).into_iter().collect(),
            is_read: query.value("is_read", query::boolean).into_iter().collect(),
            is_starred: query.value("is_starred", query::boolean).into_iter().collect(),
            is_archived: query.value("is_archived", query::boolean),
            has_attachments: query.value("has_attachments", query::boolean),
            thread: query.value("thread", query::id),
            language: query.value("language", iso_639_1),
            ..Self::default()
        };
        for (name, field) in [("from", Field::From), ("to", Field::To)] {
            asked.terms.all.extend(query.value(name, |text| people(field, text)).map(|term| vec![term]));
        }
        for (name, side) in [("after", Side::Since), ("before", Side::Until)] {
            asked.edges.extend(query.value(name, edge).map(|edge| (side, edge)));
        }
        let text = if must_search { required(query) } else { query.search() };
        if let Some(text) = text {
            asked.is_search = true;
            match language::parse(&text) {
                Ok(search) => asked.search(search),
                Err(refusals) => {
                    for refusal in refusals {
                        let (code, detail) = refusal.into_parts();
                        query.malformed("q", code, detail);
                    }
                }
            }
        }
        asked
    }

    fn search(&mut self, search: Search) {
        let Search { terms, in_, after, before, read, starred, snoozed, label } = search;
        self.terms.all.extend(terms.all);
        self.terms.none.extend(terms.none);
        self.places.extend(in_.map(|place| match place {
            In::Role(role) => Place::Role(role_name(role)),
            In::Anywhere => Place::Anywhere,
            In::Named(name) => Place::Named(name),
        }));
        self.edges.extend(after.map(|day| (Side::Since, Edge::Day(day))));
        self.edges.extend(before.map(|day| (Side::Until, Edge::Day(day))));
        self.is_read.extend(read);
        self.is_starred.extend(starred);
        self.snoozed = snoozed;
        self.labels.extend(label);
    }

    /// Whether it speaks of days, which begin in the user's zone.
    pub fn speaks_of_days(&self) -> bool {
        self.edges.iter().any(|(_, edge)| matches!(edge, Edge::Day(_)))
    }

    /// The same with times for days. Without a zone, days that are spoken of bound nothing.
    pub fn in_zone(mut self, zone: Option<Zone>) -> Self {
        for (side, edge) in std::mem::take(&mut self.edges) {
            let at = match edge {
                Edge::At(at) => Some(at),
                Edge::Day(day) => zone.map(|zone| zone.begin(day)),
            };
            match side {
                Side::Since => self.since = self.since.max(at),
                Side::Until => self.until = [self.until, at].into_iter().flatten().min(),
            }
        }
        self
    }

    /// Whether words have to be looked up.
    pub fn wants_words(&self) -> bool {
        // Without languages every word counts, so this is the same for every mailbox.
        words::tsquery(Uuid::nil(), &self.terms, &[]).is_some()
    }

    /// Whether words are asked for of which none can be in any e-mail, such as punctuation.
    pub fn wants_the_impossible(&self) -> bool {
        !self.terms.all.is_empty() && !self.wants_words()
    }
}

/// The name of a role, in columns and in questions.
pub fn role_name(role: Role) -> &'static str {
    ROLES.iter().find(|(_, known)| *known == role).map_or("other", |(name, _)| name)
}

/// A role, or the id of a folder.
pub fn place(text: &str) -> Result<Place, Refusal> {
    if let Some(id) = parse_id(text) {
        return Ok(Place::Folder(id));
    }
    let role = ROLES.iter().find(|(name, _)| *name == text).map(|(name, _)| Place::Role(name));
    role.ok_or_else(|| {
        let names = ROLES.map(|(name, _)| name).join(", ");
        ("invalid", format!("one of {names} is expected, or the id of a folder"))
    })
}

fn people(field: Field, text: &str) -> Result<Term, Refusal> {
    if text.chars().count() > PEOPLE_CHARS {
        return Err(("too_long", format!("at most {PEOPLE_CHARS} characters")));
    }
    let term = Term { field, words: text.split_whitespace().map(str::to_owned).collect(), phrase: true, prefix: false };
    let alone = Terms { all: vec![vec![term.clone()]], none: Vec::new() };
    let can_be_found = words::tsquery(Uuid::nil(), &alone, &[]).is_some();
    can_be_found.then_some(term).ok_or_else(|| ("invalid", "an address or words of a name are expected".to_owned()))
}

fn iso_639_1(text: &str) -> Result<String, Refusal> {
    let fine = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_lowercase());
    fine.then(|| text.to_owned()).ok_or_else(|| ("invalid", "two letters are expected, such as de".to_owned()))
}

fn edge(text: &str) -> Result<Edge, Refusal> {
    let day = query::date(text).map(Edge::Day);
    day.or_else(|_| query::time(text).map(Edge::At)).map_err(|_| {
        ("invalid", "a day or a time in RFC 3339 is expected, such as 2026-11-22 or 2026-11-22T20:28:00Z".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(parameters: &str) -> Asked {
        let mut query = Query::parse("/emails", parameters);
        let asked = Asked::read(&mut query, false);
        query.finish().unwrap();
        asked
    }

    #[test]
    fn parameters_and_operators_of_a_search_hold_together() {
        let asked = asked("folder=inbox&is_read=true&label=work&q=in:anywhere+is:unread+label:home+milk&from=ada");
        assert_eq!(asked.places, [Place::Role("inbox"), Place::Anywhere]);
        assert_eq!((asked.is_read, asked.labels), (vec![true, false], vec!["work".to_owned(), "home".to_owned()]));
        assert_eq!(asked.terms.all.len(), 2);
    }

    #[test]
    fn of_several_bounds_the_narrowest_counts() {
        let asked =
            asked("after=2026-11-01T00:00:00Z&before=2026-12-01T00:00:00Z&q=after:2026-11-02+before:2026-11-05");
        assert!(asked.speaks_of_days());
        let bound = asked.clone().in_zone(Some(Zone::UTC));
        let times = [bound.since, bound.until].map(|at| at.unwrap().to_rfc3339());
        assert_eq!(times, ["2026-11-02T00:00:00+00:00", "2026-11-05T00:00:00+00:00"]);
        let unbound = asked.in_zone(None);
        assert_eq!(unbound.since.unwrap().to_rfc3339(), "2026-11-01T00:00:00+00:00");
    }

    #[test]
    fn what_no_e_mail_can_hold_is_told_from_what_is_not_asked_for() {
        assert!(asked("q=%21%21%21").wants_the_impossible());
        assert!(!asked("q=is:unread").wants_the_impossible());
        assert!(!asked("q=-milk").wants_words());
        assert!(asked("from=ada").wants_words() && asked("q=milk").wants_words());
    }
}
