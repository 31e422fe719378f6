//! Threads about which a user has decided something: the whole of them is looked at, and written where it differs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use orbit_domain::emails::threads::{Decision, Message, NodeKey, split_off, threads};
use sqlx::PgConnection;
use uuid::Uuid;

use super::links::{Arrival, Touched, find_about_the_same, find_nodes, insert};
use crate::{projection::ApplyFault, projections::rows::column};

/// A link as it is.
struct Link {
    thread_id: Uuid,
    split_by: Option<Uuid>,
    message: Message,
}

/// Links what came in for a user, and settles what is decided about otherwise.
///
/// An e-mail's own edges change only if it came in or decisions speak of it otherwise. All that those e-mails had edges
/// to before, or have now, is in threads that are read here, so nothing outside of them is any different.
pub(super) async fn settle(
    connection: &mut PgConnection,
    user: Uuid,
    arrivals: &[Arrival],
    decided: HashSet<Uuid>,
) -> Result<Touched, ApplyFault> {
    // Each for itself at first.
    let linked: Vec<(&Arrival, Uuid)> = arrivals.iter().map(|arrival| (arrival, arrival.message.id)).collect();
    insert(connection, &linked).await?;
    let mut moving = decided;
    moving.extend(arrivals.iter().map(|arrival| arrival.message.id));
    let moving_ids: Vec<Uuid> = moving.iter().copied().collect();
    let mates = find_decisions(connection, user, &moving_ids).await?;
    let named = mates.iter().flat_map(|(_, emails)| emails.iter().copied());
    let named: Vec<Uuid> = moving.iter().copied().chain(named).collect::<BTreeSet<_>>().into_iter().collect();

    let mut around = BTreeSet::new();
    let of_named = find_links(connection, user, &named, Of::Emails).await?;
    around.extend(of_named.iter().map(|link| link.thread_id));
    let moved: Vec<(Uuid, &Message)> =
        of_named.iter().filter(|link| moving.contains(&link.message.id)).map(|link| (user, &link.message)).collect();
    let keys = moved.iter().flat_map(|(_, message)| message.own.iter().chain(&message.refs));
    let keys: BTreeSet<(Uuid, NodeKey)> = keys.map(|key| (user, *key)).collect();
    around.extend(find_nodes(connection, &keys).await?.into_iter().map(|(_, _, thread)| thread));
    around.extend(find_about_the_same(connection, &moved).await?.into_iter().map(|(_, _, thread)| thread));
    let around: Vec<Uuid> = around.into_iter().collect();
    if around.is_empty() {
        return Ok(Touched::new());
    }

    let links = find_links(connection, user, &around, Of::Threads).await?;
    let ids: Vec<Uuid> = links.iter().map(|link| link.message.id).collect();
    let decisions: Vec<Decision> =
        find_decisions(connection, user, &ids).await?.into_iter().map(|(decision, _)| decision).collect();
    let mut before = HashMap::with_capacity(links.len());
    let mut messages = Vec::with_capacity(links.len());
    for Link { thread_id, split_by, message } in links {
        before.insert(message.id, (thread_id, split_by));
        messages.push(message);
    }
    let split = split_off(&decisions);
    let after = threads(&messages, &decisions);
    let changed: Vec<(Uuid, Uuid, Option<Uuid>)> = after
        .iter()
        .map(|(email, thread)| (*email, *thread, split.get(email).copied()))
        .filter(|(email, thread, split_by)| before.get(email) != Some(&(*thread, *split_by)))
        .collect();
    move_links(connection, &changed).await?;
    move_nodes(connection, user, &around, &messages, &after, &split).await?;

    let mut touched: Touched = arrivals.iter().filter_map(|a| after.get(&a.message.id).copied()).collect();
    for (email, thread, _) in &changed {
        touched.insert(*thread);
        touched.extend(before.get(email).map(|(thread, _)| *thread));
    }
    Ok(touched)
}

/// The decisions that hold and name any of these e-mails, in the order of the log, and whom they name.
async fn find_decisions(
    connection: &mut PgConnection,
    user: Uuid,
    emails: &[Uuid],
) -> Result<Vec<(Decision, Vec<Uuid>)>, ApplyFault> {
    let found = sqlx::query!(
        "SELECT id, kind, email_ids FROM email_decisions
         WHERE user_id = $1 AND email_ids && $2 AND kind <> 'dissolved' ORDER BY position",
        user,
        emails
    )
    .fetch_all(connection)
    .await
    .map_err(ApplyFault::database("read decisions about e-mails"))?;
    let decision = |kind: &str, id, emails| match kind {
        "split" => Decision::Split(id, emails),
        _ => Decision::Merged(id, emails),
    };
    Ok(found.into_iter().map(|d| (decision(&d.kind, d.id, d.email_ids.clone()), d.email_ids)).collect())
}

