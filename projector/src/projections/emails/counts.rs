//! What is counted of e-mails, and their labels: kept in step with their rows by what the database says has changed.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::email::{Change, Place};
use crate::{projection::ApplyFault, projections::rows::column};

/// Brings counts and labels to where the rows are.
pub(super) async fn follow(connection: &mut PgConnection, changes: &[Change]) -> Result<(), ApplyFault> {
    count_places(connection, changes).await?;
    count_languages(connection, changes).await?;
    relabel(connection, changes).await
}

/// What was before, to be taken away, and what is now, to be added.
fn sides(change: &Change) -> impl Iterator<Item = (i64, &Place)> {
    change.before.iter().map(|place| (-1, place)).chain(change.after.iter().map(|place| (1, place)))
}

async fn count_places(connection: &mut PgConnection, changes: &[Change]) -> Result<(), ApplyFault> {
    let mut deltas: BTreeMap<(Uuid, Uuid, &str), (i64, i64)> = BTreeMap::new();
    for change in changes {
        for (sign, place) in sides(change) {
            let (emails, unread) = deltas.entry((change.user_id, place.folder_id, &place.role)).or_default();
            *emails += sign;
            *unread += if place.is_read { 0 } else { sign };
        }
    }
    deltas.retain(|_, delta| *delta != (0, 0));
    if deltas.is_empty() {
        return Ok(());
    }
    let deltas: Vec<_> = deltas.into_iter().collect();
    sqlx::query!(
        "INSERT INTO email_counts AS c (user_id, folder_id, role, emails, unread)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[])
         ON CONFLICT (user_id, folder_id, role) DO UPDATE
             SET emails = c.emails + excluded.emails, unread = c.unread + excluded.unread",
        &column(&deltas, |((user, _, _), _)| *user),
        &column(&deltas, |((_, folder, _), _)| *folder),
        &column(&deltas, |((_, _, role), _)| *role) as &[&str],
        &column(&deltas, |(_, (emails, _))| *emails),
        &column(&deltas, |(_, (_, unread))| *unread),
    )
    .execute(&mut *connection)
    .await
    .map_err(ApplyFault::database("count e-mails"))?;
    let fewer: Vec<_> = deltas.into_iter().filter(|(_, (emails, _))| *emails < 0).collect();
    if fewer.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "DELETE FROM email_counts c USING unnest($1::uuid[], $2::uuid[], $3::text[]) AS k (user_id, folder_id, role)
         WHERE c.user_id = k.user_id AND c.folder_id = k.folder_id AND c.role = k.role AND c.emails = 0",
        &column(&fewer, |((user, _, _), _)| *user),
        &column(&fewer, |((_, folder, _), _)| *folder),
        &column(&fewer, |((_, _, role), _)| *role) as &[&str],
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("remove counts of nothing"))?;
    Ok(())
}

async fn count_languages(connection: &mut PgConnection, changes: &[Change]) -> Result<(), ApplyFault> {
    let mut deltas: BTreeMap<(Uuid, &str), i64> = BTreeMap::new();
    for change in changes {
        for (sign, place) in sides(change) {
            if let Some(language) = &place.language {
                *deltas.entry((change.user_id, language)).or_default() += sign;
            }
        }
    }
    deltas.retain(|_, delta| *delta != 0);
    if deltas.is_empty() {
        return Ok(());
    }
    let deltas: Vec<_> = deltas.into_iter().collect();
    sqlx::query!(
        "INSERT INTO email_languages AS l (user_id, language, emails)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[])
         ON CONFLICT (user_id, language) DO UPDATE SET emails = l.emails + excluded.emails",
        &column(&deltas, |((user, _), _)| *user),
        &column(&deltas, |((_, language), _)| *language) as &[&str],
        &column(&deltas, |(_, emails)| *emails),
    )
    .execute(&mut *connection)
    .await
    .map_err(ApplyFault::database("count languages"))?;
    let fewer: Vec<_> = deltas.into_iter().filter(|(_, emails)| *emails < 0).collect();
    if fewer.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "DELETE FROM email_languages l USING unnest($1::uuid[], $2::text[]) AS k (user_id, language)
         WHERE l.user_id = k.user_id AND l.language = k.language AND l.emails = 0",
        &column(&fewer, |((user, _), _)| *user),
        &column(&fewer, |((_, language), _)| *language) as &[&str],
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("remove languages of nothing"))?;
    Ok(())
}

/// Takes labels away first: an e-mail that was deleted and came back may have the same.
async fn relabel(connection: &mut PgConnection, changes: &[Change]) -> Result<(), ApplyFault> {
    let labels = |place: &Option<Place>| place.as_ref().map_or_else(Vec::new, |place| place.labels.clone());
    let (mut off, mut on) = (Vec::new(), Vec::new());
    for change in changes {
        let (before, after) = (labels(&change.before), labels(&change.after));
        off.extend(before.iter().filter(|label| !after.contains(label)).map(|label| (change.id, label.clone())));
        on.extend(after.into_iter().filter(|label| !before.contains(label)).map(|label| (change, label)));
    }
    if !off.is_empty() {
        sqlx::query!(
            "DELETE FROM email_labels l USING unnest($1::uuid[], $2::text[]) AS k (email_id, label)
             WHERE l.email_id = k.email_id AND l.label = k.label",
            &column(&off, |(email, _)| *email),
            &column(&off, |(_, label)| &**label) as &[&str],
        )
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("take labels off e-mails"))?;
    }
    if !on.is_empty() {
        sqlx::query!(
            "INSERT INTO email_labels (email_id, user_id, label, date)
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[]) ON CONFLICT DO NOTHING",
            &column(&on, |(change, _)| change.id),
            &column(&on, |(change, _)| change.user_id),
            &column(&on, |(_, label)| &**label) as &[&str],
            &column(&on, |(change, _)| change.date),
        )
        .execute(connection)
        .await
        .map_err(ApplyFault::database("put labels on e-mails"))?;
    }
    Ok(())
}
