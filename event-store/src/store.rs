//! The event store: the pieces put together, and `transact`, the only way a command reaches the log.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use orbit_domain::{Aggregate, Claim};
use orbit_events::{Partitions, UserId, subjects};
use orbit_platform::{clock::Clock, postgres::Pool, shutdown::Shutdown};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{sync::watch, time::sleep};
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    Answer, Attempts, Fault, Held, Limits, Loaded, MasterKey, Mode, Origin, Unit, Vault,
    append::{Appender, Verdict},
    appended::{Appended, BUSY, GATHER},
    batch::KeptAnswer,
    claims,
    exports::{self, Exports},
    idempotency,
    imports::{self, Imports},
    loaded::{self, Entry},
    mailboxes,
    read::Log,
    unit::Outcome,
};

/// How often a command is decided again because its streams moved.
const ATTEMPTS: u32 = 5;
/// How often expired answers, archives and failed logins are swept, and unfinished erasures finished.
const SWEEP: Duration = Duration::from_mins(5);

/// What an event store needs to know.
pub struct Settings {
    /// Pool of a role that may append (`orbit_command`).
    pub pool: Pool,
    /// Wraps the users' keys.
    pub master_key: MasterKey,
    /// The time of decisions.
    pub clock: Clock,
    /// What bounds the batcher.
    pub limits: Limits,
}

/// The event store of a process. Clones share batcher and caches.
#[derive(Clone)]
pub struct EventStore(Arc<Inner>);

struct Inner {
    pool: Pool,
    log: Log,
    vault: Vault,
    clock: Clock,
    partitions: Partitions,
    appender: Appender,
    appended: Appended,
    states: loaded::States,
}

