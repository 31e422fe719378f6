//! One batch of appends: which requests may share it, and the arrays in which it travels to the database.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// What a command decided, sealed and ready to be appended: all of it or nothing.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub writes: Vec<Write>,
    /// Streams that were read and must not have moved.
    pub guards: Vec<(Uuid, i64)>,
    pub released: Vec<Grip>,
    pub taken: Vec<Grip>,
    pub answer: Option<KeptAnswer>,
}

/// New facts of one stream.
#[derive(Debug)]
pub(crate) struct Write {
    pub stream_id: Uuid,
    pub category: &'static str,
    pub user_id: Uuid,
    pub partition: i16,
    /// Version before the first new fact; 0 for a new stream.
    pub expected: i64,
    pub facts: Vec<SealedFact>,
}

impl Write {
    fn version(&self) -> i64 {
        self.expected + i64::try_from(self.facts.len()).unwrap_or(i64::MAX)
    }
}

/// A sealed fact before it has a position.
#[derive(Debug)]
pub(crate) struct SealedFact {
    pub event_id: Uuid,
    pub wire_type: &'static str,
    pub schema_version: i16,
    pub data: Vec<u8>,
    /// Metadata as JSON.
    pub metadata: Arc<str>,
    pub at: DateTime<Utc>,
}

/// A claim taken or released by a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grip {
    pub scope: &'static str,
    pub key: Vec<u8>,
    pub stream_id: Uuid,
}

/// The answer to keep under an idempotency key.
#[derive(Debug)]
pub(crate) struct KeptAnswer {
    pub scope: Uuid,
    pub key: String,
    pub fingerprint: [u8; 32],
    pub sealed: Vec<u8>,
    /// Position to keep with the answer if the request appends nothing.
    pub position: i64,
    pub at: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

impl Request {
    /// How many facts it appends.
    pub fn facts(&self) -> usize {
        self.writes.iter().map(|write| write.facts.len()).sum()
    }

    /// Bytes of payload and metadata, for the batch's limit.
    pub fn bytes(&self) -> usize {
        let facts = self.writes.iter().flat_map(|write| &write.facts);
        facts.map(|fact| fact.data.len() + fact.metadata.len()).sum::<usize>()
            + self.answer.as_ref().map_or(0, |answer| answer.sealed.len())
    }
}

/// What the requests of a batch touch. Two requests that would judge each other wait for different batches.
#[derive(Default)]
pub(crate) struct Footprint {
    written: HashSet<Uuid>,
    guarded: HashSet<Uuid>,
    /// Hashes of claims and idempotency keys: two that share one by chance wait for each other, which harms nobody.
    names: HashSet<u64>,
}

impl Footprint {
    /// Whether a request touches what is in the batch. Guarding together is no conflict.
    pub fn touches(&self, request: &Request) -> bool {
        request.writes.iter().any(|w| self.written.contains(&w.stream_id) || self.guarded.contains(&w.stream_id))
            || request.guards.iter().any(|(stream, _)| self.written.contains(stream))
            || names(request).any(|name| self.names.contains(&name))
    }

    /// Adds a request, unless it touches what is already in the batch.
    pub fn admit(&mut self, request: &Request) -> bool {
        if self.touches(request) {
            return false;
        }
        self.add(request);
        true
    }

