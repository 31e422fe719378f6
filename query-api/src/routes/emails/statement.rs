//! The statement behind a list of e-mails.
//!
//! Words are looked up first; the e-mails that they are in are then looked at from the newest on, until the page is full.
//! Which of two [ways](super::way) finds the words sooner is found out by a look at the newest e-mails ([`Sample`]). Without
//! words a list walks an index in its order.

mod found;

use orbit_domain::emails::words::{self, Phrase};

use super::{
    asked::Place,
    question::{About, By, Question, Start},
    view::{COLUMNS, JOINS},
    way::{CANDIDATES_AMONG, Kind, PHRASES, WORDS, Way},
};
use crate::{
    reader::Whose,
    routes::conditions::{self, Order, Sql},
};

/// E-mails that are put in order by how well they fit, from the newest that were found on; never fewer than a page holds.
/// To rank one takes reading all of its words.
const RANKED: i64 = 100;
/// The same where a phrase is asked for: these are found one by one, and each is what was asked for.
const RANKED_OF_PHRASES: i64 = 50;
/// What a word weighs: in the text, nowhere, in names, in the subject.
const WEIGHTS: &str = "'{0.1, 0.2, 0.6, 1.0}'";

/// A look at the newest e-mails: how many of them would be found, and how many of the first of these have the words.
pub struct Sample {
    /// Asks for both.
    pub statement: Sql,
    /// What was looked at, and what for.
    pub kind: Kind,
}

impl Question {
    /// The statement, with its parameters. `languages` are those of the mailbox.
    pub fn statement(&self, whose: Whose, languages: &[String], way: Way) -> Sql {
        let mut sql = Sql::new("WITH c AS MATERIALIZED (SELECT coalesce((SELECT k.position FROM checkpoints k");
        sql.push(" WHERE k.projection = 'emails' AND k.partition = ").push_bind(whose.partition);
        sql.push("), 0) AS as_of, ");
        let parts = Parts::begin(self, whose, languages, way, &mut sql);
        sql.push(" SELECT ").push(COLUMNS);
        match &self.by {
            By::Rank(_) => sql.push(", p.rank"),
            By::Column(..) => sql.push(", 0::real"),
        };
        // The text is long, and lies elsewhere: it is read only where words are shown in it.
        sql.push(if parts.searches { ", e.body_text, e.language, " } else { ", NULL::text, NULL::text, " });
        if self.page.include_total {
            sql.push("(SELECT count(*) FROM emails e");
            parts.push_found_emails(&mut sql);
            sql.push(" WHERE e.user_id = $2");
            parts.push_conditions(&mut sql, false);
            sql.push(")");
        } else {
            sql.push("NULL::bigint");
        }
        match &self.by {
            By::Rank(_) => sql.push(", p.newest_date, p.newest_id, p.next_date, p.next_id"),
            By::Column(..) => sql.push(", NULL::timestamptz, NULL::uuid, NULL::timestamptz, NULL::uuid"),
        };
        sql.push(" FROM c LEFT JOIN LATERAL (");
        match &self.by {
            By::Rank(start) => parts.push_ranked(&mut sql, *start),
            By::Column(order, after) if parts.searches && self.is_by_date() => {
                parts.push_found(&mut sql, order, after.as_ref());
            }
            By::Column(order, after) => parts.push_walk(&mut sql, order, after.as_ref()),
        }
        sql.push(") p ON true LEFT JOIN emails e ON e.id = p.id AND e.user_id = $2").push(JOINS);
        match &self.by {
            By::Rank(_) => {
                sql.push(" ORDER BY p.rank DESC, p.date DESC, p.id DESC");
            }
            By::Column(order, _) => order.push(&mut sql, "p"),
        }
        sql
    }

