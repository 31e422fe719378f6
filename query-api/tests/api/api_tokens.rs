//! API tokens: looked up in the log, held to their scopes, refused as soon as they are revoked.

use chrono::{DateTime, TimeDelta, Utc};
use orbit_event_store::{MasterKey, Vault};
use orbit_events::{
    Actor, EventId, Fact, Metadata, UserId,
    users::api_token::{Event, Issued, Revoked},
};
use orbit_platform::auth::{API_TOKEN_PREFIX, OpaqueToken};
use serde_json::json;
use sqlx::types::Json;
use uuid::Uuid;

use crate::world::{ADA, World};

/// Appends a fact about a token to the log, and to no read model.
pub async fn append(world: &World, user: UserId, token: Uuid, version: i64, event: Event) {
    let vault = Vault::new(world.database.pool().into(), &MasterKey::new([7; 32]), world.clock.clone());
    vault.create_key(user).await.unwrap();
    let id = EventId(Uuid::from_u128(token.as_u128() + u128::try_from(version).unwrap()));
    let data = vault.seal(user, id, event.wire_type(), &event.encode()).await.unwrap();
    let metadata = Metadata {
        actor: Actor::User,
        correlation_id: Uuid::nil(),
        causation_id: None,
        session_id: None,
        traceparent: None,
    };
    sqlx::query(
        "INSERT INTO log.events (position, event_id, user_id, partition, category, stream_id, version, type,
                                 schema_version, data, metadata, recorded_at)
         SELECT coalesce(max(position), 0) + 1, $1, $2, $3, 'api_tokens', $4, $5, $6, 1, $7, $8, $9 FROM log.events",
    )
    .bind(id.0)
    .bind(user.0)
    .bind(World::partition(user))
    .bind(token)
    .bind(version)
    .bind(event.wire_type())
    .bind(data)
    .bind(Json(metadata))
    .bind(world.clock.now())
    .execute(world.database.pool())
    .await
    .unwrap();
    let head = "UPDATE log.head SET position = (SELECT max(position) FROM log.events)";
    sqlx::query(head).execute(world.database.pool()).await.unwrap();
}

pub async fn issue(world: &World, id: u128, scopes: &[&str], expires_at: Option<DateTime<Utc>>) -> OpaqueToken {
    let token = OpaqueToken::new(API_TOKEN_PREFIX, Uuid::from_u128(id << 64));
    let issued = Issued {
        name: "script".to_owned(),
        secret_hash: token.hash(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        expires_at,
    };
    append(world, ADA, token.id(), 1, issued.into()).await;
    token
}

async fn get(world: &World, path: &str, token: &str) -> (u16, serde_json::Value) {
    let reply = world.send(path, &[("authorization", &format!("Bearer {token}"))]).await;
    (reply.status, reply.json()["code"].clone())
}

#[tokio::test]
async fn a_token_reads_what_its_scopes_say_and_nothing_else() {
    let world = World::new().await.with_ada().await;
    let token = issue(&world, 1, &["tasks:read"], None).await.expose();
    for path in ["/tasks", "/tasks/board", "/tasks/today", "/task-lists", "/labels", "/tasks/search?q=a"] {
        assert_eq!(get(&world, path, &token).await.0, 200, "{path}");
    }
    for path in ["/activities", "/activities/export", "/activities/types", "/auth/me", "/auth/devices", "/connections"]
    {
        assert_eq!(get(&world, path, &token).await, (403, json!("missing_scope")), "{path}");
    }
    let admin = issue(&world, 2, &["admin"], None).await.expose();
    assert_eq!(get(&world, "/activities", &admin).await.0, 200);
    let devices = world.send("/auth/devices", &[("authorization", &format!("Bearer {admin}"))]).await.ok();
    assert_eq!(devices["data"][0]["current"], json!(false), "a token is no device");
}

#[tokio::test]
async fn a_token_that_was_revoked_or_has_expired_or_was_guessed_reads_nothing() {
    let world = World::new().await.with_ada().await;
    let revoked = issue(&world, 1, &["tasks:read"], None).await;
    assert_eq!(get(&world, "/tasks", &revoked.expose()).await.0, 200);
    append(&world, ADA, revoked.id(), 2, Revoked {}.into()).await;
    assert_eq!(get(&world, "/tasks", &revoked.expose()).await, (401, json!("invalid_token")));

    let short = issue(&world, 2, &["tasks:read"], Some(world.clock.now() + TimeDelta::hours(1))).await;
    assert_eq!(get(&world, "/tasks", &short.expose()).await.0, 200);
    let guessed = OpaqueToken::new(API_TOKEN_PREFIX, short.id());
    assert_eq!(get(&world, "/tasks", &guessed.expose()).await, (401, json!("invalid_token")));
    let unknown = OpaqueToken::new(API_TOKEN_PREFIX, Uuid::from_u128(9));
    assert_eq!(get(&world, "/tasks", &unknown.expose()).await, (401, json!("invalid_token")));
    world.clock.advance(TimeDelta::hours(1));
    assert_eq!(get(&world, "/tasks", &short.expose()).await, (401, json!("token_expired")));
}

#[tokio::test]
async fn a_token_of_a_user_who_was_forgotten_reads_nothing() {
    let world = World::new().await.with_ada().await;
    let token = issue(&world, 1, &["tasks:read"], None).await.expose();
    let vault = Vault::new(world.database.pool().into(), &MasterKey::new([7; 32]), world.clock.clone());
    vault.destroy_keys(ADA).await.unwrap();
    assert_eq!(get(&world, "/tasks", &token).await, (401, json!("invalid_token")));
}