    /// Adds a request, whatever it touches.
    pub fn add(&mut self, request: &Request) {
        self.written.extend(request.writes.iter().map(|write| write.stream_id));
        self.guarded.extend(request.guards.iter().map(|(stream, _)| *stream));
        self.names.extend(names(request));
    }
}

/// What a request claims and the idempotency key it comes under, hashed.
fn names(request: &Request) -> impl Iterator<Item = u64> {
    let claims = request.taken.iter().chain(&request.released).map(|grip| hash(&(grip.scope, &grip.key)));
    claims.chain(request.answer.iter().map(|answer| hash(&(answer.scope, &answer.key))))
}

fn hash(name: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// SQLSTATEs of `log.append` when something stood in the way of one of the requests: its own, and a unique violation.
pub(crate) const SURPRISES: [&str; 2] = ["OR001", "23505"];

/// Appends all requests or none; returns the position before the first fact.
pub(crate) async fn append(connection: &mut PgConnection, requests: &[&Request]) -> Result<i64, sqlx::Error> {
    // Streams that are new come first: log.append inserts those and updates the others. Within each kind, and among
    // claims, the order is the same for everybody, so that batches of several processes seldom deadlock.
    let mut writes: Vec<&Write> = requests.iter().flat_map(|request| &request.writes).collect();
    writes.sort_unstable_by_key(|write| (write.expected != 0, write.stream_id));
    let new = i32::try_from(writes.iter().filter(|write| write.expected == 0).count()).unwrap_or(i32::MAX);
    let column = |pick: fn(&Write) -> Uuid| writes.iter().map(|write| pick(write)).collect::<Vec<_>>();
    let number = |pick: fn(&Write) -> i64| writes.iter().map(|write| pick(write)).collect::<Vec<_>>();
    let categories: Vec<&str> = writes.iter().map(|write| write.category).collect();
    let (guarded, guard_versions): (Vec<Uuid>, Vec<i64>) = unique_guards(requests).into_iter().unzip();
    let events = Events::of(requests);
    let released = Grips::of(requests.iter().flat_map(|request| &request.released));
    let taken = Grips::of(requests.iter().flat_map(|request| &request.taken));
    let answers = Answers::of(requests);

    sqlx::query_scalar!(
        r#"SELECT log.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
                             $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33) AS "base!""#,
        &column(|w| w.stream_id),
        &categories as &[&str],
        &column(|w| w.user_id),
        &number(|w| w.expected),
        &number(Write::version),
        new,
        &guarded,
        &guard_versions,
        &events.ids,
        &events.users,
        &events.partitions,
        &events.categories as &[&str],
        &events.streams,
        &events.versions,
        &events.types as &[&str],
        &events.schemas,
        &events.data as &[&[u8]],
        &events.metadata as &[&str],
        &events.at,
        &released.scopes as &[&str],
        &released.keys as &[&[u8]],
        &released.streams,
        &taken.scopes as &[&str],
        &taken.keys as &[&[u8]],
        &taken.streams,
        &answers.scopes,
        &answers.keys as &[&str],
        &answers.fingerprints as &[&[u8]],
        &answers.sealed as &[&[u8]],
        &answers.offsets,
        &answers.positions as &[Option<i64>],
        &answers.at,
        &answers.until,
    )
    .fetch_one(connection)
    .await
}

/// Why a request must be turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Objection {
    Version,
    Claim(String),
    Key,
}

/// Asks which requests stand in their own way, after [`append`] met a surprise.
pub(crate) async fn examine(
    connection: &mut PgConnection,
    requests: &[&Request],
) -> Result<Vec<(usize, Objection)>, sqlx::Error> {
    let numbered = || requests.iter().zip(0_i32..);
    let streams: Vec<(i32, Uuid, Option<Uuid>, i64)> = numbered()
        .flat_map(|(request, n)| {
            let writes = request.writes.iter().map(move |w| (n, w.stream_id, Some(w.user_id), w.expected));
            writes.chain(request.guards.iter().map(move |(stream, version)| (n, *stream, None, *version)))
        })
        .collect();
    let released: Vec<(i32, &Grip)> = numbered().flat_map(|(r, n)| r.released.iter().map(move |g| (n, g))).collect();
    let taken: Vec<(i32, &Grip)> = numbered().flat_map(|(r, n)| r.taken.iter().map(move |g| (n, g))).collect();
    let keys: Vec<(i32, &KeptAnswer)> = numbered().filter_map(|(r, n)| Some((n, r.answer.as_ref()?))).collect();

    let rows = sqlx::query!(
        r#"SELECT request AS "request!", reason AS "reason!", scope
           FROM log.examine($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"#,
        &streams.iter().map(|s| s.0).collect::<Vec<_>>(),
        &streams.iter().map(|s| s.1).collect::<Vec<_>>(),
        &streams.iter().map(|s| s.2).collect::<Vec<_>>() as &[Option<Uuid>],
        &streams.iter().map(|s| s.3).collect::<Vec<_>>(),
        &released.iter().map(|r| r.0).collect::<Vec<_>>(),
        &released.iter().map(|r| r.1.scope).collect::<Vec<_>>() as &[&str],
        &released.iter().map(|r| &r.1.key[..]).collect::<Vec<_>>() as &[&[u8]],
        &released.iter().map(|r| r.1.stream_id).collect::<Vec<_>>(),
        &taken.iter().map(|t| t.0).collect::<Vec<_>>(),
        &taken.iter().map(|t| t.1.scope).collect::<Vec<_>>() as &[&str],
        &taken.iter().map(|t| &t.1.key[..]).collect::<Vec<_>>() as &[&[u8]],
        &keys.iter().map(|k| k.0).collect::<Vec<_>>(),
        &keys.iter().map(|k| k.1.scope).collect::<Vec<_>>(),
        &keys.iter().map(|k| &k.1.key[..]).collect::<Vec<_>>() as &[&str],
        &keys.iter().map(|k| k.1.at).collect::<Vec<_>>(),
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let objection = match row.reason {
                1 => Objection::Version,
                2 => Objection::Claim(row.scope.unwrap_or_default()),
                _ => Objection::Key,
            };
            Some((usize::try_from(row.request).ok()?, objection))
        })
        .collect())
}

