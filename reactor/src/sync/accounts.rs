//! Who keeps which account in step, and what becomes of failures.

use std::{convert::Infallible, sync::Arc, time::Duration};

use chrono::TimeDelta;
use orbit_adapters::imap::{Client, Idle};
use orbit_domain::{
    emails::email::Again,
    users::{Connection, connection::Command},
};
use orbit_event_store::{EventStore, Mode, Refused, Unit};
use orbit_events::{Actor, UserId, emails::Role};
use orbit_platform::{ids, random, shutdown::Shutdown};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, sleep, sleep_until},
};
use uuid::Uuid;

use super::{
    Fault,
    book::{Account, Book, Folder, Pages, Phase},
    session::{Pulse, Session},
};
use crate::{
    Deps, Mail,
    ingest::{Cause, Ingest},
    servers::server,
};

/// Accounts that a process keeps in step at a time.
const AT_ONCE: usize = 200;
/// How often it looks for accounts that are due.
const LOOK: Duration = Duration::from_secs(1);
/// How often a worker says that it is alive, and looks whether it still moves.
const BEAT: Duration = Duration::from_secs(15);
/// Nothing has moved for so long: the connection is dropped.
const STUCK: Duration = Duration::from_mins(10);
/// Servers end waiting after half an hour (RFC 2177).
const IDLE: Duration = Duration::from_mins(25);
/// The first pause after a failure; each next one is twice as long.
const PAUSE: TimeDelta = TimeDelta::seconds(5);
/// The longest pause.
const PAUSE_AT_MOST: TimeDelta = TimeDelta::minutes(30);
/// A password that was refused so often is not tried again: others lock accounts for less.
const LOGINS: i32 = 3;
/// After so many failures in a row the user is told; a password that is refused is told of at once.
const WORTH_TELLING: i32 = 3;

/// All accounts that this process keeps in step.
pub(super) struct Accounts {
    worker: Worker,
    life: Shutdown,
}

/// What every account is kept in step with.
#[derive(Clone)]
struct Worker {
    id: Uuid,
    store: EventStore,
    ingest: Ingest,
    book: Book,
    mail: Mail,
    /// Something was noted that may be for this account.
    noted: watch::Receiver<()>,
}

/// How keeping an account in step ended.
enum End {
    /// The process stops.
    Stopped,
    /// Another worker has the account, or it has other settings, or is gone.
    Lost,
    /// It failed.
    Failed(Fault),
}

impl Accounts {
    pub fn new(deps: &Deps, noted: watch::Receiver<()>, life: &Shutdown) -> Self {
        let worker = Worker {
            id: ids::new_event_id(),
            store: deps.store.clone(),
            ingest: Ingest::new(deps.store.clone(), deps.blobs.clone()),
            book: Book::new(deps.store.log().pool().clone()),
            mail: deps.mail.clone(),
            noted,
        };
        Self { worker, life: life.clone() }
    }

    /// Takes accounts that are due, until it is time to stop.
    pub async fn run(mut self) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let free = i64::try_from(places.available_permits()).unwrap_or(0);
            match self.worker.book.take(self.worker.id, self.worker.store.clock(), free).await {
                Ok(taken) => {
                    for account in taken {
                        // Nobody else takes places, so there is one for each.
                        let Ok(place) = places.clone().try_acquire_owned() else { break };
                        self.begin(account, place);
                    }
                }
                Err(fault) => {
                    let error = &fault as &dyn std::error::Error;
                    tracing::warn!(error, "looking for accounts failed, will try again");
                }
            }
            tokio::select! {
                () = self.life.cancelled() => return,
                Ok(()) = self.worker.noted.changed() => {}
                () = sleep(LOOK) => {}
            }
        }
    }

    fn begin(&self, account: Account, place: OwnedSemaphorePermit) {
        let (worker, life) = (self.worker.clone(), self.life.clone());
        self.life.spawn("mail.account", async move {
            worker.attend(account, &life).await;
            drop(place);
        });
    }
}

impl Worker {
    async fn attend(mut self, account: Account, life: &Shutdown) {
        let pages = self.book.of(account.connection_id, account.user_id);
        let pulse = Pulse::default();
        let (store, id) = (self.store.clone(), self.id);
        let end = tokio::select! {
            () = life.cancelled() => End::Stopped,
            end = watch_over(&pages, &account, id, &store, &pulse) => end,
            end = self.keep(&account, &pages, &pulse) => match end {
                Ok(never) => match never {},
                Err(end) => end,
            },
        };
        let noted = self.leave(&account, &pages, end).await;
        if let Err(fault) = noted {
            // Then it is taken for dead in a minute.
            tracing::warn!(error = &fault as &dyn std::error::Error, "how an account was left was not noted");
        }
    }

