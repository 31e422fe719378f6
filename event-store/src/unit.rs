//! The unit of work: what one command loads, decides and appends, all of it or nothing.
//!
//! Every stream that a unit has read and not written is guarded: if it moved before the append, the unit is decided
//! again. So commands behave as if they came one after the other.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use orbit_domain::{Aggregate, Claim, Context, Reject};
use orbit_events::{EventId, Fact, Metadata};
use orbit_platform::ids;
use uuid::Uuid;

use crate::{
    EventStore, Fault, Held, Idempotency, Loaded,
    batch::{Grip, Request, SealedFact, Write},
    claims,
    loaded::Entry,
};

mod claiming;
mod streams;

use streams::Streams;

/// Where a command comes from: what decisions may know, and what its facts carry beside their payload.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Time, user, actor.
    pub context: Context,
    /// Correlation, causation, session, trace; its actor is the context's.
    pub metadata: Metadata,
}

/// How a command is to be carried out.
#[derive(Debug, Clone, Default)]
pub struct Mode {
    /// Repetitions get the first answer.
    pub idempotency: Option<Idempotency>,
    /// Decide, show the facts, append nothing.
    pub dry_run: bool,
}

/// What a unit of work answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<R> {
    /// What the decision returned.
    pub answer: R,
    /// A reader who has seen this position sees the effect.
    pub position: i64,
    /// Whether it is the stored answer of an earlier request with the same idempotency key.
    pub replayed: bool,
    /// On a dry run: `{type, version, entity, data}` of each fact that would be appended.
    pub preview: Option<Vec<serde_json::Value>>,
}

/// Why a decision was not made.
#[derive(Debug, thiserror::Error)]
pub enum Refused<R: Reject> {
    /// The rules say no.
    #[error("{0}")]
    Rejected(R),
    /// The log could not be read.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// One unit of work. Clones are the same unit.
#[derive(Clone)]
pub struct Unit(Arc<Work>);

struct Work {
    store: EventStore,
    origin: Origin,
    /// The fact that is answered by what is decided now.
    cause: Mutex<Option<EventId>>,
    /// How many facts were decided.
    decided: AtomicUsize,
    /// In the order in which they were touched, which is the order of their facts in the log. A handful at most times.
    touched: Mutex<Streams>,
}

/// A stream that the unit has loaded or written.
struct Touched {
    id: Uuid,
    category: &'static str,
    user_id: Uuid,
    /// Version when it was loaded.
    base: i64,
    /// The state now, the unit's own facts included.
    entry: Entry,
    from_cache: bool,
    facts: Vec<NewFact>,
    /// What it held before its first new fact, and what it holds since; both empty while there is none: it holds what
    /// it held.
    claims_before: Vec<Claim>,
    claims_now: Vec<Claim>,
}

struct NewFact {
    wire_type: &'static str,
    schema_version: i16,
    payload: Vec<u8>,
    cause: Option<EventId>,
}

/// Something that a stream of the unit wants to hold and another stream holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contested {
    /// The stream of this unit.
    pub stream_id: Uuid,
    /// What it is unique in.
    pub scope: &'static str,
}

/// What a decided unit would write, before it is sealed.
pub(crate) struct Outcome {
    pub request: Request,
    /// New states to cache once the append went through: (stream, entry, facts up to and including this stream's).
    pub states: Vec<(Uuid, Entry, i64)>,
    /// Newest position of anything the unit has read.
    pub seen: i64,
}

impl Unit {
    pub(crate) fn new(store: EventStore, origin: Origin) -> Self {
        Self(Arc::new(Work {
            store,
            origin,
            cause: Mutex::default(),
            decided: AtomicUsize::new(0),
            touched: Mutex::default(),
        }))
    }

    /// Time, user and actor of the command.
    pub fn context(&self) -> &Context {
        &self.0.origin.context
    }

    /// From here on facts are decided because of this one (their `causation_id`), or because of the request alone.
    pub fn because(&self, cause: Option<EventId>) {
        *self.0.cause.lock().unwrap_or_else(PoisonError::into_inner) = cause;
    }

    /// An aggregate of the user's; `None` if there is none, or it is somebody else's.
    pub async fn load<A: Aggregate>(&self, id: Uuid) -> Result<Option<Loaded<A>>, Fault> {
        self.touch::<A>(id).await?;
        Ok(self.current(id, Loaded::clone))
    }

    /// Whether something is so of an aggregate of the user's; not if there is none, or it is somebody else's.
    pub async fn is<A: Aggregate>(&self, id: Uuid, so: impl FnOnce(&A::State) -> bool) -> Result<bool, Fault> {
        self.touch::<A>(id).await?;
        Ok(self.current(id, |loaded: &Loaded<A>| so(&loaded.state)).unwrap_or(false))
    }

    /// Decides a command on an aggregate; a stream without facts is in its default state.
    ///
    /// Somebody else's stream is treated as one without facts; the append refuses to write to it.
    pub async fn decide<A: Aggregate>(
        &self,
        id: Uuid,
        command: A::Command,
    ) -> Result<Loaded<A>, Refused<A::Rejection>> {
        self.touch::<A>(id).await?;
        self.apply::<A>(id, command)
    }

