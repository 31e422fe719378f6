//! The activities projection: every fact in the log, told as a sentence.

mod sentences;
mod subjects;

use std::collections::HashSet;

use orbit_domain::activities::Trigrams;
use orbit_events::{Envelope, Recorded, entity_type, told};
use serde_json::value::RawValue;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{
    copy,
    rows::{self, column},
};
use crate::projection::{ApplyFault, Interest, Projection, Tables};
use subjects::Subjects;

/// Tells every fact; of those who were forgotten without words.
pub struct Activities;

impl Projection for Activities {
    const NAME: &'static str = "activities";
    const VERSION: i32 = 2;
    const INTEREST: Interest = Interest::All;
    const TABLES: &'static [&'static str] = &["activities", "activity_subjects"];
    const ONLY_ADDED_TO: &'static [&'static str] = &["activities"];

    async fn apply(connection: &mut PgConnection, facts: &[&Recorded]) -> Result<(), ApplyFault> {
        tell(connection, facts, Tables::Serving).await
    }

    async fn fill(connection: &mut PgConnection, facts: &[&Recorded]) -> Result<(), ApplyFault> {
        tell(connection, facts, Tables::Fresh).await
    }
}

async fn tell(connection: &mut PgConnection, facts: &[&Recorded], tables: Tables) -> Result<(), ApplyFault> {
    let erased = rows::erased(facts);
    let mut subjects = Subjects::load(connection, facts).await?;
    subjects.erased.extend(rows::ids(&erased));
    let rows: Vec<Row> = facts.iter().map(|fact| Row::of(fact, &mut subjects)).collect();
    match tables {
        Tables::Serving => insert(connection, &rows).await?,
        Tables::Fresh => copy(connection, &rows).await?,
    }
    subjects.store(connection, tables).await?;
    if !erased.is_empty() {
        strip(connection, &rows::ids(&erased)).await?;
        subjects::erase(connection, &erased).await?;
    }
    Ok(())
}

/// An entry.
struct Row<'a> {
    envelope: &'a Envelope,
    description: String,
    trigrams: Trigrams,
    metadata: Option<Box<RawValue>>,
    run_id: Option<Uuid>,
}

impl<'a> Row<'a> {
    fn of(fact: &'a Recorded, subjects: &mut Subjects) -> Self {
        let envelope = &fact.envelope;
        let run_id = match envelope.metadata.actor {
            orbit_events::Actor::Agent { run_id } => Some(run_id),
            orbit_events::Actor::User | orbit_events::Actor::System | orbit_events::Actor::Integration { .. } => None,
        };
        let event = fact.event().filter(|_| !subjects.erased.contains(&envelope.user_id.0));
        let Some(event) = event else {
            let description = sentences::without_words(&envelope.wire_type);
            return Self { envelope, trigrams: Trigrams::of(&description), description, metadata: None, run_id };
        };
        let description = sentences::sentence(event, envelope.stream_id, subjects);
        subjects.learn(envelope, event);
        Self { envelope, trigrams: Trigrams::of(&description), description, metadata: Some(told(event)), run_id }
    }
}

