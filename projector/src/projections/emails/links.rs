//! Rows of `email_links` and `email_nodes`: which e-mails are one thread, as `orbit_domain::emails::threads` defines it,
//! kept up as e-mails come in.
//!
//! Without decisions threads only grow together. So what comes in is united with the threads that hold one of its
//! message ids, or something of the same people about the same, and of threads that meet the one with the smallest name
//! takes in the others. Where a user has decided something, [`settle`] looks at the whole of the threads it is about.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use orbit_domain::emails::threads::{Message, Node, NodeKey, SUBJECT_DAYS, Union, threads};
use orbit_events::{
    Recorded,
    emails::email::{self, Received},
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{email::Row, settle::settle};
use crate::{
    projection::{ApplyFault, Tables},
    projections::rows::{Row as _, column},
};

/// An e-mail that came in and is not linked to any yet.
pub(super) struct Arrival {
    pub user_id: Uuid,
    pub version: i64,
    pub message: Message,
}

/// Names of threads of which it is to be looked again what they hold.
pub(super) type Touched = BTreeSet<Uuid>;

/// Links what came in, and what was decided about otherwise. Each e-mail is linked once, as it first came in: links stay
/// when it is deleted, and when it comes back.
pub(super) async fn link(
    connection: &mut PgConnection,
    facts: &[&Recorded],
    decided: HashSet<(Uuid, Uuid)>,
    tables: Tables,
) -> Result<Touched, ApplyFault> {
    let mut arrivals = find_arrivals(connection, facts, tables).await?;
    let mut by_user: BTreeMap<Uuid, HashSet<Uuid>> = BTreeMap::new();
    for (user, email) in decided {
        by_user.entry(user).or_default().insert(email);
    }
    for user in find_deciders(connection, &arrivals).await? {
        by_user.entry(user).or_default();
    }
    let mut touched = Touched::new();
    for (user, decided) in by_user {
        let theirs = arrivals.extract_if(.., |arrival| arrival.user_id == user).collect::<Vec<_>>();
        touched.extend(settle(connection, user, &theirs, decided).await?);
    }
    touched.extend(unite(connection, &arrivals).await?);
    Ok(touched)
}

/// What an e-mail came in with, if that is what the fact tells.
pub(super) fn received(fact: &Recorded) -> Option<&Received> {
    if let email::Event::Received(received) = Row::pick(fact.event()?)? { Some(received) } else { None }
}

/// What came in with these facts and is not linked yet.
async fn find_arrivals(
    connection: &mut PgConnection,
    facts: &[&Recorded],
    tables: Tables,
) -> Result<Vec<Arrival>, ApplyFault> {
    let mut seen = HashSet::new();
    let came: Vec<(&Recorded, &Received)> = facts
        .iter()
        .filter_map(|fact| received(fact).map(|received| (*fact, received)))
        .filter(|(fact, _)| seen.insert(fact.envelope.stream_id))
        .collect();
    // Into tables that are made anew, what begins comes for the first time.
    let perhaps = came.iter().filter(|(fact, _)| matches!(tables, Tables::Serving) || fact.envelope.version > 1);
    let perhaps: Vec<Uuid> = perhaps.map(|(fact, _)| fact.envelope.stream_id).collect();
    let linked: HashSet<Uuid> = if perhaps.is_empty() {
        HashSet::new()
    } else {
        let linked = sqlx::query_scalar!("SELECT email_id FROM email_links WHERE email_id = ANY($1)", &perhaps);
        let linked = linked.fetch_all(connection).await.map_err(ApplyFault::database("look for linked e-mails"))?;
        linked.into_iter().collect()
    };
    let arrivals = came.into_iter().filter(|(fact, _)| !linked.contains(&fact.envelope.stream_id));
    let arrivals = arrivals.map(|(fact, received)| Arrival {
        user_id: fact.envelope.user_id.0,
        version: fact.envelope.version,
        message: Message::of(fact.envelope.stream_id, received),
    });
    Ok(arrivals.collect())
}

/// Users who have decided something about what only now came in.
async fn find_deciders(connection: &mut PgConnection, arrivals: &[Arrival]) -> Result<Vec<Uuid>, ApplyFault> {
    if arrivals.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar!(
        "SELECT DISTINCT user_id FROM email_decisions WHERE email_ids && $1 AND kind <> 'dissolved' AND user_id = ANY($2)",
        &column(arrivals, |a| a.message.id),
        &column(arrivals, |a| a.user_id),
    )
    .fetch_all(connection)
    .await
    .map_err(ApplyFault::database("look for decisions about e-mails"))
}

/// Unites what came in with the threads that there are.
async fn unite(connection: &mut PgConnection, arrivals: &[Arrival]) -> Result<Touched, ApplyFault> {
    if arrivals.is_empty() {
        return Ok(Touched::new());
    }
    let mut union: Union<(Uuid, Node)> = Union::new();
    let mut mailboxes: HashMap<Uuid, Vec<Message>> = HashMap::new();
    let mut keys: BTreeSet<(Uuid, NodeKey)> = BTreeSet::new();
    for Arrival { user_id, message, .. } in arrivals {
        let email = (*user_id, Node::Email(message.id));
        union.add(email);
        for key in message.own.iter().chain(&message.refs) {
            union.unite(email, (*user_id, Node::Key(*key)));
            keys.insert((*user_id, *key));
        }
        if message.subject.is_some() {
            mailboxes.entry(*user_id).or_default().push(message.clone());
        }
    }
    for (user, messages) in &mailboxes {
        for (email, thread) in threads(messages, &[]) {
            union.unite((*user, Node::Email(email)), (*user, Node::Email(thread)));
        }
    }
    let mut owners: HashMap<Uuid, Uuid> = HashMap::new();
    for (user, key, thread) in find_nodes(connection, &keys).await? {
        union.unite((user, Node::Key(key)), (user, Node::Email(thread)));
        keys.remove(&(user, key));
        owners.insert(thread, user);
    }
    let messages: Vec<(Uuid, &Message)> = arrivals.iter().map(|a| (a.user_id, &a.message)).collect();
    for (user, email, thread) in find_about_the_same(connection, &messages).await? {
        union.unite((user, Node::Email(email)), (user, Node::Email(thread)));
        owners.insert(thread, user);
    }
    let thread_of = |user: Uuid, node: Node| match union.least(&(user, node)) {
        Some((_, Node::Email(thread))) => thread,
        // What has an e-mail in it is represented by one.
        Some((_, Node::Key(_) | Node::Decision(_))) | None => Uuid::nil(),
    };
    let linked: Vec<(&Arrival, Uuid)> =
        arrivals.iter().map(|a| (a, thread_of(a.user_id, Node::Email(a.message.id)))).collect();
    insert(connection, &linked).await?;
    let nodes: Vec<(Uuid, NodeKey, Uuid)> =
        keys.into_iter().map(|(user, key)| (user, key, thread_of(user, Node::Key(key)))).collect();
    insert_nodes(connection, &nodes).await?;
    let renamed: Vec<(Uuid, Uuid)> = owners
        .into_iter()
        .map(|(thread, user)| (thread, thread_of(user, Node::Email(thread))))
        .filter(|(thread, name)| thread != name)
        .collect();
    rename(connection, &renamed).await?;
    Ok(renamed.iter().map(|(thread, _)| *thread).chain(linked.iter().map(|(_, thread)| *thread)).collect())
}

/// Which threads these message ids belong to.
pub(super) async fn find_nodes(
    connection: &mut PgConnection,
    keys: &BTreeSet<(Uuid, NodeKey)>,
) -> Result<Vec<(Uuid, NodeKey, Uuid)>, ApplyFault> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<&(Uuid, NodeKey)> = keys.iter().collect();
    let found = sqlx::query!(
        "SELECT n.user_id, n.key, n.thread_id FROM unnest($1::uuid[], $2::bytea[]) AS k (user_id, key)
         JOIN email_nodes n ON n.user_id = k.user_id AND n.key = k.key",
        &column(&keys, |(user, _)| *user),
        &column(&keys, |(_, key)| &key[..]) as &[&[u8]],
    )
    .fetch_all(connection)
    .await
    .map_err(ApplyFault::database("look for message ids"))?;
    let found = found.into_iter().filter_map(|n| Some((n.user_id, NodeKey::try_from(n.key).ok()?, n.thread_id)));
    Ok(found.collect())
}