/// Several requests may guard one stream (at the same version, or the batch is a surprise): it is counted once.
fn unique_guards(requests: &[&Request]) -> HashSet<(Uuid, i64)> {
    requests.iter().flat_map(|request| request.guards.iter().copied()).collect()
}

#[derive(Default)]
struct Events<'a> {
    ids: Vec<Uuid>,
    users: Vec<Uuid>,
    partitions: Vec<i16>,
    categories: Vec<&'a str>,
    streams: Vec<Uuid>,
    versions: Vec<i64>,
    types: Vec<&'a str>,
    schemas: Vec<i16>,
    data: Vec<&'a [u8]>,
    metadata: Vec<&'a str>,
    at: Vec<DateTime<Utc>>,
}

impl<'a> Events<'a> {
    fn of(requests: &[&'a Request]) -> Self {
        let mut columns = Self::default();
        for write in requests.iter().flat_map(|request| &request.writes) {
            for (version, fact) in (write.expected + 1..).zip(&write.facts) {
                columns.ids.push(fact.event_id);
                columns.users.push(write.user_id);
                columns.partitions.push(write.partition);
                columns.categories.push(write.category);
                columns.streams.push(write.stream_id);
                columns.versions.push(version);
                columns.types.push(fact.wire_type);
                columns.schemas.push(fact.schema_version);
                columns.data.push(&fact.data);
                columns.metadata.push(&fact.metadata);
                columns.at.push(fact.at);
            }
        }
        columns
    }
}

struct Grips<'a> {
    scopes: Vec<&'a str>,
    keys: Vec<&'a [u8]>,
    streams: Vec<Uuid>,
}

impl<'a> Grips<'a> {
    fn of(grips: impl Iterator<Item = &'a Grip>) -> Self {
        let mut columns = Self { scopes: Vec::new(), keys: Vec::new(), streams: Vec::new() };
        let mut grips: Vec<&Grip> = grips.collect();
        grips.sort_unstable_by_key(|grip| (grip.scope, &grip.key));
        for grip in grips {
            columns.scopes.push(grip.scope);
            columns.keys.push(&grip.key);
            columns.streams.push(grip.stream_id);
        }
        columns
    }
}

#[derive(Default)]
struct Answers<'a> {
    scopes: Vec<Uuid>,
    keys: Vec<&'a str>,
    fingerprints: Vec<&'a [u8]>,
    sealed: Vec<&'a [u8]>,
    offsets: Vec<i64>,
    positions: Vec<Option<i64>>,
    at: Vec<DateTime<Utc>>,
    until: Vec<DateTime<Utc>>,
}

impl<'a> Answers<'a> {
    fn of(requests: &[&'a Request]) -> Self {
        let mut columns = Self::default();
        let mut offset = 0;
        for request in requests {
            offset += i64::try_from(request.facts()).unwrap_or(i64::MAX);
            let Some(answer) = &request.answer else { continue };
            columns.scopes.push(answer.scope);
            columns.keys.push(&answer.key);
            columns.fingerprints.push(&answer.fingerprint);
            columns.sealed.push(&answer.sealed);
            columns.offsets.push(offset);
            columns.positions.push((request.facts() == 0).then_some(answer.position));
            columns.at.push(answer.at);
            columns.until.push(answer.until);
        }
        columns
    }
}