    /// Decides a command on an aggregate whose id was just made: there is nothing to read.
    pub fn create<A: Aggregate>(&self, id: Uuid, command: A::Command) -> Result<Loaded<A>, Refused<A::Rejection>> {
        if self.is_untouched(id) {
            let touched = self.untouched::<A>(id, None, false);
            self.touched().add(touched);
        }
        self.apply::<A>(id, command)
    }

    /// The stream that holds a claim.
    pub async fn holder(&self, claim: &Claim) -> Result<Option<Uuid>, Fault> {
        self.0.store.holder(claim).await
    }

    /// Claims of a scope whose key starts with `prefix`, ascending, at most `limit`.
    pub async fn scan(&self, scope: &str, prefix: &[u8], limit: i64) -> Result<Vec<Held>, Fault> {
        claims::ascending(self.0.store.pool(), scope, prefix, &claims::after_prefix(prefix), limit).await
    }

    /// The first claim of a scope after `key` that starts with `prefix`.
    pub async fn next(&self, scope: &str, prefix: &[u8], key: &[u8]) -> Result<Option<Held>, Fault> {
        let end = claims::after_prefix(prefix);
        Ok(claims::ascending(self.0.store.pool(), scope, key, &end, 1).await?.pop())
    }

    /// The last claim of a scope before `key` that starts with `prefix`; with no `key`, the last of all.
    pub async fn previous(&self, scope: &str, prefix: &[u8], key: Option<&[u8]>) -> Result<Option<Held>, Fault> {
        let end = claims::after_prefix(prefix);
        Ok(claims::descending(self.0.store.pool(), scope, prefix, key.unwrap_or(&end), 1).await?.pop())
    }

    fn touched(&self) -> MutexGuard<'_, Streams> {
        self.0.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be known of an aggregate of the user's that was touched, if there is one.
    fn current<A: Aggregate, R>(&self, id: Uuid, read: impl FnOnce(&Loaded<A>) -> R) -> Option<R> {
        let touched = self.touched();
        let loaded = touched.get(id)?.entry.get::<A>()?;
        (loaded.version > 0 && loaded.user_id == self.0.origin.context.user_id).then(|| read(loaded))
    }

    async fn touch<A: Aggregate>(&self, id: Uuid) -> Result<(), Fault> {
        if !self.is_untouched(id) {
            return Ok(());
        }
        let (entry, from_cache) = self.0.store.entry::<A>(id, Some(self.0.origin.context.user_id)).await?;
        let touched = self.untouched::<A>(id, entry, from_cache);
        // Somebody who loads the same stream at the same time may have been faster.
        self.touched().add(touched);
        Ok(())
    }

    fn is_untouched(&self, id: Uuid) -> bool {
        self.touched().get(id).is_none()
    }

    fn untouched<A: Aggregate>(&self, id: Uuid, entry: Option<Entry>, from_cache: bool) -> Touched {
        let context = &self.0.origin.context;
        let entry = entry
            .filter(|entry| entry.get::<A>().is_some_and(|loaded| loaded.user_id == context.user_id))
            .unwrap_or_else(|| Entry::new(Loaded::<A>::absent(id, context.user_id, context.now), 0, 0));
        Touched {
            id,
            category: A::Event::CATEGORY,
            user_id: context.user_id.0,
            base: entry.version,
            entry,
            from_cache,
            facts: Vec::new(),
            claims_before: Vec::new(),
            claims_now: Vec::new(),
        }
    }

    fn apply<A: Aggregate>(&self, id: Uuid, command: A::Command) -> Result<Loaded<A>, Refused<A::Rejection>> {
        let context = &self.0.origin.context;
        let mut all = self.touched();
        let wrong_type =
            || Fault::Corrupt { what: "a stream", source: "it belongs to an aggregate of another kind".into() };
        let touched = all.get_mut(id).ok_or_else(wrong_type)?;
        let mut loaded = touched.entry.get::<A>().cloned().ok_or_else(wrong_type)?;
        let events = A::decide(&loaded.state, command, context).map_err(Refused::Rejected)?;
        if touched.facts.is_empty() && !events.is_empty() && loaded.version > 0 {
            touched.claims_before = A::claims(&loaded.state, id, context.user_id);
            touched.claims_now.clone_from(&touched.claims_before);
        }
        let mut bytes = touched.entry.bytes;
        let cause = *self.0.cause.lock().unwrap_or_else(PoisonError::into_inner);
        for event in &events {
            let payload = event.encode();
            bytes += payload.len();
            touched.facts.push(NewFact {
                wire_type: event.wire_type(),
                schema_version: event.schema_version(),
                payload,
                cause,
            });
            loaded = loaded.evolve(event, context.now);
        }
        self.0.decided.fetch_add(events.len(), Ordering::Relaxed);
        if !events.is_empty() {
            touched.entry = Entry::new(loaded.clone(), touched.entry.position, bytes);
            all.hold(id, A::claims(&loaded.state, id, context.user_id));
        }
        Ok(loaded)
    }

