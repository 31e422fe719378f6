//! A stream under way: reads the log from its position in bounded pages, waits for more, ends when it must.
//!
//! Events are made when the connection can take them: a client that reads slowly is read for slowly, and what a stream
//! holds in memory is one page of facts.

use std::{convert::Infallible, time::Duration};

use axum::response::sse::Event;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use orbit_events::Outward;
use orbit_platform::{http::serve::Stopping, problem::ApiError};
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    reader::Reader,
    routes::{
        filters::Filters,
        history::{
            History,
            question::{Answer, Question, ask},
        },
    },
    streams::Place,
};

/// Facts read at once.
const PAGE: i64 = 100;
/// How long a stream says nothing: proxies take a connection that is silent for longer for a dead one.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often it is looked at whether the caller may still read.
const CHECK: Duration = Duration::from_secs(15);
/// How long to wait before reading again: a replica that has not got there yet, a database that does not answer.
const AGAIN: Duration = Duration::from_millis(200);
/// How long the log may be unreadable before the stream ends, and the client comes back elsewhere.
const OUTAGE: Duration = Duration::from_mins(1);
/// How long a client waits before it comes back.
const RETRY: Duration = Duration::from_secs(2);

/// A stream under way.
pub struct Course {
    reader: Reader<History>,
    which: Filters,
    place: Place,
    stopping: Stopping,
    /// Everything up to this position was told, as far as it fits the filters.
    after: i64,
    /// How far the log was when it was last read.
    seen: i64,
    /// Whether more facts are known to be there.
    more: bool,
    /// When to say something at the latest.
    beat: Instant,
    checked: Instant,
    failing_since: Option<Instant>,
    /// What is to be said next.
    ready: Vec<Event>,
    closed: bool,
}

/// Why a stream stopped waiting.
enum Woken {
    News,
    Beat,
    End(&'static str),
}

impl Course {
    /// Begins after a position, or at the end of the log.
    pub async fn begin(
        reader: Reader<History>,
        which: Filters,
        (place, stopping): (Place, Stopping),
        after: Option<i64>,
    ) -> Result<Self, ApiError> {
        let now = Instant::now();
        let mut course = Self {
            reader,
            which,
            place,
            stopping,
            after: after.unwrap_or(i64::MAX),
            seen: 0,
            more: false,
            beat: now,
            checked: now,
            failing_since: None,
            ready: Vec::new(),
            closed: false,
        };
        // A position that the log does not have yet is one that this reader has not seen yet: 503, as for every read.
        let at_least = course.reader.min_position().max(after).unwrap_or(0);
        let (answer, seen) = course.read(at_least, if after.is_some() { PAGE } else { 0 }).await?;
        course.after = after.unwrap_or(seen);
        course.take(answer, seen, true).await?;
        course.ready.insert(0, Event::default().retry(RETRY));
        Ok(course)
    }

    /// How far the log was when it was last read.
    pub fn seen(&self) -> i64 {
        self.seen
    }

