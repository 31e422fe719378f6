//! Streams of facts that are open: how many each user has, and who is woken when the log has grown.
//!
//! One follower per process hears what writers announce over core NATS, with a poll behind it for the times when NATS is
//! away, and asks the log once whose facts are new: only those users' streams look for themselves. So an append costs a
//! process one statement, however many streams are open, and none while there is no stream.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_nats::{Client, Subscriber};
use axum::http::StatusCode;
use futures_util::{FutureExt, StreamExt};
use orbit_events::subjects;
use orbit_platform::{
    postgres::{self, Pool},
    problem::{ApiError, ProblemKind},
    shutdown::Shutdown,
};
use tokio::{sync::watch, time};
use uuid::Uuid;

use crate::{app::POOL, routes::history::tail};

/// Streams that one user may have open in one process. Without it one user could take every connection there is.
pub const EACH: usize = 5;
/// Streams of all users in one process: half of the connections that it takes, so that short reads find room.
const ALL: usize = 2_000;
/// How often the log is looked at when nothing is announced.
const POLL: Duration = Duration::from_secs(1);
/// Facts whose users are asked for at once; further behind than this, everybody is woken.
const AT_ONCE: i64 = 10_000;
/// When to try again after a refusal: about as long as it takes to notice that a client is gone.
const AGAIN: Duration = Duration::from_secs(15);

/// The answer to one stream too many.
pub static TOO_MANY_STREAMS: ProblemKind = ProblemKind {
    code: "too_many_streams",
    status: StatusCode::TOO_MANY_REQUESTS,
    title: "Too many streams are open",
    explanation: "You have five streams of facts open already. Close one, or let one stream serve several readers.",
};

/// The open streams of a process. Clones share them.
#[derive(Clone, Debug)]
pub struct Streams(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: Pool,
    open: Mutex<Open>,
    life: Shutdown,
}

#[derive(Debug, Default)]
struct Open {
    users: HashMap<Uuid, User>,
    total: usize,
    /// How far the follower has looked; `None` while it has nobody to look for.
    looked: Option<i64>,
}

#[derive(Debug)]
struct User {
    /// The position up to which there may be news.
    news: watch::Sender<i64>,
    open: usize,
}

/// The place of one open stream, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    streams: Streams,
    user_id: Uuid,
    /// The position that a stream must have seen to know all news.
    pub news: watch::Receiver<i64>,
}

impl Streams {
    /// Nobody listens yet.
    pub fn new(pool: Pool, life: &Shutdown) -> Self {
        Self(Arc::new(Inner { pool, open: Mutex::default(), life: life.clone() }))
    }

    /// Returns when it is time to end.
    pub async fn ended(&self) {
        self.0.life.cancelled().await;
    }

    /// A place for one more stream of a user; 429 `too_many_streams` if they have enough, 503 if the process has.
    pub fn enter(&self, user_id: Uuid) -> Result<Place, ApiError> {
        let mut open = self.open();
        if open.users.get(&user_id).is_some_and(|user| user.open >= EACH) {
            let detail = format!("{EACH} streams are open already");
            return Err(ApiError::of(&TOO_MANY_STREAMS, detail).with_retry_after(AGAIN));
        }
        if open.total >= ALL {
            return Err(ApiError::unavailable("a place for one more stream").with_retry_after(AGAIN));
        }
        open.total += 1;
        gauge(open.total);
        // Whatever the follower has looked at already, it will not look at again for this one.
        let looked = open.looked.unwrap_or(0);
        let user = open.users.entry(user_id).or_insert_with(|| User { news: watch::Sender::new(looked), open: 0 });
        user.open += 1;
        user.news.send_modify(|news| *news = looked.max(*news));
        Ok(Place { streams: self.clone(), user_id, news: user.news.subscribe() })
    }

    /// Wakes streams when their users' facts are appended, until `shutdown`.
    pub fn follow(&self, nats: Client, prefix: &str, shutdown: &Shutdown) {
        let (this, life, subject) = (self.clone(), shutdown.clone(), subjects::appended(prefix));
        shutdown.spawn("query.streams", async move {
            let mut announced: Option<Subscriber> = None;
            loop {
                let next = async {
                    if announced.is_none() {
                        // The client keeps the subscription over reconnections.
                        announced = nats.subscribe(subject.clone()).await.ok();
                    }
                    heard(&mut announced).await;
                };
                tokio::select! {
                    _ = time::timeout(POLL, next) => {}
                    () = life.cancelled() => return,
                }
                if let Err(error) = this.look().await {
                    tracing::debug!(%error, "cannot look whose facts are new; the next poll will");
                }
            }
        });
    }

    /// Wakes the streams of all users who have facts that the follower has not seen yet.
    async fn look(&self) -> sqlx::Result<()> {
        let looked = {
            let mut open = self.open();
            if open.total == 0 {
                open.looked = None;
                return Ok(());
            }
            open.looked
        };
        let mut db = postgres::acquire(&self.0.pool, POOL).await?;
        let head = tail::head(&mut db).await?;
        let whose = match looked {
            Some(looked) if looked == head => return Ok(()),
            Some(looked) if (1..=AT_ONCE).contains(&(head - looked)) => {
                Some(tail::users_between(&mut db, looked, head, AT_ONCE).await?)
            }
            // The first look, too far behind, or a log that was restored: everybody looks for themselves.
            _ => None,
        };
        drop(db);
        let mut open = self.open();
        open.looked = Some(head);
        match whose {
            Some(users) => users.iter().filter_map(|id| open.users.get(id)).for_each(|user| user.tell(head)),
            None => open.users.values().for_each(|user| user.tell(head)),
        }
        Ok(())
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl User {
    fn tell(&self, head: i64) {
        self.news.send_replace(head);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.open();
        open.total = open.total.saturating_sub(1);
        gauge(open.total);
        if let Some(user) = open.users.get_mut(&self.user_id) {
            user.open = user.open.saturating_sub(1);
            if user.open == 0 {
                open.users.remove(&self.user_id);
            }
        }
    }
}

/// Until an append is announced; those that were announced meanwhile say the same.
async fn heard(announced: &mut Option<Subscriber>) {
    let Some(subscriber) = announced else { return std::future::pending().await };
    if subscriber.next().await.is_none() {
        *announced = None;
        return;
    }
    while let Some(Some(_)) = subscriber.next().now_or_never() {}
}

fn gauge(streams: usize) {
    metrics::gauge!("orbit_streams_open").set(f64::from(u32::try_from(streams).unwrap_or(u32::MAX)));
}

#[cfg(test)]
mod tests {
    use sqlx::postgres::PgPoolOptions;

    use super::*;

    #[tokio::test]
    async fn a_user_has_so_many_places_and_gets_them_back() {
        let nowhere = PgPoolOptions::new().connect_lazy("postgres://127.0.0.1:1/nowhere").unwrap().into();
        let streams = Streams::new(nowhere, &Shutdown::new());
        let (ada, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut places: Vec<Place> = (0..EACH).map(|_| streams.enter(ada).unwrap()).collect();
        let refused = streams.enter(ada).unwrap_err();
        assert_eq!((refused.status().as_u16(), refused.code()), (429, "too_many_streams"));
        streams.enter(bob).unwrap();
        places.pop();
        places.push(streams.enter(ada).unwrap());
        assert!(streams.enter(ada).is_err());
        drop(places);
        let open = streams.open();
        assert_eq!((open.total, open.users.len()), (0, 0));
    }
}
