//! How e-mails with some words are come by, in SQL: through the index of words, or one after the other from the newest on.

use orbit_domain::emails::words::Phrase;

use super::{CANDIDATES, FOUND, NEWEST_FIRST, Parts, QUERY};
use crate::routes::{
    conditions::Sql,
    emails::{question::Start, way::Way},
};

impl Parts<'_> {
    /// What was found and is as it is asked for, looked at one by one in the order of dates: the common words of a
    /// large mailbox are in tens of thousands of e-mails, of which a page needs a handful. Without `LIMIT 1` all of
    /// them might be joined before any is counted.
    pub(super) fn push_newest(&self, sql: &mut Sql) {
        if let (Way::Walk(most), true, true) = (self.way, self.phrases.is_empty(), self.question.is_of_few()) {
            return self.push_newest_of_few(sql, most);
        }
        let way = if self.question.is_descending() { " DESC" } else { "" };
        sql.push("SELECT h.id, h.date, h.words FROM (SELECT d.email_id AS id, d.date, ");
        match self.way {
            Way::Index => {
                sql.push("d.words FROM ");
                // Without OFFSET it might be looked for in the order of dates, all the same.
                self.push_dated(sql, "email_words", "w.words");
                sql.push(" AND w.words @@ ").push(CANDIDATES).push(" OFFSET 0) d");
                if !self.phrases.is_empty() {
                    self.push_as_written(sql, FOUND);
                }
                sql.push(" WHERE true");
                if self.phrases.is_empty() && self.is_strict {
                    sql.push(" AND ").push(FOUND);
                }
            }
            Way::Walk(most) if self.phrases.is_empty() => {
                sql.push("d.words FROM ");
                self.push_dated(sql, "email_words", "w.words");
                sql.push(NEWEST_FIRST).push(" LIMIT ").push_bind(most).push(") d WHERE ").push(FOUND);
            }
            // The index by date has the pairs; the row is read of those only which they let pass, and their words, which
            // lie elsewhere, of those only in which the phrases stand.
            Way::Walk(most) => {
                sql.push("w.words FROM (SELECT w.email_id, w.date FROM ");
                self.push_dated(sql, "email_phrases", "w.pairs");
                sql.push(NEWEST_FIRST).push(" LIMIT ").push_bind(most).push(") w WHERE true");
                for phrase in &self.phrases {
                    sql.push(" AND ");
                    push_may_have(sql, "w", phrase);
                }
                sql.push(") d");
                self.push_as_written(sql, "true");
                sql.push(
                    " CROSS JOIN LATERAL (SELECT w.words FROM email_words w WHERE w.email_id = p.email_id LIMIT 1) w",
                );
                sql.push(" WHERE w.words @@ ").push(QUERY);
            }
        }
        sql.push(" ORDER BY d.date").push(way).push(", d.email_id").push(way);
        sql.push(") h CROSS JOIN LATERAL (SELECT FROM emails e WHERE e.id = h.id AND e.user_id = $2");
        self.push_conditions(sql, false);
        sql.push(" LIMIT 1) e WHERE true");
    }

    /// The same where an index knows the e-mails that may be meant: words are read of those alone.
    fn push_newest_of_few(&self, sql: &mut Sql, most: i64) {
        sql.push("SELECT h.id, h.date, h.words FROM (SELECT e.id, e.date, w.words FROM (SELECT e.id, e.date");
        sql.push(" FROM emails e WHERE e.user_id = $2");
        self.push_conditions(sql, false);
        self.push_start(sql, "(e.date, e.id)");
        sql.push(" ORDER BY e.date DESC, e.id DESC LIMIT ").push_bind(most);
        sql.push(") e CROSS JOIN LATERAL (SELECT w.words FROM email_words w WHERE w.email_id = e.id LIMIT 1) w");
        sql.push(" WHERE w.words @@ ").push(QUERY).push(" ORDER BY e.date DESC, e.id DESC) h WHERE true");
    }

    /// Rows of words or phrases with this column, from where the question starts on; the bracket stays open.
    pub(super) fn push_dated(&self, sql: &mut Sql, table: &'static str, column: &'static str) {
        sql.push("(SELECT w.email_id, w.date, ").push(column).push(" FROM ").push(table);
        sql.push(" w WHERE w.user_id = $2");
        self.push_start(sql, "(w.date, w.email_id)");
    }

    /// Nothing newer than where the question starts.
    fn push_start(&self, sql: &mut Sql, place: &'static str) {
        let start = self.question.start();
        match start {
            Start::Newest => {}
            Start::Older((date, id)) | Start::Within((date, id), _) => {
                let is_within = matches!(start, Start::Within(..));
                sql.push(" AND ").push(place).push(if is_within { " <= (" } else { " < (" });
                sql.push_bind(date).push(", ").push_bind(id).push(")");
            }
        }
    }

    /// Narrows e-mails `d` to those that have the phrases as they are written, and of which something else is so. In this
    /// order, which conditions side by side need not keep: words lie out of line.
    pub(super) fn push_as_written(&self, sql: &mut Sql, also: &'static str) {
        sql.push(" CROSS JOIN LATERAL (SELECT p.email_id FROM email_phrases p WHERE p.email_id = d.email_id AND CASE");
        for phrase in &self.phrases {
            sql.push(" WHEN NOT (");
            push_may_have(sql, "p", phrase);
            sql.push(") THEN false WHEN position(").push_bind(phrase.codes.clone());
            sql.push(" IN p.sequence) = 0 THEN false");
        }
        sql.push(" ELSE ").push(also).push(" END LIMIT 1) p");
    }
}

/// Whether the pairs of a row let a phrase pass: of most e-mails where it does not stand, they do not.
fn push_may_have(sql: &mut Sql, row: &'static str, phrase: &Phrase) {
    for (n, pair) in phrase.pairs.iter().enumerate() {
        sql.push(if n == 0 { "get_bit(" } else { " AND get_bit(" }).push(row).push(".pairs, ");
        sql.push_bind(i64::from(*pair)).push(" % (octet_length(").push(row).push(".pairs) * 8)) = 1");
    }
}