    /// A look at the newest e-mails, where it is worth one: where words are looked up and the newest come first.
    pub fn sample(&self, whose: Whose, languages: &[String]) -> Option<Sample> {
        let wanted = match &self.by {
            By::Rank(_) => self.ranked() + 1,
            By::Column(..) if self.is_by_date() && self.is_descending() => self.page.fetch(),
            By::Column(..) => return None,
        };
        let kind = if words::phrases(&self.asked.terms).is_empty() { WORDS } else { PHRASES };
        let mut sql = Sql::new("WITH c AS MATERIALIZED (SELECT ");
        sql.push_bind(whose.partition).push("::smallint AS partition, ");
        let parts = Parts::begin(self, whose, languages, Way::Walk(kind.sample), &mut sql);
        if !parts.searches {
            return None;
        }
        sql.push(" SELECT (SELECT count(*) FROM (");
        parts.push_newest(&mut sql);
        sql.push(") found), ");
        if kind.filtered.is_some() {
            sql.push("(SELECT count(*) FROM ");
            parts.push_dated(&mut sql, "email_words", "w.words");
            sql.push(NEWEST_FIRST)
                .push(" LIMIT ")
                .push(CANDIDATES_AMONG)
                .push(") w WHERE w.words @@ ")
                .push(CANDIDATES);
            sql.push(")");
        } else {
            sql.push("0::bigint");
        }
        Some(Sample { statement: sql, kind: Kind { wanted, ..kind } })
    }

    /// Whether an index of its own has all that may be meant, by date: what was not read, or is starred.
    fn is_of_few(&self) -> bool {
        let is_unread = self.is_of_unread() && (self.asked.places.is_empty() || is_in_sight(&self.asked.places));
        self.about != About::Trash && self.is_descending() && (is_unread || self.asked.is_starred.contains(&true))
    }

    /// Whether it asks for what was not read.
    fn is_of_unread(&self) -> bool {
        self.about == About::Unread || self.asked.is_read.contains(&false)
    }

    /// How many are put in order by how well they fit.
    fn ranked(&self) -> i64 {
        let least = if words::phrases(&self.asked.terms).is_empty() { RANKED } else { RANKED_OF_PHRASES };
        least.max(i64::from(self.page.limit))
    }
}

/// The words that are looked for, or that an e-mail may not have. Asked for, not written down: that a word is in most
/// e-mails would make reading all of their words look cheaper than asking the index, and that takes seconds.
const QUERY: &str = "(SELECT c.query FROM c)";
/// Whether e-mails `d` are found.
const FOUND: &str = "d.words @@ (SELECT c.query FROM c)";
/// The order of the indexes by date.
const NEWEST_FIRST: &str = " ORDER BY w.date DESC, w.email_id DESC";
/// What all that are found have, which the index knows by itself.
const CANDIDATES: &str = "(SELECT c.candidates FROM c)";

/// A question, and what it asks of words.
struct Parts<'a> {
    question: &'a Question,
    way: Way,
    /// Whether words are looked up.
    searches: bool,
    /// Whether words may not be there, and none are looked up.
    excludes: bool,
    /// Whether not all that may be found is.
    is_strict: bool,
    /// What has to be found as it is written.
    phrases: Vec<Phrase>,
}

impl<'a> Parts<'a> {
    /// Writes the end of what all statements begin with, `WITH c AS MATERIALIZED (SELECT …, `, after one parameter: so the
    /// user is `$2`, as JOINS has it.
    fn begin(question: &'a Question, whose: Whose, languages: &[String], way: Way, sql: &mut Sql) -> Self {
        let terms = &question.asked.terms;
        let found = words::tsquery(whose.user_id, terms, languages);
        let candidates = words::candidates(whose.user_id, terms, languages);
        let unwanted = if found.is_some() { None } else { words::excluded(whose.user_id, terms, languages) };
        let (searches, excludes, is_strict) = (found.is_some(), unwanted.is_some(), found != candidates);
        sql.push_bind(whose.user_id).push("::uuid AS user_id, ");
        sql.push_bind(found.or(unwanted)).push("::tsquery AS query, ");
        sql.push_bind(candidates).push("::tsquery AS candidates)");
        Self { question, way, searches, excludes, is_strict, phrases: words::phrases(terms) }
    }