async fn insert(connection: &mut PgConnection, rows: &[Row<'_>]) -> Result<(), ApplyFault> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO activities (id, user_id, position, at, actor, action_type, schema_version, description, entity_type,
                                 entity_id, metadata, session_id, run_id, correlation_id, causation_id, trigrams_low,
                                 trigrams_high)
         SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::bigint[]), unnest($4::timestamptz[]),
                unnest($5::jsonb[]), unnest($6::text[]), unnest($7::smallint[]), unnest($8::text[]), unnest($9::text[]),
                unnest($10::uuid[]), unnest($11::jsonb[]), unnest($12::uuid[]), unnest($13::uuid[]),
                unnest($14::uuid[]), unnest($15::uuid[]), unnest($16::bigint[]), unnest($17::bigint[])
         ON CONFLICT (id) DO NOTHING",
        &column(rows, |r| r.envelope.event_id.0),
        &column(rows, |r| r.envelope.user_id.0),
        &column(rows, |r| r.envelope.position),
        &column(rows, |r| r.envelope.recorded_at),
        &column(rows, |r| Json(r.envelope.metadata.actor)) as &[Json<orbit_events::Actor>],
        &column(rows, |r| &*r.envelope.wire_type) as &[&str],
        &column(rows, |r| r.envelope.schema_version),
        &column(rows, |r| &*r.description) as &[&str],
        &column(rows, |r| entity_type(&r.envelope.category)) as &[&str],
        &column(rows, |r| r.envelope.stream_id),
        &column(rows, |r| r.metadata.as_deref().map(Json)) as &[Option<Json<&RawValue>>],
        &column(rows, |r| r.envelope.metadata.session_id) as &[Option<Uuid>],
        &column(rows, |r| r.run_id) as &[Option<Uuid>],
        &column(rows, |r| r.envelope.metadata.correlation_id),
        &column(rows, |r| r.envelope.metadata.causation_id.map(Uuid::from)) as &[Option<Uuid>],
        &column(rows, |r| r.trigrams.low),
        &column(rows, |r| r.trigrams.high),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("write activities"))?;
    Ok(())
}

async fn copy(connection: &mut PgConnection, rows: &[Row<'_>]) -> Result<(), ApplyFault> {
    let statement = "COPY activities (id, user_id, position, at, actor, action_type, schema_version, description,
        entity_type, entity_id, metadata, session_id, run_id, correlation_id, causation_id, trigrams_low, trigrams_high)
        FROM STDIN BINARY";
    copy::write(connection, statement, "fill activities", rows, |row, fields| {
        let Row { envelope, description, trigrams, metadata, run_id } = row;
        fields.put(envelope.event_id.0)?;
        fields.put(envelope.user_id.0)?;
        fields.put(envelope.position)?;
        fields.put(envelope.recorded_at)?;
        fields.put(Json(envelope.metadata.actor))?;
        fields.put(&*envelope.wire_type)?;
        fields.put(envelope.schema_version)?;
        fields.put(&**description)?;
        fields.put(entity_type(&envelope.category))?;
        fields.put(envelope.stream_id)?;
        fields.put(metadata.as_deref().map(Json))?;
        fields.put(envelope.metadata.session_id)?;
        fields.put(*run_id)?;
        fields.put(envelope.metadata.correlation_id)?;
        fields.put(envelope.metadata.causation_id.map(Uuid::from))?;
        fields.put(trigrams.low)?;
        fields.put(trigrams.high)
    })
    .await
}

/// Leaves of the users' entries what a rebuild would, now that their words are gone.
async fn strip(connection: &mut PgConnection, users: &[Uuid]) -> Result<(), ApplyFault> {
    let types: Vec<String> = sqlx::query_scalar!(
        "SELECT DISTINCT action_type FROM activities WHERE user_id = ANY($1) ORDER BY action_type LIMIT 10000",
        users
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(ApplyFault::database("look at what a user did"))?;
    let sentences: Vec<String> = types.iter().map(|wire_type| sentences::without_words(wire_type)).collect();
    let trigrams: Vec<Trigrams> = sentences.iter().map(|sentence| Trigrams::of(sentence)).collect();
    sqlx::query!(
        "UPDATE activities a SET description = s.sentence, trigrams_low = s.low, trigrams_high = s.high, metadata = NULL
         FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[]) AS s (action_type, sentence, low, high)
         WHERE a.user_id = ANY($1) AND a.action_type = s.action_type
           AND (a.metadata IS NOT NULL OR a.description <> s.sentence)",
        users,
        &types,
        &sentences,
        &column(&trigrams, |trigrams| trigrams.low),
        &column(&trigrams, |trigrams| trigrams.high),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("take a user's words out of activities"))?;
    Ok(())
}

/// Users of whom nothing but the bare facts may be told.
type Erased = HashSet<Uuid>;
