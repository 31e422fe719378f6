//! The statement behind a list of e-mails.
//!
//! Words are looked up first, through the one index that knows them; the e-mails that they are in are then looked at
//! from the newest on, until the page is full. Without words a list walks an index in its order.

use orbit_domain::emails::words;

use super::{
    asked::Place,
    question::{About, By, Question, Ranked},
    view::{COLUMNS, JOINS},
};
use crate::{
    reader::Whose,
    routes::conditions::{self, Order, Sql},
};

/// E-mails that are put in order by how well they fit: the newest of those that were found. To rank one takes reading
/// all of its words.
const RANKED: usize = 400;
/// What a word weighs: in the text, nowhere, in names, in the subject.
const WEIGHTS: &str = "'{0.1, 0.2, 0.6, 1.0}'";

impl Question {
    /// The statement, with its parameters. `languages` are those of the mailbox.
    pub fn statement(&self, whose: Whose, languages: &[String]) -> Sql {
        let found = words::tsquery(whose.user_id, &self.asked.terms, languages);
        let excluded = match &found {
            Some(_) => None,
            None => words::excluded(whose.user_id, &self.asked.terms, languages),
        };
        let parts = Parts { question: self, searches: found.is_some(), excludes: excluded.is_some() };
        let mut sql = Sql::new("WITH c AS MATERIALIZED (SELECT coalesce((SELECT k.position FROM checkpoints k");
        sql.push(" WHERE k.projection = 'emails' AND k.partition = ").push_bind(whose.partition);
        // Bound here, so that the user is $2 as JOINS has it.
        sql.push("), 0) AS as_of, ").push_bind(whose.user_id).push("::uuid AS user_id, ");
        sql.push_bind(found.or(excluded)).push("::tsquery AS query)");
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
        sql.push(" FROM c LEFT JOIN LATERAL (");
        match &self.by {
            By::Rank(after) => parts.push_ranked(&mut sql, after.as_ref()),
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
}

/// The words that are looked for, or that an e-mail may not have. Asked for, not written down: that a word is in most
/// e-mails would make reading all of their words look cheaper than asking the index, and that takes seconds.
const QUERY: &str = "(SELECT c.query FROM c)";

/// A question, and what it asks of words.
struct Parts<'a> {
    question: &'a Question,
    /// Whether words are looked up.
    searches: bool,
    /// Whether words may not be there, and none are looked up.
    excludes: bool,
}

impl Parts<'_> {
    /// The newest of what was found, put in order by how well they fit.
    fn push_ranked(&self, sql: &mut Sql, after: Option<&Ranked>) {
        sql.push("SELECT r.id, r.date, r.rank FROM (SELECT b.id, b.date, ts_rank(").push(WEIGHTS).push(", b.words, ");
        sql.push(QUERY).push(") AS rank FROM (");
        self.push_newest(sql);
        sql.push(" ORDER BY h.date DESC, h.id DESC LIMIT ").push(RANKED).push(") b) r");
        if let Some((rank, date, id)) = after {
            sql.push(" WHERE (r.rank, r.date, r.id) < (").push_bind(*rank).push(", ").push_bind(*date);
            sql.push(", ").push_bind(*id).push(")");
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

    /// What was found and is as it is asked for, looked at one by one in the order of dates: the common words of a
    /// large mailbox are in tens of thousands of e-mails, of which a page needs a handful. Without `LIMIT 1` all of
    /// them might be joined before any is counted.
    fn push_newest(&self, sql: &mut Sql) {
        let way = if self.question.is_descending() { " DESC" } else { "" };
        sql.push("SELECT h.id, h.date, h.words FROM (SELECT w.email_id AS id, w.date, w.words FROM email_words w");
        sql.push(" WHERE w.user_id = $2 AND w.words @@ ").push(QUERY).push(" ORDER BY w.date").push(way);
        sql.push(", w.email_id").push(way).push(") h CROSS JOIN LATERAL (SELECT FROM emails e");
        sql.push(" WHERE e.id = h.id AND e.user_id = $2");
        self.push_conditions(sql, false);
        sql.push(" LIMIT 1) e WHERE true");
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
            sql.push(" JOIN email_words w ON w.email_id = e.id AND w.user_id = $2 AND w.words @@ ").push(QUERY);
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
        let is_unread = *about == About::Unread || asked.is_read.contains(&false);
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
