//! A lane: a connection that carries one batch at a time, and finds out what became of it when the connection fails.

use std::time::Duration;

use orbit_platform::{
    postgres::{self, Pool},
    random,
};
use sqlx::PgConnection;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    Fault, Limits,
    append::{Queued, Verdict},
    appended::Appended,
    batch::{self, Objection, Request},
};

/// Surprises for which nobody is found to blame before a batch is sent one by one, and a single request turned away.
const SURPRISES: u32 = 5;
/// Pause before a connection that failed is made anew.
const PAUSE: Duration = Duration::from_millis(100);
/// Pause before looking again whether a backend has ended.
const ENDING: Duration = Duration::from_millis(10);

/// A connection that carries one batch at a time.
pub(crate) struct Lane {
    pub number: usize,
    pool: Pool,
    connection: Option<PgConnection>,
    limits: Limits,
    appended: Appended,
    /// Key of an advisory lock that the lane's connection holds. Once the next connection has it, the one before has
    /// ended, and with it whatever it was committing.
    seat: i64,
}

/// A batch on its way.
struct Work {
    /// Requests without a verdict, in order.
    open: Vec<Queued>,
    /// Whether some were sent and the answer did not come: they may be in the log.
    unsettled: bool,
    /// Whether they are sent one by one, because together they failed and it is not known for whose sake.
    apart: bool,
}

impl Work {
    /// How many are sent next.
    fn next(&self) -> usize {
        if self.apart { 1 } else { self.open.len() }
    }

    fn take(&mut self, count: usize) -> Vec<Queued> {
        let rest = self.open.split_off(count);
        std::mem::replace(&mut self.open, rest)
    }

    fn put_back(&mut self, mut survivors: Vec<Queued>) {
        survivors.append(&mut self.open);
        self.open = survivors;
    }
}

impl Lane {
    pub fn new(number: usize, pool: &Pool, limits: Limits, appended: &Appended) -> Self {
        let seat = i64::from_ne_bytes(random::bytes());
        Self { number, pool: pool.clone(), connection: None, limits, appended: appended.clone(), seat }
    }

    /// Appends a batch and answers every request in it.
    #[tracing::instrument(name = "log.batch", skip_all, fields(requests = batch.len()), level = "debug")]
    pub async fn commit(mut self, batch: Vec<Queued>) -> Self {
        metrics::histogram!("orbit_append_batch_size").record(as_f64(batch.len()));
        let oldest = batch.iter().map(|queued| queued.since).min().unwrap_or_else(Instant::now);
        let deadline = oldest + self.limits.outage;
        let mut work = Work { open: batch, unsettled: false, apart: false };
        loop {
            let attempt = timeout(self.limits.outage, self.attempt(&mut work)).await;
            let error = match attempt {
                Ok(Ok(())) => return self,
                Ok(Err(error)) => error,
                Err(_) => sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
            };
            // Whatever it was doing: another one asks what became of it.
            self.connection = None;
            let give_up = Instant::now() >= deadline || is_refusal(&error);
            tracing::warn!(%error, give_up, requests = work.open.len(), "appending failed");
            if give_up {
                let unknown = work.unsettled;
                for queued in work.open {
                    fail(queued, &error, unknown);
                }
                return self;
            }
            sleep(PAUSE).await;
        }
    }