    /// Some of the newest of what was found, put in order by how well they fit; and which are the newest and, if there are
    /// more, the oldest of these.
    fn push_ranked(&self, sql: &mut Sql, start: Start) {
        let ranked = self.question.ranked();
        sql.push("SELECT r.id, r.date, r.rank, r.newest_date, r.newest_id, r.next_date, r.next_id FROM (");
        sql.push("SELECT b.id, b.date, b.n, b.newest_date, b.newest_id, b.next_date, b.next_id, ts_rank(");
        sql.push(WEIGHTS).push(", b.words, ").push(QUERY).push(") AS rank FROM (");
        sql.push("SELECT h.id, h.date, h.words, row_number() OVER w AS n, first_value(h.date) OVER w AS newest_date, ");
        sql.push("first_value(h.id) OVER w AS newest_id, ");
        for (what, column) in [("date", "next_date"), ("id", "next_id")] {
            sql.push("CASE WHEN count(*) OVER w > ").push(ranked).push(" THEN nth_value(h.").push(what).push(", ");
            sql.push(ranked).push("::int) OVER w END AS ").push(column);
            sql.push(if what == "date" { ", " } else { " FROM (" });
        }
        self.push_newest(sql);
        sql.push(" ORDER BY h.date DESC, h.id DESC LIMIT ")
            .push(ranked + 1)
            .push(") h WINDOW w AS (ORDER BY h.date DESC, ");
        sql.push("h.id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)) b WHERE b.n <= ").push(ranked);
        sql.push(") r");
        if let Start::Within(_, (rank, date, id)) = start {
            sql.push(" WHERE (r.rank, r.date, r.id) < (").push_bind(rank).push(", ").push_bind(date);
            sql.push(", ").push_bind(id).push(")");
        }
        sql.push(" ORDER BY r.rank DESC, r.date DESC, r.id DESC LIMIT ").push(self.question.page.fetch());
    }

    /// What was found, by date.
    fn push_found(&self, sql: &mut Sql, order: &Order, after: Option<&conditions::Place>) {
        self.push_newest(sql);
        if let Some(place) = after {
            order.push_after(sql, "h", place);
        }
        order.push(sql, "h");
        sql.push(" LIMIT ").push(self.question.page.fetch());
    }

    /// E-mails in the order of an index. By a label they begin in the table of those.
    fn push_walk(&self, sql: &mut Sql, order: &Order, after: Option<&conditions::Place>) {
        let label = self.question.asked.labels.first().filter(|_| self.question.is_by_date());
        let ordered = if label.is_some() { "l" } else { "e" };
        sql.push("SELECT e.id, e.date, e.snoozed_until FROM ");
        if let Some(label) = label {
            sql.push("(SELECT m.email_id AS id, m.date FROM email_labels m WHERE m.user_id = $2 AND m.label = ");
            sql.push_bind(label.clone()).push(") l JOIN emails e ON e.id = l.id");
        } else {
            sql.push("emails e");
            self.push_found_emails(sql);
        }
        sql.push(" WHERE e.user_id = $2");
        self.push_conditions(sql, label.is_some());
        if let Some(place) = after {
            order.push_after(sql, ordered, place);
        }
        order.push(sql, ordered);
        sql.push(" LIMIT ").push(self.question.page.fetch());
    }

    /// Narrows e-mails `e` to those that were found, in no order.
    fn push_found_emails(&self, sql: &mut Sql) {
        if self.searches {
            sql.push(" JOIN email_words w ON w.email_id = e.id AND w.user_id = $2 AND w.words @@ ").push(CANDIDATES);
            if !self.phrases.is_empty() {
                sql.push(" CROSS JOIN LATERAL (SELECT w.email_id, w.words) d");
                self.push_as_written(sql, FOUND);
            } else if self.is_strict {
                sql.push(" AND w.words @@ ").push(QUERY);
            }
        }
    }