/// What ids are of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Emails,
    Threads,
}

async fn find_links(connection: &mut PgConnection, user: Uuid, ids: &[Uuid], of: Of) -> Result<Vec<Link>, ApplyFault> {
    let found = sqlx::query!(
        "SELECT email_id, thread_id, own, refs, subject, people, bare_reply, date, split_by FROM email_links
         WHERE user_id = $1 AND email_id = ANY($2)
         UNION ALL
         SELECT email_id, thread_id, own, refs, subject, people, bare_reply, date, split_by FROM email_links
         WHERE user_id = $1 AND thread_id = ANY($3)",
        user,
        if of == Of::Emails { ids } else { &[] },
        if of == Of::Threads { ids } else { &[] },
    )
    .fetch_all(connection)
    .await
    .map_err(ApplyFault::database("read what links e-mails"))?;
    let links = found.into_iter().filter_map(|link| {
        let key = |bytes: Vec<u8>| NodeKey::try_from(bytes).ok();
        let message = Message {
            id: link.email_id?,
            date: link.date?,
            own: link.own.and_then(key),
            refs: link.refs?.as_chunks().0.to_vec(),
            subject: link.subject.and_then(key),
            people: link.people.and_then(key)?,
            bare_reply: link.bare_reply?,
        };
        Some(Link { thread_id: link.thread_id?, split_by: link.split_by, message })
    });
    Ok(links.collect())
}

async fn move_links(connection: &mut PgConnection, changed: &[(Uuid, Uuid, Option<Uuid>)]) -> Result<(), ApplyFault> {
    if changed.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE email_links l SET thread_id = r.thread_id, split_by = r.split_by
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS r (email_id, thread_id, split_by)
         WHERE l.email_id = r.email_id",
        &column(changed, |(email, _, _)| *email),
        &column(changed, |(_, thread, _)| *thread),
        &column(changed, |(_, _, split_by)| *split_by) as &[Option<Uuid>],
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("link e-mails as was decided"))?;
    Ok(())
}

/// A message id belongs to the thread of those who own or name it and are not split off; without such it has no row.
async fn move_nodes(
    connection: &mut PgConnection,
    user: Uuid,
    around: &[Uuid],
    messages: &[Message],
    threads: &BTreeMap<Uuid, Uuid>,
    split: &HashMap<Uuid, Uuid>,
) -> Result<(), ApplyFault> {
    let (mut held, mut let_go) = (BTreeMap::new(), BTreeSet::new());
    for message in messages {
        for key in message.own.iter().chain(&message.refs) {
            match threads.get(&message.id) {
                Some(thread) if !split.contains_key(&message.id) => {
                    held.insert(*key, *thread);
                }
                Some(_) | None => {
                    let_go.insert(*key);
                }
            }
        }
    }
    let let_go: Vec<NodeKey> = let_go.into_iter().filter(|key| !held.contains_key(key)).collect();
    let held: Vec<(NodeKey, Uuid)> = held.into_iter().collect();
    if !held.is_empty() {
        sqlx::query!(
            "INSERT INTO email_nodes AS n (user_id, key, thread_id)
             SELECT $1, * FROM unnest($2::bytea[], $3::uuid[])
             ON CONFLICT (user_id, key) DO UPDATE SET thread_id = excluded.thread_id
                 WHERE n.thread_id <> excluded.thread_id",
            user,
            &column(&held, |(key, _)| &key[..]) as &[&[u8]],
            &column(&held, |(_, thread)| *thread),
        )
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("write message ids as was decided"))?;
    }
    if !let_go.is_empty() {
        // One that belongs to a thread which was not read is held there by somebody else.
        sqlx::query!(
            "DELETE FROM email_nodes WHERE user_id = $1 AND key = ANY($2) AND thread_id = ANY($3)",
            user,
            &column(&let_go, |key| &key[..]) as &[&[u8]],
            around,
        )
        .execute(connection)
        .await
        .map_err(ApplyFault::database("let go of message ids"))?;
    }
    Ok(())
}
