//! Rows of `activity_subjects`: what things are called, so that later facts about them can say so.

use std::collections::{HashMap, HashSet};

use orbit_events::{Envelope, Event, Recorded};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Erased,
    sentences::{self, Names},
};
use crate::{
    projection::{ApplyFault, Tables},
    projections::{
        copy,
        rows::{self, Gone, column},
    },
};

/// The names that a batch of facts needs and gives.
pub(super) struct Subjects {
    known: HashMap<Uuid, Subject>,
    /// Users of whom nothing but the bare facts may be told.
    pub erased: Erased,
}

struct Subject {
    user_id: Uuid,
    label: String,
    version: i64,
    /// Whether it began with these facts.
    is_new: bool,
    changed: bool,
}

impl Names for Subjects {
    fn name(&self, id: Uuid) -> Option<&str> {
        self.known.get(&id).map(|subject| subject.label.as_str())
    }
}

impl Subjects {
    /// Reads what the things that these facts speak of are called.
    pub async fn load(connection: &mut PgConnection, facts: &[&Recorded]) -> Result<Self, ApplyFault> {
        let mut wanted: HashSet<Uuid> = HashSet::with_capacity(facts.len());
        for fact in facts {
            wanted.insert(fact.envelope.user_id.0);
            wanted.extend(fact.event().and_then(sentences::mentioned));
            // What begins with this fact has no name yet; if it is delivered again, its entry is there already.
            if fact.envelope.version > 1 {
                wanted.insert(fact.envelope.stream_id);
            }
        }
        let wanted: Vec<Uuid> = wanted.into_iter().collect();
        let rows = sqlx::query!(
            "SELECT entity_id, user_id, label, version FROM activity_subjects WHERE entity_id = ANY($1)",
            &wanted
        )
        .fetch_all(connection)
        .await
        .map_err(ApplyFault::database("read what things are called"))?;
        let mut subjects = Self { known: HashMap::with_capacity(facts.len()), erased: HashSet::new() };
        for row in rows {
            let Some(label) = row.label else {
                subjects.erased.insert(row.user_id);
                continue;
            };
            let subject = Subject { user_id: row.user_id, label, version: row.version, is_new: false, changed: false };
            subjects.known.insert(row.entity_id, subject);
        }
        Ok(subjects)
    }

    /// Takes note of the name that a fact gives.
    pub fn learn(&mut self, envelope: &Envelope, event: &Event) {
        let Some(name) = sentences::name_given(event) else { return };
        let known = self.known.get(&envelope.stream_id);
        let is_new = known.map_or(envelope.version == 1, |subject| subject.is_new);
        if envelope.version > known.map_or(0, |subject| subject.version) {
            let subject = Subject {
                user_id: envelope.user_id.0,
                label: sentences::cut(name),
                version: envelope.version,
                is_new,
                changed: true,
            };
            self.known.insert(envelope.stream_id, subject);
        }
    }

    /// Writes the names that were new.
    pub async fn store(&self, connection: &mut PgConnection, tables: Tables) -> Result<(), ApplyFault> {
        let changed = |(_, subject): &(&Uuid, &Subject)| subject.changed && !self.erased.contains(&subject.user_id);
        let is_copied = |(_, subject): &(&Uuid, &Subject)| tables == Tables::Fresh && subject.is_new;
        let (new, others): (Vec<_>, Vec<_>) = self.known.iter().filter(changed).partition(is_copied);
        copy(connection, &new).await?;
        write(connection, &others).await
    }
}

/// Writes names of what has none in these tables.
async fn copy(connection: &mut PgConnection, rows: &[(&Uuid, &Subject)]) -> Result<(), ApplyFault> {
    let statement = "COPY activity_subjects (entity_id, user_id, label, version) FROM STDIN BINARY";
    copy::write(connection, statement, "fill in what things are called", rows, |(id, subject), fields| {
        fields.put(**id)?;
        fields.put(subject.user_id)?;
        fields.put(&*subject.label)?;
        fields.put(subject.version)
    })
    .await
}

async fn write(connection: &mut PgConnection, rows: &[(&Uuid, &Subject)]) -> Result<(), ApplyFault> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO activity_subjects AS s (entity_id, user_id, label, version)
         SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::text[]), unnest($4::bigint[])
         ON CONFLICT (entity_id) DO UPDATE SET label = excluded.label, version = excluded.version
             WHERE s.version < excluded.version",
        &column(rows, |(id, _)| **id),
        &column(rows, |(_, subject)| subject.user_id),
        &column(rows, |(_, subject)| &*subject.label) as &[&str],
        &column(rows, |(_, subject)| subject.version),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("write what things are called"))?;
    Ok(())
}

/// Forgets what erased users called things, and remembers that they were erased.
pub(super) async fn erase(connection: &mut PgConnection, erased: &[Gone]) -> Result<(), ApplyFault> {
    let users = rows::ids(erased);
    sqlx::query!("DELETE FROM activity_subjects WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("forget what a user called things"))?;
    sqlx::query!(
        "INSERT INTO activity_subjects (entity_id, user_id, label, version)
         SELECT u.id, u.id, NULL, u.version FROM unnest($1::uuid[], $2::bigint[]) AS u (id, version)",
        &users,
        &column(erased, |user| user.version),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("remember who was erased"))?;
    Ok(())
}
