//! The users context: account, devices, API tokens, connections.

use insta::{assert_json_snapshot, assert_snapshot};
use orbit_events::{
    ConnectionId,
    users::{
        api_token::{self, Issued, Revoked},
        connection::{self, Connected, Disconnected, Kind, Security, Settings, SyncFailed, SyncProgressed},
        login,
        user::{self, PreferencesChanged},
    },
};
use serde_json::json;
use uuid::Uuid;

use crate::world::{ADA, BOB, World, at, login_of};

#[tokio::test]
async fn me_is_the_callers_account() {
    let world = World::new().await.with_ada().await;
    let changed = PreferencesChanged { preferences: json!({"theme": "dark"}) };
    world.record(ADA, ADA.0, 2, user::Event::from(changed)).await;
    let reply = world.get(ADA, "/auth/me").await;
    assert_eq!((reply.header("etag"), reply.header("orbit-as-of")), (Some("\"2\""), Some("5")));
    assert_json_snapshot!(reply.ok(), @r#"
    {
      "avatar_url": null,
      "created_at": "2026-11-22T20:28:00Z",
      "email": "ada@example.org",
      "erasure_due_at": null,
      "id": "00000000-0000-0000-0000-000000000ada",
      "locale": "de-DE",
      "name": "Ada",
      "preferences": {
        "theme": "dark"
      },
      "time_zone": "Europe/Berlin",
      "updated_at": "2026-11-22T20:28:00Z",
      "version": 2,
      "working_hours": []
    }
    "#);
}

#[tokio::test]
async fn a_client_that_has_the_version_gets_304() {
    let world = World::new().await.with_ada().await;
    let known = world.get_with(ADA, "/auth/me", &[("if-none-match", "\"1\"")]).await;
    assert_eq!((known.status, known.text.as_str(), known.header("etag")), (304, "", Some("\"1\"")));
    assert!(known.header("orbit-as-of").is_some());
    assert_eq!(world.get_with(ADA, "/auth/me", &[("if-none-match", "\"9\"")]).await.status, 200);
}

#[tokio::test]
async fn an_account_that_is_not_in_the_read_model_yet_is_404() {
    let world = World::new().await;
    assert_eq!(world.get(BOB, "/auth/me").await.status, 404);
}

#[tokio::test]
async fn devices_are_those_that_are_logged_in_and_the_current_one_is_marked() {
    let world = World::new().await.with_ada().await;
    let other = Uuid::from_u128(2);
    let logged_in = |expires_at| login::LoggedIn {
        refresh_hash: String::new(),
        device_name: None,
        user_agent: None,
        address: None,
        expires_at: at(expires_at),
    };
    world.clock.advance(chrono::TimeDelta::minutes(1));
    world.record(ADA, other, 1, login::Event::from(logged_in("2026-12-22T20:28:00Z"))).await;
    world.record(ADA, Uuid::from_u128(3), 1, login::Event::from(logged_in("2026-11-22T20:28:00Z"))).await;
    world.record(ADA, Uuid::from_u128(4), 1, login::Event::from(logged_in("2026-12-22T20:28:00Z"))).await;
    let ended = login::LoggedOut { reason: login::Reason::LoggedOut };
    world.record(ADA, Uuid::from_u128(4), 2, login::Event::from(ended)).await;
    world.register(BOB, "Bob", "UTC").await;

    let devices = world.get(ADA, "/auth/devices").await;
    assert_eq!(devices.ids(), [other, login_of(ADA)]);
    assert_json_snapshot!(devices.json()["data"][1], @r#"
    {
      "address": "203.0.113.7",
      "created_at": "2026-11-22T20:28:00Z",
      "current": true,
      "device_name": "Ada's laptop",
      "expires_at": "2026-12-22T20:28:00Z",
      "id": "00000000-0000-0ada-0000-000000000000",
      "last_used_at": "2026-11-22T20:28:00Z",
      "user_agent": "curl/8.5.0"
    }
    "#);
    assert_eq!(devices.json()["data"][0]["current"], false);
}

#[tokio::test]
async fn a_login_that_has_ended_reads_nothing_though_its_token_has_not_expired() {
    let world = World::new().await.with_ada().await;
    let ended = login::LoggedOut { reason: login::Reason::LoggedOutEverywhere };
    world.record(ADA, login_of(ADA), 2, login::Event::from(ended)).await;
    let reply = world.get(ADA, "/tasks").await;
    assert_eq!((reply.status, reply.json()["code"].clone()), (401, json!("invalid_token")));
}

#[tokio::test]
async fn somebody_who_was_erased_reads_nothing_though_their_token_has_not_expired() {
    let world = World::new().await.with_ada().await;
    world.record(ADA, ADA.0, 2, user::Event::from(user::Erased {})).await;
    for path in ["/tasks", "/activities", "/auth/me"] {
        let reply = world.get(ADA, path).await;
        assert_eq!((reply.status, reply.json()["code"].clone()), (401, json!("invalid_token")), "{path}");
    }
}

#[tokio::test]
async fn api_tokens_are_told_without_secrets_and_revoked_ones_only_when_asked_for() {
    let world = World::new().await.with_ada().await;
    let (kept, revoked) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let issued = |name: &str| Issued {
        name: name.to_owned(),
        secret_hash: "never-shown".to_owned(),
        scopes: vec!["tasks:read".to_owned()],
        expires_at: None,
    };
    world.record(ADA, kept, 1, api_token::Event::from(issued("backup script"))).await;
    world.record(ADA, revoked, 1, api_token::Event::from(issued("old"))).await;
    world.record(ADA, revoked, 2, api_token::Event::from(Revoked {})).await;

    let tokens = world.get(ADA, "/auth/tokens").await;
    assert_eq!(tokens.ids(), [kept]);
    assert!(!tokens.text.contains("never-shown"));
    assert_eq!(world.get(ADA, "/auth/tokens?revoked=true").await.ids(), [kept, revoked]);
    let one = world.get(ADA, &format!("/auth/tokens/{kept}")).await;
    assert_json_snapshot!(one.ok(), @r#"
    {
      "created_at": "2026-11-22T20:28:00Z",
      "expires_at": null,
      "id": "00000000-0000-0000-0000-000000000001",
      "name": "backup script",
      "revoked_at": null,
      "scopes": [
        "tasks:read"
      ],
      "version": 1
    }
    "#);
    assert_eq!(world.get(BOB, &format!("/auth/tokens/{kept}")).await.status, 404);
    assert!(world.get(BOB, "/auth/tokens").await.ids().is_empty());
}

#[tokio::test]
async fn connections_tell_how_they_fare_and_never_their_secret() {
    let world = World::new().await.with_ada().await;
    let (mail, gone) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let connected = || {
        let settings = Settings {
            name: "Work mail".to_owned(),
            endpoint: "imap.example.org".to_owned(),
            port: Some(993),
            username: Some("ada".to_owned()),
            secret: Some("hunter2".to_owned()),
            security: Some(Security::Starttls),
            address: Some("ada@example.org".to_owned()),
            display_name: Some("Ada".to_owned()),
            imap_connection_id: Some(ConnectionId(gone)),
            saves_sent: Some(false),
        };
        connection::Event::from(Connected { kind: Kind::Imap, settings })
    };
    world.record(ADA, mail, 1, connected()).await;
    let progressed = SyncProgressed { cursor: "1".to_owned(), items: 120 };
    world.record(ADA, mail, 2, connection::Event::from(progressed)).await;
    let failed = SyncFailed { code: "unreachable".to_owned(), detail: "imap.example.org does not answer".to_owned() };
    world.record(ADA, mail, 3, connection::Event::from(failed)).await;
    world.record(ADA, gone, 1, connected()).await;
    world.record(ADA, gone, 2, connection::Event::from(Disconnected {})).await;

    assert_eq!(world.get(ADA, "/connections").await.ids(), [mail]);
    let one = world.get(ADA, &format!("/connections/{mail}")).await;
    assert!(!one.text.contains("hunter2"));
    assert_snapshot!(one.text, @r#"{"id":"00000000-0000-0000-0000-000000000001","kind":"imap","name":"Work mail","endpoint":"imap.example.org","port":993,"username":"ada","has_secret":true,"security":"starttls","address":"ada@example.org","display_name":"Ada","imap_connection_id":"00000000-0000-0000-0000-000000000002","saves_sent":false,"sync":{"state":"failed","items":120,"last_synced_at":"2026-11-22T20:28:00Z","last_failed_at":"2026-11-22T20:28:00Z","failure":{"code":"unreachable","detail":"imap.example.org does not answer"},"current":null},"created_at":"2026-11-22T20:28:00Z","updated_at":"2026-11-22T20:28:00Z","version":3}"#);
    assert_eq!(world.get(ADA, &format!("/connections/{gone}")).await.status, 404);
    assert_eq!(world.get(BOB, &format!("/connections/{mail}")).await.status, 404);
}