    /// The events, as they come.
    pub fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut course| async move {
            let events = course.next().await?;
            Some((stream::iter(events.into_iter().map(Ok)), course))
        })
        .flatten()
    }

    /// The next events; nothing at the end.
    async fn next(&mut self) -> Option<Vec<Event>> {
        loop {
            if !self.ready.is_empty() {
                self.beat = Instant::now() + HEARTBEAT;
                return Some(std::mem::take(&mut self.ready));
            }
            if self.closed {
                return None;
            }
            let woken = if self.more { self.at_once() } else { self.wait().await };
            let beat = match woken {
                Woken::News => Instant::now() >= self.beat,
                Woken::Beat => true,
                Woken::End(code) => {
                    self.close(code);
                    continue;
                }
            };
            if let Err(code) = self.still_may().await {
                self.close(code);
            } else if let Err(error) = self.go_on(beat).await {
                self.fail(&error).await;
            }
        }
    }

    /// Without waiting: there is more. A long past must not keep the server from stopping.
    fn at_once(&self) -> Woken {
        match stopped(&self.reader, &self.stopping).now_or_never() {
            Some(()) => Woken::End("shutting_down"),
            None => Woken::News,
        }
    }

    /// Until there may be more, or something has to be said.
    async fn wait(&mut self) -> Woken {
        if *self.place.news.borrow_and_update() > self.seen {
            // There is news of a position that this replica does not have yet.
            sleep(AGAIN).await;
            return Woken::News;
        }
        tokio::select! {
            changed = self.place.news.changed() => if changed.is_ok() { Woken::News } else { Woken::End("shutting_down") },
            () = sleep_until(self.beat) => Woken::Beat,
            () = expiry(&self.reader) => Woken::End("token_expired"),
            () = stopped(&self.reader, &self.stopping) => Woken::End("shutting_down"),
        }
    }

    /// Whether the caller may still read: the token's time at every turn, the login or API token itself now and then.
    async fn still_may(&mut self) -> Result<(), &'static str> {
        if self.reader.expires_at().is_some_and(|end| self.reader.now() >= end) {
            return Err("token_expired");
        }
        if self.checked.elapsed() < CHECK {
            return Ok(());
        }
        self.checked = Instant::now();
        match self.reader.check_again().await {
            // A database that is away says nothing about the token: reading will find out.
            Err(error) if error.status().is_client_error() => Err(error.code()),
            _ => Ok(()),
        }
    }

    async fn go_on(&mut self, beat: bool) -> Result<(), ApiError> {
        let (answer, seen) = self.read(self.after, PAGE).await?;
        self.take(answer, seen, beat).await
    }

    /// Facts after the position that was told last, from a snapshot that has seen `at_least`; and how far the log is.
    async fn read(&self, at_least: i64, fetch: i64) -> Result<(Answer, i64), ApiError> {
        let question =
            Question { which: &[&self.which], descending: false, after: Some(self.after), fetch, count: false };
        let question = &question;
        let asked = self.reader.ask_from(at_least, |mut db, whose| async move { ask(&mut db, whose, question).await });
        asked.await.map(|snapshot| (snapshot.body, snapshot.as_of))
    }

    /// Makes events of what was read; if there was nothing, of how far the log was, should something be said.
    async fn take(&mut self, answer: Answer, seen: i64, beat: bool) -> Result<(), ApiError> {
        if answer.erased {
            self.close("invalid_token");
            return Ok(());
        }
        let facts = answer.tell(&self.reader).await?;
        self.failing_since = None;
        self.seen = seen;
        self.more = i64::try_from(facts.len()).is_ok_and(|count| count == PAGE);
        // A page that is not full was all there is up to the end of the log.
        self.after = facts.last().filter(|_| self.more).map_or(seen, |last| last.position);
        metrics::counter!("orbit_streamed_facts_total").increment(facts.len() as u64);
        self.ready.extend(facts.iter().map(told));
        if self.ready.is_empty() && beat {
            self.ready.push(position(seen));
        }
        Ok(())
    }

    /// Tries again for a while: a database that was away for a moment ends no stream.
    async fn fail(&mut self, error: &ApiError) {
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        tracing::debug!(code = error.code(), "a stream cannot read the log");
        if since.elapsed() >= OUTAGE {
            return self.close("unavailable");
        }
        self.more = true;
        if Instant::now() >= self.beat {
            self.ready.push(Event::default().comment("heartbeat"));
        }
        tokio::select! {
            () = sleep(AGAIN) => {}
            () = stopped(&self.reader, &self.stopping) => self.close("shutting_down"),
        }
    }

    fn close(&mut self, code: &'static str) {
        self.closed = true;
        self.ready.push(Event::default().event("closed").data(json!({ "code": code }).to_string()));
    }
}

/// When the caller's token stops working.
async fn expiry(reader: &Reader<History>) {
    match reader.expires_at() {
        Some(end) => sleep((end - reader.now()).to_std().unwrap_or_default()).await,
        None => std::future::pending().await,
    }
}

/// When this role of the process stops, or the server before it: one of several roles, it goes first.
async fn stopped(reader: &Reader<History>, stopping: &Stopping) {
    tokio::select! {
        () = reader.reads().streams().ended() => {}
        () = stopping.asked() => {}
    }
}

fn told(fact: &Outward) -> Event {
    // A type that nobody knows may hold what no event's name can.
    let named = fact.wire_type.bytes().all(|byte| byte.is_ascii_graphic());
    let name = if named { fact.wire_type.as_str() } else { "unreadable" };
    let data = serde_json::to_string(fact).unwrap_or_default();
    Event::default().id(fact.position.to_string()).event(name).data(data)
}

/// How far the log was looked through: a client that comes back from here has missed nothing.
fn position(seen: i64) -> Event {
    let data = json!({ "position": seen }).to_string();
    Event::default().comment("heartbeat").id(seen.to_string()).event("position").data(data)
}