    async fn leave(&self, account: &Account, pages: &Pages, end: End) -> Result<(), crate::work::Fault> {
        pages.none_is_under_way(self.id).await?;
        match end {
            End::Stopped | End::Lost => pages.give_back(self.id).await,
            End::Failed(fault) => {
                self.failed(account, pages, &fault).await?;
                // Where its settings were changed meanwhile, none of that was noted: with these it is due.
                pages.give_back(self.id).await
            }
        }
    }

    /// Compares all of it, and then waits for what happens there and here.
    async fn keep(&mut self, account: &Account, pages: &Pages, pulse: &Pulse) -> Result<Infallible, End> {
        pages.none_is_under_way(self.id).await.map_err(failed)?;
        let user = UserId(account.user_id);
        let known = self.store.load::<Connection>(account.connection_id).await.map_err(failed)?;
        // If its settings have changed since it was taken, that is noted soon, and it begins anew.
        let known = known.ok_or(End::Lost)?;
        let present = known.state.present().ok_or(End::Lost)?;
        let server = server(present, &self.mail.roots, self.mail.private_hosts);
        metrics::counter!("orbit_imap_connections_total").increment(1);
        let mut client = Client::connect(&server).await.map_err(failed)?;
        pulse.beat();
        let resyncs = client.enable_resync().await.map_err(failed)?;
        let mut session = Session {
            client,
            resyncs,
            pages: pages.clone(),
            store: self.store.clone(),
            ingest: self.ingest.clone(),
            cause: Cause {
                user,
                actor: Actor::Integration { connection_id: account.connection_id },
                correlation_id: ids::new_event_id(),
                again: Again::No,
            },
            pulse: pulse.clone(),
            poll: self.mail.poll,
            open: None,
            takes_keywords: false,
            created: 0,
        };
        loop {
            session.cause.correlation_id = ids::new_event_id();
            session.created = 0;
            pages.phase(Phase::Syncing).await.map_err(failed)?;
            let folders = session.pass().await.map_err(End::Failed)?;
            self.tell_user(account.connection_id, user, progress(&folders, session.created))
                .await
                .map_err(End::Failed)?;
            pages.phase(Phase::Watching).await.map_err(failed)?;
            self.wait(&mut session, &folders).await.map_err(End::Failed)?;
        }
    }

    /// Watches the inbox and what is changed here, until all is to be compared again.
    async fn wait(&mut self, session: &mut Session, folders: &[Folder]) -> Result<(), Fault> {
        let again = Instant::now() + self.mail.poll;
        let inbox = folders.iter().find(|folder| folder.role == Role::Inbox);
        loop {
            self.noted.mark_unchanged();
            session.tell(folders).await?;
            // What came meanwhile is seen by comparing once more; from here on the server tells.
            if let Some(inbox) = inbox
                && session.open != Some(inbox.id)
            {
                let inbox = session.pages.folders().await?.into_iter().find(|f| f.id == inbox.id);
                let Some(inbox) = inbox else { return Ok(()) };
                session.compare(&inbox).await?;
            }
            if session.pages.is_anything_missing().await? {
                return Ok(());
            }
            let until = again.min(Instant::now() + IDLE);
            let wake = async {
                tokio::select! {
                    () = sleep_until(until) => {}
                    Ok(()) = self.noted.changed() => {}
                }
            };
            session.pulse.rest();
            let news = if session.open.is_some() && session.client.can("IDLE") {
                session.client.idle(wake).await?
            } else {
                wake.await;
                session.client.noop().await?
            };
            session.pulse.beat();
            if Instant::now() >= again {
                return Ok(());
            }
            if news == Idle::News {
                session.open = None;
            }
        }
    }

    async fn failed(&self, account: &Account, pages: &Pages, fault: &Fault) -> Result<(), crate::work::Fault> {
        let code = fault.code();
        metrics::counter!("orbit_sync_failures_total", "code" => code).increment(1);
        if matches!(fault, Fault::Stuck) {
            metrics::counter!("orbit_sync_stuck_total").increment(1);
        }
        // Since a pass last went through, which this worker may have seen itself.
        let failures = pages.failures().await?.saturating_add(1);
        let is_refused = code == "authentication_failed";
        let connection = account.connection_id;
        tracing::info!(error = fault as &dyn std::error::Error, %connection, failures, "an account is out of step");
        let now = self.store.clock().now();
        let next = (!is_refused || failures < LOGINS).then(|| now + pause(failures));
        pages.failed(account, failures, &fault.failure(now, next)).await?;
        if is_refused || failures >= WORTH_TELLING {
            let command = Command::FailSync { code: code.to_owned(), detail: fault.detail().to_owned() };
            if let Err(fault) = self.tell_user(connection, UserId(account.user_id), command).await {
                tracing::warn!(error = &fault as &dyn std::error::Error, "a failed synchronisation was not recorded");
            }
        }
        Ok(())
    }