/// Which threads hold what belongs to these e-mails by what they are about: the user, the e-mail, the thread.
pub(super) async fn find_about_the_same(
    connection: &mut PgConnection,
    messages: &[(Uuid, &Message)],
) -> Result<Vec<(Uuid, Uuid, Uuid)>, ApplyFault> {
    let about: Vec<(Uuid, &Message, &NodeKey)> =
        messages.iter().filter_map(|(user, message)| Some((*user, *message, message.subject.as_ref()?))).collect();
    if about.is_empty() {
        return Ok(Vec::new());
    }
    let days = TimeDelta::days(SUBJECT_DAYS);
    // Of two that are no bare replies none belongs to the other, and of these there are many: they are not looked at.
    let found = sqlx::query!(
        r#"SELECT m.user_id AS "user_id!", m.email_id AS "email_id!", near.thread_id AS "thread_id!"
           FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[], $5::timestamptz[], $6::timestamptz[],
                       $7::boolean[]) AS m (user_id, email_id, subject, people, since, upto, bare_reply)
           CROSS JOIN LATERAL (
               SELECT l.thread_id FROM email_links l
               WHERE l.subject = m.subject AND l.people = m.people AND l.user_id = m.user_id AND l.bare_reply = true
                 AND l.date BETWEEN m.since AND m.upto AND l.split_by IS NULL
               UNION
               SELECT l.thread_id FROM email_links l
               WHERE l.subject = m.subject AND l.people = m.people AND l.user_id = m.user_id AND l.bare_reply = false
                 AND l.date BETWEEN m.since AND m.upto AND l.split_by IS NULL AND m.bare_reply) AS near"#,
        &column(&about, |(user, _, _)| *user),
        &column(&about, |(_, message, _)| message.id),
        &column(&about, |(_, _, subject)| &subject[..]) as &[&[u8]],
        &column(&about, |(_, message, _)| &message.people[..]) as &[&[u8]],
        &column(&about, |(_, message, _)| moved(message.date, -days)),
        &column(&about, |(_, message, _)| moved(message.date, days)),
        &column(&about, |(_, message, _)| message.bare_reply),
    )
    .fetch_all(connection)
    .await
    .map_err(ApplyFault::database("look for e-mails about the same"))?;
    Ok(found.into_iter().map(|near| (near.user_id, near.email_id, near.thread_id)).collect())
}

