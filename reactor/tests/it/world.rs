//! What the tests share: a log, blobs, somebody with a mailbox, and messages.

use std::{path::PathBuf, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::{TryStreamExt, stream};
use orbit_adapters::blobs::{Blobs, Key, Location, Place};
use orbit_domain::{
    Context,
    emails::{
        Email,
        email::{Command, Present, Rejection},
    },
};
use orbit_event_store::{EventStore, Limits, MasterKey, Mode, Origin, Refused, Settings, Stored, Unit};
use orbit_events::{
    Actor, Metadata, UserId,
    emails::{self, BlobRef, Role, email},
};
use orbit_platform::{clock::Clock, ids, shutdown::Shutdown};
use orbit_reactor::ingest::{Again, Cause, Incoming, Ingest, Outcome, Taken};
use orbit_testing::{TestDatabase, database};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use uuid::Uuid;

pub const SOON: Duration = Duration::from_secs(30);

/// Puts a user's file among the blobs.
pub async fn put(blobs: &Blobs, store: &EventStore, user: UserId, content: Vec<u8>) -> BlobRef {
    let key = store.vault().blob_key(user).await.unwrap();
    let key = Key { number: key.number, bytes: key.bytes };
    let content = stream::once(async { Ok(content.into()) });
    let place = blobs.put(user.0, &key, content, u64::MAX).await.unwrap();
    BlobRef {
        pack: place.pack.simple().to_string(),
        key: place.key,
        offset: place.offset,
        length: place.length,
        chunk: place.chunk,
        sha256: BlobRef::written(&place.sha256),
    }
}

/// A database, and a directory of blobs beside it.
pub struct World {
    pub database: TestDatabase,
    pub clock: Clock,
    pub directory: tempfile::TempDir,
    pub blobs: Blobs,
}

impl World {
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&Location::Directory(directory.path().join("blobs"))).unwrap();
        Self { database: database().await, clock: Clock::system(), directory, blobs }
    }

    pub fn blobs_dir(&self) -> PathBuf {
        self.directory.path().join("blobs")
    }

    /// One more process, as far as database and blobs can tell; it lives as long as `life`.
    pub async fn store(&self, life: &Shutdown) -> EventStore {
        let options: PgConnectOptions = self.database.url().parse().unwrap();
        let pool =
            PgPoolOptions::new().max_connections(8).connect_lazy_with(options.options([("role", "orbit_command")]));
        let master_key = MasterKey::new([7; 32]);
        let settings = Settings { pool: pool.into(), master_key, clock: self.clock.clone(), limits: Limits::default() };
        EventStore::start(settings, life).await.unwrap()
    }

    /// The types of all facts, in order.
    pub async fn types(&self) -> Vec<String> {
        let sql = "SELECT type FROM log.events ORDER BY position";
        sqlx::query_scalar(sql).fetch_all(self.database.pool()).await.unwrap()
    }

    pub async fn facts(&self) -> usize {
        self.types().await.len()
    }

    pub async fn packs(&self) -> usize {
        self.blobs.objects().try_collect::<Vec<_>>().await.unwrap().len()
    }
}

/// A mailbox of somebody's.
pub struct Mailbox {
    pub store: EventStore,
    pub ingest: Ingest,
    pub blobs: Blobs,
    pub cause: Cause,
}

impl Mailbox {
    pub async fn new(world: &World, store: &EventStore) -> Self {
        let user = UserId(ids::new_event_id());
        store.vault().create_key(user).await.unwrap();
        Self::of(world, store, user)
    }

    /// That of somebody who is there.
    pub fn of(world: &World, store: &EventStore, user: UserId) -> Self {
        let cause = Cause { user, actor: Actor::User, correlation_id: Uuid::nil(), again: Again::Yes };
        let ingest = Ingest::new(store.clone(), world.blobs.clone());
        Self { store: store.clone(), ingest, blobs: world.blobs.clone(), cause }
    }

    /// The same one in another process.
    pub fn at(&self, store: &EventStore) -> Self {
        let ingest = Ingest::new(store.clone(), self.blobs.clone());
        Self { store: store.clone(), ingest, blobs: self.blobs.clone(), cause: self.cause }
    }

    pub fn incoming(&self, raw: &[u8]) -> Incoming {
        Incoming {
            raw: raw.to_vec(),
            place: self.ingest.place(self.cause.user, Role::Inbox),
            is_read: false,
            is_starred: true,
            labels: vec![" work ".to_owned(), "work".to_owned(), "\n".to_owned()],
            received_at: start(),
            origin: emails::Origin::Import,
        }
    }

    pub async fn take(&self, raw: &[Vec<u8>]) -> Vec<Taken> {
        let group = raw.iter().map(|raw| self.incoming(raw)).collect();
        self.ingest.take(&self.cause, group).await.unwrap()
    }

    pub async fn outcomes(&self, raw: &[Vec<u8>]) -> Vec<Outcome> {
        self.take(raw).await.iter().map(|taken| taken.outcome).collect()
    }

    pub async fn command(&self, id: Uuid, command: Command) {
        let actor = Actor::User;
        let origin = Origin {
            context: Context { now: self.store.clock().now(), user_id: self.cause.user, actor },
            metadata: Metadata {
                actor,
                correlation_id: Uuid::nil(),
                causation_id: None,
                session_id: None,
                traceparent: None,
            },
        };
        let decide = |unit: Unit| {
            let command = command.clone();
            async move { unit.decide::<Email>(id, command).await.map(drop) }
        };
        let done: Result<_, Refused<Rejection>> = self.store.transact(origin, Mode::default(), decide).await;
        done.unwrap();
    }

    pub async fn present(&self, id: Uuid) -> Present {
        let email = self.store.load::<Email>(id).await.unwrap().unwrap();
        email.state.present().unwrap().clone()
    }

    /// The first fact of an e-mail.
    pub async fn received(&self, id: Uuid) -> email::Received {
        let stored = self.store.log().stream(id, 0, 1).await.unwrap();
        let told = Stored::tell_all(stored, self.store.vault()).await.unwrap();
        serde_json::from_value(told[0].data.clone().unwrap()).unwrap()
    }

    /// The bytes that a fact speaks of.
    pub async fn bytes(&self, raw: &BlobRef) -> Vec<u8> {
        let key = self.store.vault().blob_key_of(self.cause.user, raw.key).await.unwrap().unwrap();
        let key = Key { number: key.number, bytes: key.bytes };
        let place = Place {
            pack: raw.pack_id().unwrap(),
            key: raw.key,
            offset: raw.offset,
            length: raw.length,
            chunk: raw.chunk,
            sha256: raw.digest().unwrap(),
        };
        self.blobs.read(self.cause.user.0, &key, &place, 0..raw.length).await.unwrap()
    }
}

pub fn start() -> DateTime<Utc> {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

pub fn message(id: &str, subject: &str) -> Vec<u8> {
    format!(
        "Message-ID: <{id}@example.org>\r\nFrom: Ada <ada@example.org>\r\nTo: bob@example.org\r\n\
         Date: Tue, 24 Nov 2026 10:00:00 +0000\r\nSubject: {subject}\r\n\r\nGood morning.\r\n"
    )
    .into_bytes()
}

pub fn messages(count: usize, subject: &str) -> Vec<Vec<u8>> {
    (0..count).map(|number| message(&number.to_string(), subject)).collect()
}