    async fn attempt(&mut self, work: &mut Work) -> Result<(), sqlx::Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        if work.unsettled {
            settle(&mut connection, work, &self.appended).await?;
        }
        self.try_commit(&mut connection, work).await?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Optimistic: all at once. If anything stood in the way, turns those away whom it concerns and tries the rest.
    async fn try_commit(&self, connection: &mut PgConnection, work: &mut Work) -> Result<(), sqlx::Error> {
        let mut surprises = 0;
        while !work.open.is_empty() {
            let count = work.next();
            let requests: Vec<&Request> = work.open[..count].iter().map(|queued| &*queued.request).collect();
            work.unsettled = true;
            let appended = batch::append(connection, &requests).await;
            // The server said no and undid it all; without a word from it nobody knows.
            work.unsettled = !matches!(&appended, Err(sqlx::Error::Database(error)) if is_undone(&**error));
            match appended {
                Ok(base) => {
                    work.unsettled = false;
                    answer(work.take(count), base, &self.appended);
                }
                // What we met was committed by then, so examine sees it, unless it is gone again.
                Err(sqlx::Error::Database(error)) if is_surprise(&*error) => {
                    let objections = batch::examine(connection, &requests).await?;
                    if !objections.is_empty() {
                        surprises = 0;
                        let survivors = refuse(work.take(count), &objections);
                        work.put_back(survivors);
                        continue;
                    }
                    surprises += 1;
                    if surprises == SURPRISES {
                        surprises = 0;
                        if count == 1 {
                            tracing::error!(%error, "a request meets what nobody else sees; it is to be decided again");
                            work.take(1).into_iter().for_each(|queued| drop(queued.reply.send(Verdict::Conflict)));
                        }
                        work.apart = true;
                    }
                }
                // Chosen as a deadlock's victim: what it waited for goes on now.
                Err(sqlx::Error::Database(error)) if is_in_class(&*error, &["40"]) => {
                    tracing::debug!(%error, requests = count, "trying again at once");
                }
                // One request that the database cannot take must not fail its neighbours.
                Err(error) if is_refusal(&error) => {
                    tracing::error!(%error, requests = count, "the database refuses to append");
                    if count == 1 {
                        work.take(1).into_iter().for_each(|queued| fail(queued, &error, false));
                    }
                    work.apart = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A new connection, once the lane's last one has ended.
    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = postgres::connect_with(&self.pool.connect_options()).await?;
        // As who we logged in: the last connection's backend is theirs to end.
        sqlx::raw_sql("SET ROLE NONE").execute(&mut connection).await?;
        while !take_seat(&mut connection, self.seat).await? {
            end_seated(&mut connection, self.seat).await?;
            sleep(ENDING).await;
        }
        // A batch is planned once: its arrays differ in length, not in kind. And it finds its few streams and claims by
        // index: the planner, who first saw these tables empty, would go on to read all of them.
        sqlx::raw_sql(
            "SET ROLE orbit_command; SET plan_cache_mode = force_generic_plan; SET jit = off;
             SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off",
        )
        .execute(&mut connection)
        .await?;
        Ok(connection)
    }
}

async fn take_seat(connection: &mut PgConnection, seat: i64) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "taken!""#, seat).fetch_one(connection).await
}

/// Ends the backend that holds the seat: its client is gone, or waits for it no longer.
async fn end_seated(connection: &mut PgConnection, seat: i64) -> Result<(), sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(pg_terminate_backend(pid)) AS "ended!" FROM pg_locks
           WHERE locktype = 'advisory' AND granted AND objsubid = 1
             AND ((classid::bigint << 32) | objid::bigint) = $1
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"#,
        seat
    )
    .fetch_one(connection)
    .await
    .map(|_: i64| ())
}

/// After an unknown outcome: finds out which requests were committed, answers those, and keeps the others. The answer
/// is final: whoever has the lane's seat knows that the connection before has ended.
async fn settle(connection: &mut PgConnection, work: &mut Work, appended: &Appended) -> Result<(), sqlx::Error> {
    let mut bases = Vec::with_capacity(work.open.len());
    for queued in &work.open {
        bases.push(find(connection, &queued.request).await?);
    }
    for (queued, base) in std::mem::take(&mut work.open).into_iter().zip(bases) {
        match base {
            Some(base) => answer(vec![queued], base, appended),
            None => work.open.push(queued),
        }
    }
    work.unsettled = false;
    Ok(())
}

