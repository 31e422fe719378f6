//! Facts in the log of a test, sealed as the command API seals them.

use orbit_event_store::{MasterKey, Vault};
use orbit_events::{Actor, Envelope, Event, UserId};
use sqlx::types::Json;
use uuid::Uuid;

use crate::world::World;

impl World {
    /// A world whose facts are in the log too.
    pub async fn logged() -> Self {
        Self::new().await.in_the_log()
    }

    /// The same, whose facts are in the log too from now on.
    pub fn in_the_log(mut self) -> Self {
        self.logged = true;
        self
    }

    pub fn vault(&self) -> Vault {
        Vault::new(self.database.pool().into(), &MasterKey::new([7; 32]), self.clock.clone())
    }

    /// Writes a fact into the log; without an event, bytes that nobody can open.
    pub async fn log(&self, envelope: &Envelope, event: Option<&Event>) {
        let vault = self.vault();
        vault.create_key(envelope.user_id).await.unwrap();
        let data = match event {
            Some(event) => {
                vault.seal(envelope.user_id, envelope.event_id, &envelope.wire_type, &event.encode()).await.unwrap()
            }
            None => vec![0; 64],
        };
        self.append(envelope, &data).await;
    }

    /// Puts a payload into the log at the end, whatever it holds.
    pub async fn append(&self, envelope: &Envelope, data: &[u8]) {
        let mut transaction = self.database.pool().begin().await.unwrap();
        sqlx::query(
            "INSERT INTO log.streams (stream_id, category, user_id, version) VALUES ($1, $2, $3, $4)
             ON CONFLICT (stream_id) DO UPDATE SET version = excluded.version",
        )
        .bind(envelope.stream_id)
        .bind(&envelope.category)
        .bind(envelope.user_id.0)
        .bind(envelope.version)
        .execute(&mut *transaction)
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO log.events (position, event_id, user_id, partition, category, stream_id, version, type,
                                     schema_version, data, metadata, recorded_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(envelope.position)
        .bind(envelope.event_id.0)
        .bind(envelope.user_id.0)
        .bind(Self::partition(envelope.user_id))
        .bind(&envelope.category)
        .bind(envelope.stream_id)
        .bind(envelope.version)
        .bind(&envelope.wire_type)
        .bind(envelope.schema_version)
        .bind(data)
        .bind(Json(&envelope.metadata))
        .bind(envelope.recorded_at)
        .execute(&mut *transaction)
        .await
        .unwrap();
        let head = sqlx::query("UPDATE log.head SET position = $1").bind(envelope.position);
        head.execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// A fact that cannot be read, and that no projection has seen.
    pub async fn spoil(&self, user: UserId, stream_id: Uuid, version: i64, wire_type: &str) -> Envelope {
        let envelope = self.envelope(user, stream_id, version, wire_type, Actor::System);
        self.log(&envelope, None).await;
        envelope
    }
}
