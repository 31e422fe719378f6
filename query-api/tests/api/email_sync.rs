//! How folders and mailboxes elsewhere are kept in step, as their user sees it.

use chrono::{DateTime, TimeDelta, Utc};
use orbit_events::{
    ConnectionId, FolderId, UserId,
    emails::{Role, folder},
    users::connection::{self, Connected, Kind, Settings},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{ADA, BOB, NOW, World, at};

const ACCOUNT: ConnectionId = ConnectionId(Uuid::from_u128(0xacc));
const INBOX: FolderId = FolderId(Uuid::from_u128(0x1b));
const PROJECTS: FolderId = FolderId(Uuid::from_u128(0x20));
const LOCAL: FolderId = FolderId(Uuid::from_u128(0x10ca1));

/// Minutes ago.
fn ago(minutes: i64) -> DateTime<Utc> {
    at(NOW) - TimeDelta::minutes(minutes)
}

fn rfc3339(at: DateTime<Utc>) -> Value {
    serde_json::to_value(at).unwrap()
}

impl World {
    async fn has_folder(&self, user: UserId, id: FolderId, connection_id: Option<ConnectionId>, name: &str) {
        let (path, name, delimiter) = (name.to_owned(), name.to_owned(), None);
        let observed = folder::Observed { connection_id, path, name, role: Role::Other, delimiter };
        self.record(user, id.0, 1, folder::Event::from(observed)).await;
    }

    /// Ada's account with two folders that are in step since ten minutes ago, while somebody watches it; and a folder that
    /// is only here.
    async fn with_account(self) -> Self {
        let world = self.with_ada().await;
        let settings = Settings {
            name: "Work mail".to_owned(),
            endpoint: "imap.example.org".to_owned(),
            port: None,
            username: Some("ada".to_owned()),
            secret: Some("hunter2".to_owned()),
            security: None,
            address: None,
            display_name: None,
            imap_connection_id: None,
            saves_sent: None,
        };
        world.record(ADA, ACCOUNT.0, 1, connection::Event::from(Connected { kind: Kind::Imap, settings })).await;
        world.has_folder(ADA, INBOX, Some(ACCOUNT), "Inbox").await;
        world.has_folder(ADA, PROJECTS, Some(ACCOUNT), "Projects").await;
        world.has_folder(ADA, LOCAL, None, "Local").await;
        sqlx::query(
            "INSERT INTO work.mail_accounts (connection_id, user_id, settings, phase, next_try_at, synced_at, worker, alive_until)
             VALUES ($1, $2, 1, 'watching', '-infinity', $3, $1, $4)",
        )
        .bind(ACCOUNT.0)
        .bind(ADA.0)
        .bind(ago(10))
        .bind(ago(-1))
        .execute(world.database.pool())
        .await
        .unwrap();
        for id in [INBOX, PROJECTS] {
            sqlx::query(
                "INSERT INTO work.mail_folders (folder_id, connection_id, user_id, path, role, phase, synced_at)
                 VALUES ($1, $2, $3, 'path', 'other', 'idle', $4)",
            )
            .bind(id.0)
            .bind(ACCOUNT.0)
            .bind(ADA.0)
            .bind(ago(10))
            .execute(world.database.pool())
            .await
            .unwrap();
        }
        world
    }

    async fn change(&self, sql: &'static str, at: DateTime<Utc>) {
        let done = sqlx::query(sql).bind(at).execute(self.database.pool()).await.unwrap();
        assert!(done.rows_affected() > 0, "{sql}");
    }

    /// What one folder says, which is what it says among all.
    async fn sync(&self, id: FolderId) -> Value {
        let one = self.get(ADA, &format!("/emails/folders/{id}")).await.ok();
        let all = self.get(ADA, "/emails/folders").await.ok();
        let among = all["data"].as_array().unwrap().iter().find(|folder| folder["id"] == json!(id)).unwrap();
        assert_eq!(&one, among);
        one["sync"].clone()
    }

    async fn current(&self) -> Value {
        let one = self.get(ADA, &format!("/connections/{}", ACCOUNT.0)).await.ok();
        let all = self.get(ADA, "/connections").await.ok();
        assert_eq!(one, all["data"][0]);
        one["sync"]["current"].clone()
    }
}

#[tokio::test]
async fn a_folder_that_is_in_step_says_since_when_and_one_that_is_only_here_says_nothing() {
    let world = World::new().await.with_account().await;
    let idle = json!({"phase": "idle", "done": 0, "total": 0, "last_error": null, "next_retry_at": null,
                      "synced_at": rfc3339(ago(10))});
    assert_eq!((world.sync(INBOX).await, world.sync(LOCAL).await), (idle, Value::Null));
    let watching =
        json!({"phase": "watching", "last_error": null, "next_retry_at": null, "synced_at": rfc3339(ago(10))});
    assert_eq!(world.current().await, watching);
}

#[tokio::test]
async fn a_folder_that_is_being_worked_off_says_how_far_it_is() {
    let world = World::new().await.with_account().await;
    let sql = "UPDATE work.mail_folders SET phase = 'fetching', done = 400, total = 5120, synced_at = NULL
               WHERE folder_id::text LIKE '%1b' AND $1 > synced_at";
    world.change(sql, ago(0)).await;
    let fetching = json!({"phase": "fetching", "done": 400, "total": 5120, "last_error": null, "next_retry_at": null,
                          "synced_at": null});
    assert_eq!((world.sync(INBOX).await, world.sync(PROJECTS).await["phase"].clone()), (fetching, json!("idle")));
    // Whoever was at it is dead.
    world.change("UPDATE work.mail_accounts SET alive_until = $1", ago(1)).await;
    assert_eq!(world.sync(INBOX).await["phase"], "waiting");
    assert_eq!(world.sync(PROJECTS).await["phase"], "waiting");
    assert_eq!(world.current().await["phase"], "waiting");
}

#[tokio::test]
async fn what_an_account_fails_with_is_seen_at_all_its_folders_until_each_is_in_step_again() {
    let world = World::new().await.with_account().await;
    let sql = "UPDATE work.mail_accounts
               SET phase = 'failed', worker = NULL, failures = 1, error_code = 'unreachable', error_detail = 'It is away.',
                   error_at = $1, next_try_at = $1 + interval '5 s'";
    world.change(sql, ago(2)).await;
    let (error, next) = (
        json!({"code": "unreachable", "detail": "It is away.", "at": rfc3339(ago(2))}),
        rfc3339(ago(2) + TimeDelta::seconds(5)),
    );
    for id in [INBOX, PROJECTS] {
        let failed = json!({"phase": "failed", "done": 0, "total": 0, "last_error": error, "next_retry_at": next,
                            "synced_at": rfc3339(ago(10))});
        assert_eq!(world.sync(id).await, failed);
    }
    let failed = json!({"phase": "failed", "last_error": error, "next_retry_at": next, "synced_at": rfc3339(ago(10))});
    assert_eq!(world.current().await, failed);
    assert_eq!(world.sync(LOCAL).await, Value::Null);
    // It is tried again, and one of them is in step by now.
    let sql = "UPDATE work.mail_accounts SET phase = 'syncing', worker = connection_id, alive_until = $1";
    world.change(sql, ago(-1)).await;
    world.change("UPDATE work.mail_folders SET synced_at = $1 WHERE folder_id::text LIKE '%1b'", ago(0)).await;
    let (inbox, projects) = (world.sync(INBOX).await, world.sync(PROJECTS).await);
    assert_eq!((&inbox["phase"], &inbox["last_error"]), (&json!("idle"), &Value::Null));
    assert_eq!((&projects["phase"], &projects["last_error"]), (&json!("waiting"), &error));
    assert_eq!(projects["next_retry_at"], Value::Null);
    let current = world.current().await;
    assert_eq!((&current["phase"], &current["last_error"]), (&json!("syncing"), &error));
    // Other settings are tried at once, whenever that is.
    let sql =
        "UPDATE work.mail_accounts SET phase = 'waiting', next_try_at = '-infinity', worker = NULL WHERE $1 > error_at";
    world.change(sql, ago(0)).await;
    assert_eq!(world.sync(PROJECTS).await["phase"], "waiting");
}

#[tokio::test]
async fn what_one_folder_fails_with_is_seen_at_it_alone() {
    let world = World::new().await.with_account().await;
    let sql = "UPDATE work.mail_folders
               SET phase = 'failed', error_code = 'select', error_detail = 'It stays shut.', error_at = $1,
                   next_try_at = $1 + interval '15 min'
               WHERE folder_id::text LIKE '%20'";
    world.change(sql, ago(2)).await;
    let failed = json!({"phase": "failed", "done": 0, "total": 0,
                        "last_error": {"code": "select", "detail": "It stays shut.", "at": rfc3339(ago(2))},
                        "next_retry_at": rfc3339(ago(-13)), "synced_at": rfc3339(ago(10))});
    assert_eq!(world.sync(PROJECTS).await, failed);
    let inbox = world.sync(INBOX).await;
    assert_eq!((&inbox["phase"], &inbox["last_error"]), (&json!("idle"), &Value::Null));
    assert_eq!(world.current().await["last_error"], Value::Null);
}

#[tokio::test]
async fn nobody_sees_how_the_folders_of_others_are() {
    let world = World::new().await.with_account().await;
    world.register(BOB, "Bob", "UTC").await;
    let theirs = FolderId(Uuid::from_u128(0xb0b1));
    world.has_folder(BOB, theirs, Some(ACCOUNT), "Inbox").await;
    assert_eq!(world.get(BOB, &format!("/emails/folders/{INBOX}")).await.status, 404);
    assert_eq!(world.get(BOB, "/emails/folders").await.ids(), [theirs.0]);
    // Rows that are not of who asks are not read, whatever they say they are about.
    let sql = "INSERT INTO work.mail_folders (folder_id, connection_id, user_id, path, role, synced_at)
               SELECT '00000000-0000-0000-0000-00000000b0b1', connection_id, user_id, path, role, $1
               FROM work.mail_folders LIMIT 1";
    world.change(sql, ago(0)).await;
    let folder = world.get(BOB, &format!("/emails/folders/{theirs}")).await.ok();
    assert_eq!(folder["sync"], Value::Null);
    assert_eq!(world.get(BOB, "/emails/folders").await.ok()["data"][0]["sync"], Value::Null);
    assert!(world.get(BOB, "/connections").await.ids().is_empty());
}

#[tokio::test]
async fn of_the_past_nobody_knows_how_far_anything_was_in_step() {
    let world = World::logged().await.with_account().await;
    let head = world.get(ADA, "/emails/folders").await.header("orbit-as-of").unwrap().to_owned();
    for (path, pointer) in [
        (format!("/emails/folders/{INBOX}"), "/sync"),
        ("/emails/folders".to_owned(), "/data/0/sync"),
        (format!("/connections/{}", ACCOUNT.0), "/sync/current"),
        ("/connections".to_owned(), "/data/0/sync/current"),
    ] {
        let now = world.get(ADA, &path).await.ok();
        assert!(now.pointer(pointer).unwrap().is_object(), "{path}: {now}");
        let then = world.get(ADA, &format!("{path}?as_of={head}")).await.ok();
        assert_eq!(then.pointer(pointer), Some(&Value::Null), "{path}");
    }
}

#[tokio::test]
async fn a_connection_that_tells_of_now_is_never_called_unchanged() {
    let world = World::new().await.with_account().await;
    let (path, known) = (format!("/connections/{}", ACCOUNT.0), [("if-none-match", "\"1\"")]);
    let reply = world.get_with(ADA, &path, &known).await;
    assert_eq!((reply.status, reply.header("etag")), (200, Some("\"1\"")));
    world.change("DELETE FROM work.mail_accounts WHERE synced_at < $1", ago(0)).await;
    assert_eq!(world.get_with(ADA, &path, &known).await.status, 304);
}