/// Tells every request of a committed batch where its facts are, and then whoever waits for what is appended.
fn answer(batch: Vec<Queued>, base: i64, appended: &Appended) {
    let mut requests = Vec::with_capacity(batch.len());
    let mut position = base;
    for Queued { request, reply, since } in batch {
        let facts = request.facts();
        metrics::histogram!("orbit_append_seconds").record(since.elapsed().as_secs_f64());
        metrics::counter!("orbit_appended_events_total").increment(facts as u64);
        drop(reply.send(Verdict::Appended { base: position }));
        position = position.saturating_add_unsigned(facts as u64);
        requests.push(*request);
    }
    appended.tell(base, requests);
}

/// Where a request's facts went in, if they did: its first fact's id is in its place in the stream, or its answer is kept.
async fn find(connection: &mut PgConnection, request: &Request) -> Result<Option<i64>, sqlx::Error> {
    let first = request.writes.first().and_then(|write| Some((write, write.facts.first()?)));
    if let Some((write, fact)) = first {
        return Ok(sqlx::query_scalar!(
            "SELECT position FROM log.events WHERE stream_id = $1 AND version = $2 AND event_id = $3 LIMIT 1",
            write.stream_id,
            write.expected + 1,
            fact.event_id
        )
        .fetch_optional(connection)
        .await?
        .map(|position| position - 1));
    }
    let Some(answer) = &request.answer else { return Ok(None) };
    sqlx::query_scalar!(
        "SELECT position FROM log.commands WHERE scope = $1 AND idempotency_key = $2 AND outcome = $3 LIMIT 1",
        answer.scope,
        answer.key,
        &answer.sealed
    )
    .fetch_optional(connection)
    .await
}

/// Answers the requests that were turned away, gives back the others in their order.
fn refuse(batch: Vec<Queued>, objections: &[(usize, Objection)]) -> Vec<Queued> {
    let mut survivors = Vec::with_capacity(batch.len());
    for (n, queued) in batch.into_iter().enumerate() {
        // A repetition outweighs a conflict, which outweighs a claim: a repeated command finds its own traces.
        let of = |wanted: fn(&Objection) -> bool| objections.iter().find(|(r, o)| *r == n && wanted(o)).map(|(_, o)| o);
        let objection = of(|o| *o == Objection::Key)
            .or_else(|| of(|o| *o == Objection::Version))
            .or_else(|| of(|o| matches!(o, Objection::Claim(_))));
        let (verdict, kind) = match objection {
            None => {
                survivors.push(queued);
                continue;
            }
            Some(Objection::Key) => (Verdict::Answered, "repeated"),
            Some(Objection::Version) => (Verdict::Conflict, "version"),
            Some(Objection::Claim(scope)) => (Verdict::Taken(scope.clone()), "claim"),
        };
        metrics::counter!("orbit_append_refused_total", "reason" => kind).increment(1);
        drop(queued.reply.send(verdict));
    }
    survivors
}

fn is_surprise(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().is_some_and(|code| batch::SURPRISES.contains(&&*code))
}

fn is_in_class(error: &dyn sqlx::error::DatabaseError, classes: &[&str]) -> bool {
    error.code().is_some_and(|code| classes.iter().any(|class| code.starts_with(class)))
}

/// Whether the server has undone what it was asked. When it is going away (class 57, 08), nobody knows.
fn is_undone(error: &dyn sqlx::error::DatabaseError) -> bool {
    !is_in_class(error, &["08", "57"])
}

/// Whether an error stays as it is: the server does not restart, is not out of anything, ended no deadlock, and did not
/// become a standby.
fn is_refusal(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| !is_in_class(error, &["08", "25", "40", "53", "55", "57"]))
}

/// Gives a request up.
fn fail(queued: Queued, error: &sqlx::Error, unknown: bool) {
    let fault = if unknown {
        Fault::OutcomeUnknown
    } else {
        // The cause was logged once for all; each caller gets its words.
        Fault::Database { attempt: "append facts", source: sqlx::Error::Io(std::io::Error::other(error.to_string())) }
    };
    drop(queued.reply.send(Verdict::Failed(fault)));
}

#[expect(clippy::cast_precision_loss, reason = "batches are small; a histogram forgives")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