    /// Whether everything that was read is still the newest: asked when nothing is appended that would check it.
    pub(crate) async fn is_current(&self) -> Result<bool, Fault> {
        let read: Vec<(Uuid, i64)> = {
            let touched = self.touched();
            touched.iter().filter(|t| t.from_cache).map(|t| (t.id, t.base)).collect()
        };
        let stale = self.0.store.moved(&read).await?;
        Ok(stale.is_empty())
    }

    /// Whether nothing was decided that the log does not have yet.
    pub(crate) fn is_quiet(&self) -> bool {
        self.touched().iter().all(|touched| touched.facts.is_empty())
    }

    /// Forgets cached states of everything the unit has touched.
    pub(crate) fn evict(&self) {
        for touched in self.touched().iter() {
            self.0.store.evict(touched.id);
        }
    }

    /// How many facts were decided so far.
    pub fn decided(&self) -> usize {
        self.0.decided.load(Ordering::Relaxed)
    }

    /// The facts that were decided so far, as a dry run shows them.
    pub fn preview(&self) -> Vec<serde_json::Value> {
        let touched = self.touched();
        let shown = touched.iter().flat_map(|t| t.facts.iter().map(move |fact| (t, fact)));
        shown
            .map(|(t, fact)| {
                serde_json::json!({
                    "type": fact.wire_type,
                    "version": fact.schema_version,
                    "entity": { "type": orbit_events::entity_type(t.category), "id": t.id },
                    "data": serde_json::from_slice::<serde_json::Value>(&fact.payload).unwrap_or_default(),
                })
            })
            .collect()
    }

    /// Seals what was decided into one request for the batcher.
    pub(crate) async fn outcome(&self) -> Result<Outcome, Fault> {
        let touched = std::mem::take(&mut *self.touched()).into_list();
        let seen = touched.iter().map(|t| t.entry.position).max().unwrap_or(0);
        let origin = &self.0.origin;
        let mut metadata = OfCause { cause: None, text: of_cause(origin, None)? };
        let mut request = Request::default();
        let mut states = Vec::new();
        let mut facts_so_far = 0;
        for touched in touched {
            let id = touched.id;
            if touched.facts.is_empty() {
                if touched.base > 0 {
                    request.guards.push((id, touched.base));
                }
                continue;
            }
            self.claim_changes(&touched, &mut request);
            let mut facts = Vec::with_capacity(touched.facts.len());
            for fact in touched.facts {
                let event_id = ids::new_event_id();
                if metadata.cause != fact.cause {
                    metadata = OfCause { cause: fact.cause, text: of_cause(origin, fact.cause)? };
                }
                let user = origin.context.user_id;
                let data = self.0.store.vault().seal(user, EventId(event_id), fact.wire_type, &fact.payload).await?;
                facts.push(SealedFact {
                    event_id,
                    wire_type: fact.wire_type,
                    schema_version: fact.schema_version,
                    data,
                    metadata: metadata.text.clone(),
                    at: origin.context.now,
                });
            }
            facts_so_far += i64::try_from(facts.len()).unwrap_or(0);
            states.push((id, touched.entry, facts_so_far));
            request.writes.push(Write {
                stream_id: id,
                category: touched.category,
                user_id: touched.user_id,
                partition: self.0.store.partitions().of(origin.context.user_id),
                expected: touched.base,
                facts,
            });
        }
        // Two streams of one unit that want the same: nobody else will ever stand in their way but they themselves.
        if let Some(grip) = doubled(&request.taken) {
            return Err(Fault::Taken { scope: grip.scope.to_owned() });
        }
        Ok(Outcome { request, states, seen })
    }

    fn claim_changes(&self, touched: &Touched, request: &mut Request) {
        let grip = |claim: &Claim| Grip {
            scope: claim.scope,
            key: claims::stored_key(claim, self.0.store.vault()),
            stream_id: touched.id,
        };
        let gone = touched.claims_before.iter().filter(|claim| !touched.claims_now.contains(claim));
        request.released.extend(gone.map(grip));
        let new = touched.claims_now.iter().filter(|claim| !touched.claims_before.contains(claim));
        request.taken.extend(new.map(grip));
    }
}

/// The metadata of facts that answer one fact, or none: made once for all that come in a row.
struct OfCause {
    cause: Option<EventId>,
    text: Arc<str>,
}

fn of_cause(origin: &Origin, cause: Option<EventId>) -> Result<Arc<str>, Fault> {
    let metadata = Metadata { causation_id: cause.or(origin.metadata.causation_id), ..origin.metadata.clone() };
    let text = serde_json::to_string(&metadata)
        .map_err(|error| Fault::Corrupt { what: "a command's metadata", source: Box::new(error) })?;
    Ok(text.into())
}

/// A claim that is taken twice.
fn doubled(taken: &[Grip]) -> Option<&Grip> {
    if taken.len() < 2 {
        return None;
    }
    let mut seen = HashSet::with_capacity(taken.len());
    taken.iter().find(|grip| !seen.insert((grip.scope, &grip.key)))
}