    /// Records how the connection is, once for each time that this changes.
    async fn tell_user(&self, id: Uuid, user: UserId, command: Command) -> Result<(), Fault> {
        let cause = Cause {
            user,
            actor: Actor::Integration { connection_id: id },
            correlation_id: ids::new_event_id(),
            again: Again::No,
        };
        let decide = |unit: Unit| {
            let command = command.clone();
            async move {
                let known = unit.load::<Connection>(id).await?;
                let is_known = known.as_ref().and_then(|known| known.state.present()).is_some_and(|account| {
                    matches!(command, Command::ProgressSync { .. })
                        && account.failure.is_none()
                        && account.cursor.is_some()
                });
                if is_known {
                    return Ok(());
                }
                match unit.decide::<Connection>(id, command).await {
                    // Disconnected meanwhile.
                    Ok(_) | Err(Refused::Rejected(_)) => Ok(()),
                    Err(Refused::Fault(fault)) => Err(fault),
                }
            }
        };
        let origin = cause.origin(self.store.clock().now());
        self.store.transact::<_, orbit_event_store::Fault, _>(origin, Mode::default(), decide).await?;
        Ok(())
    }
}

/// Notices that nothing moves.
struct Watchdog {
    beats: Option<u64>,
    moved_at: Instant,
}

impl Watchdog {
    /// Whether nothing has moved for [`STUCK`]; `beats` as [`Pulse::beats`] gives them.
    fn is_stuck(&mut self, beats: Option<u64>, now: Instant) -> bool {
        if beats.is_none() || beats != self.beats {
            *self = Self { beats, moved_at: now };
        }
        now.duration_since(self.moved_at) > STUCK
    }
}

/// Says that the worker is alive; returns when the account is another's, or nothing moves.
async fn watch_over(pages: &Pages, account: &Account, worker: Uuid, store: &EventStore, pulse: &Pulse) -> End {
    let mut watchdog = Watchdog { beats: pulse.beats(), moved_at: Instant::now() };
    loop {
        sleep(BEAT).await;
        match pages.keep(account, worker, store.clock()).await {
            Ok(true) => {}
            Ok(false) => return End::Lost,
            // If this goes on, another worker takes the account, and what it does twice changes nothing.
            Err(fault) => {
                tracing::warn!(error = &fault as &dyn std::error::Error, "a worker could not say it is alive");
            }
        }
        if watchdog.is_stuck(pulse.beats(), Instant::now()) {
            return End::Failed(Fault::Stuck);
        }
    }
}

fn failed(fault: impl Into<Fault>) -> End {
    End::Failed(fault.into())
}

/// How far a pass came, by the inbox.
fn progress(folders: &[Folder], items: u64) -> Command {
    let inbox = folders.iter().find(|folder| folder.role == Role::Inbox).map(|folder| folder.cursor);
    let cursor = inbox
        .map_or_else(String::new, |cursor| format!("{}:{}", cursor.uid_validity.unwrap_or_default(), cursor.uid_next));
    Command::ProgressSync { cursor, items }
}

/// Twice as long with every failure, and a little more or less, so that not all come back at once.
fn pause(failures: i32) -> TimeDelta {
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(0).min(16);
    let pause = (PAUSE * 2_i32.saturating_pow(doublings)).min(PAUSE_AT_MOST);
    let jitter = i32::from(u8::from_le_bytes(random::bytes::<1>()));
    pause + pause / 4 * jitter / 256
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn pauses_grow_up_to_half_an_hour() {
        for (failures, from, to) in [(1, 5, 7), (2, 10, 13), (4, 40, 50), (10, 1_800, 2_250), (i32::MAX, 1_800, 2_250)]
        {
            let seconds = pause(failures).num_seconds();
            assert!((from..=to).contains(&seconds), "{failures}: {seconds}");
        }
    }

    #[test]
    fn what_does_not_move_for_ten_minutes_is_stuck_and_what_rests_is_not() {
        let (pulse, began) = (Pulse::default(), Instant::now());
        let after = |minutes| began + Duration::from_mins(minutes) + Duration::from_secs(1);
        let mut watchdog = Watchdog { beats: pulse.beats(), moved_at: began };
        assert!(!watchdog.is_stuck(pulse.beats(), after(9)));
        pulse.beat();
        assert!(!watchdog.is_stuck(pulse.beats(), after(12)));
        assert!(!watchdog.is_stuck(pulse.beats(), after(21)));
        assert!(watchdog.is_stuck(pulse.beats(), after(23)));
        pulse.rest();
        assert!(!watchdog.is_stuck(pulse.beats(), after(60)));
        pulse.beat();
        assert!(!watchdog.is_stuck(pulse.beats(), after(61)));
        assert!(watchdog.is_stuck(pulse.beats(), after(72)));
        let failure = Fault::Stuck.failure(DateTime::UNIX_EPOCH, None);
        assert_eq!(failure.code, "stuck");
    }
}