/// A date that many days off, as far as there are dates.
fn moved(date: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    date.checked_add_signed(by).unwrap_or(date)
}

/// Writes links of e-mails that have none.
pub(super) async fn insert(connection: &mut PgConnection, linked: &[(&Arrival, Uuid)]) -> Result<(), ApplyFault> {
    if linked.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO email_links (email_id, user_id, thread_id, own, refs, subject, people, bare_reply, date, version)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[],
                              $8::boolean[], $9::timestamptz[], $10::bigint[])",
        &column(linked, |(a, _)| a.message.id),
        &column(linked, |(a, _)| a.user_id),
        &column(linked, |(_, thread)| *thread),
        &column(linked, |(a, _)| a.message.own.as_ref().map(|key| &key[..])) as &[Option<&[u8]>],
        &column(linked, |(a, _)| a.message.refs.concat()),
        &column(linked, |(a, _)| a.message.subject.as_ref().map(|key| &key[..])) as &[Option<&[u8]>],
        &column(linked, |(a, _)| &a.message.people[..]) as &[&[u8]],
        &column(linked, |(a, _)| a.message.bare_reply),
        &column(linked, |(a, _)| a.message.date),
        &column(linked, |(a, _)| a.version),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("link e-mails"))?;
    Ok(())
}

async fn insert_nodes(connection: &mut PgConnection, nodes: &[(Uuid, NodeKey, Uuid)]) -> Result<(), ApplyFault> {
    if nodes.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO email_nodes (user_id, key, thread_id) SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::uuid[])",
        &column(nodes, |(user, _, _)| *user),
        &column(nodes, |(_, key, _)| &key[..]) as &[&[u8]],
        &column(nodes, |(_, _, thread)| *thread),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("write message ids"))?;
    Ok(())
}

/// Gives threads the name of the one that took them in.
async fn rename(connection: &mut PgConnection, renamed: &[(Uuid, Uuid)]) -> Result<(), ApplyFault> {
    if renamed.is_empty() {
        return Ok(());
    }
    let (old, new) = (column(renamed, |(old, _)| *old), column(renamed, |(_, new)| *new));
    sqlx::query!(
        "UPDATE email_links l SET thread_id = r.new FROM unnest($1::uuid[], $2::uuid[]) AS r (old, new)
         WHERE l.thread_id = r.old",
        &old,
        &new
    )
    .execute(&mut *connection)
    .await
    .map_err(ApplyFault::database("unite threads"))?;
    sqlx::query!(
        "UPDATE email_nodes n SET thread_id = r.new FROM unnest($1::uuid[], $2::uuid[]) AS r (old, new)
         WHERE n.thread_id = r.old",
        &old,
        &new
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("unite threads of message ids"))?;
    Ok(())
}