    /// Conditions on an e-mail `e`. What has an index of its own is written, not bound: a plan for all values could not
    /// use it.
    fn push_conditions(&self, sql: &mut Sql, without_first_label: bool) {
        let Question { about, asked, now, .. } = self.question;
        let mut somewhere = false;
        for place in &asked.places {
            somewhere = true;
            push_place(sql, place);
        }
        let is_unread = self.question.is_of_unread();
        match about {
            About::Trash => {
                sql.push(" AND e.role = 'trash'");
            }
            About::All | About::Search | About::Unread | About::Snoozed if !somewhere => {
                sql.push(" AND e.role NOT IN ('trash', 'junk')");
            }
            // Says nothing new, but that the index of what was not read will do.
            About::All | About::Search | About::Unread | About::Snoozed if is_unread && is_in_sight(&asked.places) => {
                sql.push(" AND e.role NOT IN ('trash', 'junk')");
            }
            About::All | About::Search | About::Unread | About::Snoozed => {}
        }
        let snoozed = match about {
            About::Snoozed => Some(true),
            About::All | About::Search | About::Unread if !somewhere => asked.snoozed.or(Some(false)),
            About::All | About::Search | About::Unread | About::Trash => asked.snoozed,
        };
        match snoozed {
            Some(true) => sql.push(" AND e.snoozed_until > ").push_bind(*now),
            Some(false) => sql.push(" AND (e.snoozed_until IS NULL OR e.snoozed_until <= ").push_bind(*now).push(")"),
            None => sql,
        };
        if *about == About::Snoozed && asked.snoozed == Some(false) {
            sql.push(" AND false");
        }
        let read = (*about == About::Unread).then_some(false);
        for is_read in asked.is_read.iter().copied().chain(read) {
            sql.push(if is_read { " AND e.is_read" } else { " AND NOT e.is_read" });
        }
        for is_starred in &asked.is_starred {
            sql.push(if *is_starred { " AND e.is_starred" } else { " AND NOT e.is_starred" });
        }
        if let Some(is_archived) = asked.is_archived {
            sql.push(" AND e.is_archived = ").push_bind(is_archived);
        }
        if let Some(has_attachments) = asked.has_attachments {
            sql.push(" AND e.has_attachments = ").push_bind(has_attachments);
        }
        let labels = &asked.labels[usize::from(without_first_label).min(asked.labels.len())..];
        if !labels.is_empty() {
            sql.push(" AND e.labels @> ").push_bind(labels.to_vec());
        }
        if let Some(thread) = asked.thread {
            sql.push(" AND e.id IN (SELECT t.email_id FROM email_links t WHERE t.user_id = $2 AND t.thread_id = (");
            sql.push("SELECT n.thread_id FROM email_links n WHERE n.user_id = $2 AND n.email_id = ");
            sql.push_bind(thread).push("))");
        }
        if let Some(language) = &asked.language {
            sql.push(" AND e.language = ").push_bind(language.clone());
        }
        if let Some(since) = asked.since {
            sql.push(" AND e.date >= ").push_bind(since);
        }
        if let Some(until) = asked.until {
            sql.push(" AND e.date < ").push_bind(until);
        }
        if self.excludes {
            // All that have them, once: to look into each e-mail's words takes longer than to read the whole list.
            sql.push(" AND e.id NOT IN (SELECT x.email_id FROM email_words x WHERE x.user_id = $2 AND x.words @@ ");
            sql.push(QUERY).push(")");
        }
        if asked.wants_the_impossible() {
            sql.push(" AND false");
        }
    }
}

/// Whether these places are neither the trash nor junk.
fn is_in_sight(places: &[Place]) -> bool {
    places.iter().any(|place| matches!(place, Place::Role(role) if !["trash", "junk"].contains(role)))
}

/// Condition that an e-mail `e` lies there.
fn push_place(sql: &mut Sql, place: &Place) {
    match place {
        Place::Role(role) => sql.push(" AND e.role = ").push_bind(*role),
        Place::Folder(id) => sql.push(" AND e.role = e.folder_role AND e.folder_id = ").push_bind(*id),
        Place::Named(name) => sql
            .push(" AND e.role = e.folder_role AND e.folder_id IN (SELECT d.id FROM email_folders d")
            .push(" WHERE d.user_id = $2 AND lower(")
            .push_bind(name.clone())
            .push(") IN (lower(d.name), lower(d.path)))"),
        Place::Anywhere => sql,
    };
}