impl EventStore {
    /// Reads the head row, tries the master key and starts the batcher; it stops with `shutdown`, when all that it took is answered.
    pub fn start(settings: Settings, shutdown: &Shutdown) -> BoxFuture<'_, Result<Self, Fault>> {
        Box::pin(async move {
            let Settings { pool, master_key, clock, limits } = settings;
            let log = Log::new(pool.clone());
            let head = log.head().await?;
            let vault = Vault::new(pool.clone(), &master_key, clock.clone());
            // First: whoever was faster has written down what the secrets are.
            vault.establish().await?;
            vault.require_fit().await?;
            let appended = Appended::new(head.position);
            let store = Self(Arc::new(Inner {
                vault,
                appender: Appender::start(&pool, limits, &appended, shutdown),
                partitions: head.partitions,
                states: loaded::cache(),
                appended,
                clock,
                log,
                pool,
            }));
            shutdown.spawn("log.sweep", store.clone().sweep(shutdown.clone()));
            Ok(store)
        })
    }

    /// Tells other processes over core NATS whenever this one has appended. Losing a message costs a poll's time.
    pub fn announce(&self, nats: async_nats::Client, prefix: &str, shutdown: &Shutdown) {
        let subject = subjects::appended(prefix);
        let mut appended = self.0.appended.subscribe();
        let mut told = *appended.borrow_and_update();
        let life = shutdown.clone();
        shutdown.spawn("log.announce", async move {
            loop {
                tokio::select! {
                    changed = appended.changed() => if changed.is_err() { return },
                    () = life.cancelled() => return,
                }
                let position = *appended.borrow_and_update();
                // While the broker is away its client takes messages until it is full, and then lets us wait.
                tokio::select! {
                    sent = nats.publish(subject.clone(), position.to_string().into()) => if let Err(error) = sent {
                        tracing::debug!(%error, "an append was not announced; the relay's poll will find it");
                    },
                    () = life.cancelled() => return,
                }
                if position - told >= BUSY {
                    tokio::select! {
                        () = sleep(GATHER) => {}
                        () = life.cancelled() => return,
                    }
                }
                told = position;
            }
        });
    }

    /// The newest position this process has appended, as it grows.
    pub fn appended(&self) -> watch::Receiver<i64> {
        self.0.appended.subscribe()
    }

    /// What is appended here, for the relay.
    pub(crate) fn fresh(&self) -> &Appended {
        &self.0.appended
    }

    /// Reading the log.
    pub fn log(&self) -> &Log {
        &self.0.log
    }

    /// Keys, sealing, keyed hashes.
    pub fn vault(&self) -> &Vault {
        &self.0.vault
    }

    /// The time of decisions.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Failed logins.
    pub fn attempts(&self) -> Attempts {
        Attempts::new(self.0.pool.clone(), self.0.vault.clone(), self.0.clock.clone())
    }

    /// Archives of everything about a user.
    pub fn exports(&self) -> Exports {
        Exports::new(self.0.pool.clone(), self.0.vault.clone(), self.0.clock.clone())
    }

    /// Mailboxes that are taken in.
    pub fn imports(&self) -> Imports {
        Imports::new(self.0.pool.clone(), self.0.clock.clone())
    }

    /// An aggregate, whosever it is; `None` if it has no facts. Always the newest: the cache is checked.
    pub async fn load<A: Aggregate>(&self, id: Uuid) -> Result<Option<Loaded<A>>, Fault> {
        let (mut entry, from_cache) = self.entry::<A>(id, None).await?;
        if from_cache
            && let Some(known) = &entry
            && !self.moved(&[(id, known.version)]).await?.is_empty()
        {
            entry = self.read::<A>(id, None).await?;
        }
        Ok(entry.and_then(|entry| entry.get::<A>().cloned()))
    }

    /// The stream that holds a claim.
    pub async fn holder(&self, claim: &Claim) -> Result<Option<Uuid>, Fault> {
        claims::holder(&self.0.pool, claim, &self.0.vault).await
    }

    /// The streams that hold these claims, in their order: one look for all of them.
    pub async fn holders(&self, claims: &[Claim]) -> Result<Vec<Option<Uuid>>, Fault> {
        claims::holders(&self.0.pool, claims, &self.0.vault).await
    }

    /// Claims of a scope whose key starts with `prefix`, ascending, at most `limit`.
    pub async fn scan(&self, scope: &str, prefix: &[u8], limit: i64) -> Result<Vec<Held>, Fault> {
        claims::ascending(&self.0.pool, scope, prefix, &claims::after_prefix(prefix), limit).await
    }

    /// Forgets a user: destroys the keys, the kept answers, the archives, the jobs, the mailboxes and the claims. The
    /// user's `erased` fact must be in the log before. The keys go last, so that [`Vault::unfinished_erasures`] finds
    /// whoever is not quite forgotten.
    pub async fn forget(&self, user: UserId) -> Result<(), Fault> {
        claims::forget(&self.0.pool, user.0).await?;
        idempotency::forget(&self.0.pool, user.0).await?;
        exports::forget(&self.0.pool, user.0).await?;
        imports::forget(&self.0.pool, user.0).await?;
        mailboxes::forget(&self.0.pool, user.0).await?;
        let destroyed = self.0.vault.destroy_keys(user).await?;
        // Answers that were kept meanwhile, and what was noted of mailboxes by whoever did not know yet.
        idempotency::forget(&self.0.pool, user.0).await?;
        mailboxes::forget(&self.0.pool, user.0).await?;
        self.0.states.clear();
        if destroyed {
            metrics::counter!("orbit_erasures_total").increment(1);
        }
        Ok(())
    }

    /// Forgets the answers that are kept under a scope that is no user.
    pub async fn forget_answers(&self, scope: Uuid) -> Result<(), Fault> {
        idempotency::forget(&self.0.pool, scope).await
    }

    /// Decides and appends, all or nothing, and decides again when what was read has moved.
    ///
    /// `decide` may run several times: it must have no effect but through the unit it is given.
    pub async fn transact<R, E, F>(
        &self,
        origin: Origin,
        mode: Mode,
        mut decide: impl FnMut(Unit) -> F,
    ) -> Result<Answer<R>, E>
    where
        R: Serialize + DeserializeOwned,
        E: From<Fault>,
        F: Future<Output = Result<R, E>>,
    {
        if let Some(earlier) = self.given(&mode, &origin).await? {
            return Ok(earlier);
        }
        for _ in 0..ATTEMPTS {
            let unit = Unit::new(self.clone(), origin.clone());
            let decided = decide(unit.clone()).await;
            let answer = match decided {
                // A twin of this request may have gone through meanwhile, and its traces may be what is in the way.
                Err(error) if unit.is_current().await? => {
                    return match self.given(&mode, &origin).await? {
                        Some(earlier) => Ok(earlier),
                        None => Err(error),
                    };
                }
                Err(_) => {
                    unit.evict();
                    continue;
                }
                Ok(answer) => answer,
            };
            if mode.dry_run {
                if unit.is_current().await? {
                    return Ok(Answer { answer, position: 0, replayed: false, preview: Some(unit.preview()) });
                }
                unit.evict();
                continue;
            }
            match self.commit(&unit, &mode, &origin, &answer).await? {
                Committed::At(position) => return Ok(Answer { answer, position, replayed: false, preview: None }),
                Committed::Repeated => {
                    if let Some(earlier) = self.given(&mode, &origin).await? {
                        return Ok(earlier);
                    }
                }
                Committed::Moved => metrics::counter!("orbit_command_conflicts_total").increment(1),
            }
        }
        Err(Fault::Contended(ATTEMPTS).into())
    }

    async fn commit<R: Serialize>(
        &self,
        unit: &Unit,
        mode: &Mode,
        origin: &Origin,
        answer: &R,
    ) -> Result<Committed, Fault> {
        if unit.is_quiet() && mode.idempotency.is_none() {
            if !unit.is_current().await? {
                unit.evict();
                return Ok(Committed::Moved);
            }
            return Ok(Committed::At(unit.outcome().await?.seen));
        }
        let Outcome { mut request, states, seen } = unit.outcome().await?;
        if let Some(idempotency) = &mode.idempotency {
            request.answer = Some(self.keep(idempotency, origin, answer, seen).await?);
        }
        let touched: Vec<Uuid> =
            request.writes.iter().map(|write| write.stream_id).chain(request.guards.iter().map(|g| g.0)).collect();
        let span = tracing::info_span!("log.append", facts = request.facts());
        match self.0.appender.append(Box::new(request)).instrument(span).await {
            Verdict::Appended { base } => {
                let facts = states.last().map_or(0, |(_, _, upto)| *upto);
                for (id, entry, upto) in states {
                    self.0.states.insert(id, Entry { position: base + upto, ..entry });
                }
                Ok(Committed::At(if facts == 0 { seen } else { base + facts }))
            }
            Verdict::Conflict => {
                for id in touched {
                    self.evict(id);
                }
                Ok(Committed::Moved)
            }
            Verdict::Taken(scope) => Err(Fault::Taken { scope }),
            Verdict::Answered => Ok(Committed::Repeated),
            Verdict::Failed(fault) => Err(fault),
        }
    }

    async fn keep<R: Serialize>(
        &self,
        idempotency: &idempotency::Idempotency,
        origin: &Origin,
        answer: &R,
        position: i64,
    ) -> Result<KeptAnswer, Fault> {
        let corrupt = |error| Fault::Corrupt { what: "an answer to keep", source: Box::new(error) };
        let plain = serde_json::to_vec(answer).map_err(corrupt)?;
        let at = origin.context.now;
        Ok(KeptAnswer {
            scope: idempotency.scope,
            key: idempotency.key.clone(),
            fingerprint: idempotency.fingerprint,
            sealed: self.0.vault.seal_answer(idempotency.scope, &idempotency.key, &plain).await?,
            position,
            at,
            until: at + idempotency.keep.duration(),
        })
    }

    async fn given<R: DeserializeOwned>(&self, mode: &Mode, origin: &Origin) -> Result<Option<Answer<R>>, Fault> {
        let Some(request) = &mode.idempotency else { return Ok(None) };
        let Some(given) = idempotency::given(&self.0.pool, &self.0.vault, request, origin.context.now).await? else {
            return Ok(None);
        };
        let answer = serde_json::from_slice(&given.answer)
            .map_err(|error| Fault::Corrupt { what: "a kept answer", source: Box::new(error) })?;
        Ok(Some(Answer { answer, position: given.position, replayed: true, preview: None }))
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.0.pool
    }

    pub(crate) fn partitions(&self) -> Partitions {
        self.0.partitions
    }

    pub(crate) fn evict(&self, id: Uuid) {
        drop(self.0.states.remove(&id));
    }

    /// A folded stream (if it is `owner`'s), and whether it comes from the cache (and may be behind).
    pub(crate) async fn entry<A: Aggregate>(
        &self,
        id: Uuid,
        owner: Option<UserId>,
    ) -> Result<(Option<Entry>, bool), Fault> {
        let cached = self.0.states.get(&id);
        if let Some(known) = cached.as_ref().and_then(Entry::get::<A>) {
            if owner.is_some_and(|owner| owner != known.user_id) {
                return Ok((None, false));
            }
            // Another process may have forgotten the user: what that one no longer can read, this one must not tell.
            self.0.vault.remembers(known.user_id).await.inspect_err(|_| self.evict(id))?;
            return Ok((cached, true));
        }
        Ok((self.read::<A>(id, owner).await?, false))
    }

    /// A stream folded from the log (if it is `owner`'s).
    async fn read<A: Aggregate>(&self, id: Uuid, owner: Option<UserId>) -> Result<Option<Entry>, Fault> {
        let entry = loaded::fold::<A>(&self.0.log, &self.0.vault, id, owner).await?;
        match &entry {
            Some(entry) => self.0.states.insert(id, entry.clone()),
            None => self.evict(id),
        }
        Ok(entry)
    }

    /// Those of these streams that have another version by now.
    pub async fn moved(&self, read: &[(Uuid, i64)]) -> Result<Vec<Uuid>, Fault> {
        if read.is_empty() {
            return Ok(Vec::new());
        }
        let (streams, versions): (Vec<Uuid>, Vec<i64>) = read.iter().copied().unzip();
        sqlx::query_scalar!(
            r#"SELECT r.stream_id AS "stream_id!" FROM unnest($1::uuid[], $2::bigint[]) AS r (stream_id, version)
               WHERE coalesce((SELECT s.version FROM log.streams s WHERE s.stream_id = r.stream_id), 0) <> r.version"#,
            &streams,
            &versions
        )
        .fetch_all(&self.0.pool)
        .await
        .map_err(Fault::database("check the versions of streams"))
    }

    async fn sweep(self, shutdown: Shutdown) {
        loop {
            if let Err(fault) = self.sweep_once().await {
                tracing::warn!(error = &fault as &dyn std::error::Error, "sweeping failed, will try again");
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(SWEEP) => {}
            }
        }
    }

    /// Deletes what has expired, and finishes erasures that a crash cut short.
    pub async fn sweep_once(&self) -> Result<(), Fault> {
        while idempotency::sweep(&self.0.pool, self.0.clock.now()).await? > 0 {}
        self.attempts().sweep().await?;
        exports::sweep(&self.0.pool, self.0.clock.now()).await?;
        for user in self.0.vault.unfinished_erasures().await? {
            self.forget(user).await?;
            tracing::info!(%user, "finished an erasure that was cut short");
        }
        Ok(())
    }
}

enum Committed {
    At(i64),
    /// The idempotency key got an answer in the meantime.
    Repeated,
    /// What was read has moved.
    Moved,
}
