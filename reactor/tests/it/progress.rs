//! How far folders of mailboxes elsewhere are, as the book says it: on the way, when something fails, and after.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

use chrono::{DateTime, Utc};
use orbit_domain::users::connection::{Command, Edit, MailEdit};
use orbit_testing::{
    eventually,
    peers::{self, ImapServer, PASSWORD},
};

use crate::{
    relay::{Relay, Way},
    synced::{Synced, append, client},
    world::{SOON, start},
};

const MEBIBYTE: usize = 1024 * 1024;

/// What the book says of a folder, and of the account that it is in.
#[derive(Debug, sqlx::FromRow)]
struct Progress {
    phase: String,
    done: i64,
    total: i64,
    code: Option<String>,
    next_try_at: Option<DateTime<Utc>>,
    synced_at: Option<DateTime<Utc>>,
    account_phase: String,
    account_code: Option<String>,
    account_detail: Option<String>,
    account_error_at: Option<DateTime<Utc>>,
    account_next_try_at: Option<DateTime<Utc>>,
    failures: i32,
}

impl Synced {
    async fn progress(&self, path: &'static str) -> Option<Progress> {
        let sql = "SELECT f.phase, f.done, f.total, f.error_code AS code, f.next_try_at, f.synced_at,
                          a.phase AS account_phase, a.error_code AS account_code, a.error_detail AS account_detail,
                          a.error_at AS account_error_at, a.failures,
                          nullif(a.next_try_at, '-infinity') AS account_next_try_at
                   FROM work.mail_folders f JOIN work.mail_accounts a USING (connection_id) WHERE f.path = $1";
        sqlx::query_as(sql).bind(path.as_bytes()).fetch_optional(self.world.database.pool()).await.unwrap()
    }

    /// Waits until a folder is so.
    async fn until(&self, path: &'static str, is_so: impl Fn(&Progress) -> bool) -> Progress {
        eventually(SOON, || async {
            match self.progress(path).await {
                Some(progress) if is_so(&progress) => Ok(progress),
                other => Err(other),
            }
        })
        .await
    }
}

fn is_in_step(progress: &Progress) -> bool {
    progress.phase == "idle" && progress.account_phase == "watching"
}

async fn a_folder_is_seen_to_get_on(server: &ImapServer) {
    let mut there = client(server).await;
    there.create(b"Large").await.unwrap();
    for number in 0..3 {
        let mut message = format!("Message-ID: <{number}@example.org>\r\nSubject: Large\r\n\r\n").into_bytes();
        message.extend(b"All work and no play makes for long e-mails.\r\n".repeat(3 * MEBIBYTE / 46));
        there.append(b"Large", &[], start(), &message).await.unwrap();
    }
    // Each is fetched by itself, and the third does not come through.
    let relay = Relay::to(server.port, Way::HeldAfter(7 * MEBIBYTE as u64)).await;
    let synced = Synced::new(relay.port, PASSWORD).await;
    let life = synced.keep();
    let held = synced.until("Large", |large| large.done == 2).await;
    assert_eq!((&*held.phase, held.total, held.synced_at), ("fetching", 3, None));
    assert_eq!((&*held.account_phase, held.account_code), ("syncing", None));
    // What is left in the midst is not said to be under way.
    life.finish(SOON).await.unwrap();
    let left = synced.until("Large", |large| large.account_phase == "waiting").await;
    assert_eq!((&*left.phase, left.done, left.total, left.synced_at), ("waiting", 0, 0, None));
    relay.set(Way::Open);
    synced.keep();
    let done = synced.until("Large", is_in_step).await;
    assert_eq!((done.done, done.total, done.code, done.next_try_at), (0, 0, None, None));
    assert!(done.synced_at.is_some());
    assert_eq!(synced.received().await, 3);
}

async fn a_password_that_is_wrong_by_now_is_said_with_the_next_try(server: &ImapServer) {
    append(&mut client(server).await, b"INBOX", &[], "a").await;
    let synced = Synced::new(server.port, PASSWORD).await;
    let life = synced.keep();
    let before = synced.until("INBOX", is_in_step).await;
    life.finish(SOON).await.unwrap();
    let password = |secret| Edit::parse(None, None, None, None, Some(Some(secret)), MailEdit::default()).unwrap();
    synced.connection(Command::ChangeSettings(Box::new(password("battery staple")))).await;
    synced.keep();
    let failed = synced.until("INBOX", |inbox| inbox.account_phase == "failed").await;
    assert_eq!(failed.account_code.as_deref(), Some("authentication_failed"));
    assert!(failed.account_detail.is_some_and(|detail| !detail.contains("battery") && detail.ends_with('.')));
    let (at, next) = (failed.account_error_at.unwrap(), failed.account_next_try_at.unwrap());
    assert!(at > before.synced_at.unwrap() && next > at, "{at} {next}");
    // The folder itself is in step, or waiting: it may have been compared once more when the process stopped.
    assert!(["idle", "waiting"].contains(&&*failed.phase), "{}", failed.phase);
    assert_eq!((failed.failures, failed.code), (1, None));
    synced.connection(Command::ChangeSettings(Box::new(password(PASSWORD)))).await;
    let mended = synced.until("INBOX", |inbox| is_in_step(inbox) && inbox.synced_at > Some(at)).await;
    assert_eq!((mended.account_code, mended.account_detail, mended.account_error_at), (None, None, None));
    assert_eq!(mended.failures, 0);
}

async fn a_server_that_is_gone_is_said_and_forgotten_when_it_is_back(server: &ImapServer) {
    append(&mut client(server).await, b"INBOX", &[], "a").await;
    let relay = Relay::to(server.port, Way::Open).await;
    let synced = Synced::new(relay.port, PASSWORD).await;
    synced.keep();
    synced.until("INBOX", is_in_step).await;
    relay.set(Way::Cut);
    let failed = synced.until("INBOX", |inbox| inbox.account_phase == "failed").await;
    assert_eq!(failed.account_code.as_deref(), Some("unreachable"));
    let (at, next) = (failed.account_error_at.unwrap(), failed.account_next_try_at.unwrap());
    let pause = (next - at).num_seconds();
    assert!((5..=7).contains(&pause), "the first pause of all: {pause} s");
    // Each next pause is longer.
    let again = synced.until("INBOX", |inbox| inbox.account_phase == "failed" && inbox.failures == 2).await;
    let pause = (again.account_next_try_at.unwrap() - again.account_error_at.unwrap()).num_seconds();
    assert!((10..=13).contains(&pause), "the second pause: {pause} s");
    relay.set(Way::Open);
    append(&mut client(server).await, b"INBOX", &[], "b").await;
    let back = synced.until("INBOX", |inbox| is_in_step(inbox) && inbox.synced_at > Some(at)).await;
    assert_eq!((back.account_code, back.account_error_at, back.failures), (None, None, 0));
    synced.arrived("b").await;
}

/// Runs a test against both, as far as both are there.
macro_rules! both {
    ($($name:ident: $test:ident)*) => {$(
        mod $name {
            #[tokio::test]
            async fn with_pymap() {
                super::$test(&orbit_testing::peers::pymap().await).await;
            }

            #[tokio::test]
            async fn with_dovecot() {
                if let Some(server) = orbit_testing::peers::dovecot().await {
                    super::$test(&server).await;
                }
            }
        }
    )*};
}

both! {
    on_the_way: a_folder_is_seen_to_get_on
    password: a_password_that_is_wrong_by_now_is_said_with_the_next_try
    server: a_server_that_is_gone_is_said_and_forgotten_when_it_is_back
}

#[tokio::test]
async fn a_folder_that_the_server_does_not_open_keeps_none_of_the_others_from_being_in_step() {
    let Some(server) = peers::dovecot().await else { return };
    let mut there = client(&server).await;
    there.create(b"Shut").await.unwrap();
    append(&mut there, b"Shut", &[], "a").await;
    append(&mut there, b"INBOX", &[], "b").await;
    let directory = server.maildir().join(".Shut");
    set_permissions(&directory, Permissions::from_mode(0o000)).unwrap();
    let synced = Synced::new(server.port, PASSWORD).await;
    synced.keep();
    synced.arrived("b").await;
    let shut = synced.until("Shut", |shut| shut.phase == "failed" && shut.account_phase == "watching").await;
    assert_eq!((shut.code.as_deref(), shut.synced_at, shut.account_code), (Some("select"), None, None));
    assert!(shut.next_try_at.is_some());
    synced.until("INBOX", is_in_step).await;
    set_permissions(&directory, Permissions::from_mode(0o700)).unwrap();
    let open = synced.until("Shut", is_in_step).await;
    assert_eq!((open.code, open.next_try_at), (None, None));
    synced.arrived("a").await;
}

#[tokio::test]
async fn of_an_account_that_is_disconnected_nothing_is_left() {
    let server = peers::pymap().await;
    append(&mut client(&server).await, b"INBOX", &[], "a").await;
    let synced = Synced::new(server.port, PASSWORD).await;
    synced.keep();
    synced.until("INBOX", is_in_step).await;
    synced.connection(Command::Disconnect).await;
    let rows = "SELECT (SELECT count(*) FROM work.mail_accounts) + (SELECT count(*) FROM work.mail_folders)
                       + (SELECT count(*) FROM work.mail_uids) + (SELECT count(*) FROM work.mail_missing)";
    eventually(SOON, || async { synced.count(rows).await == 0 }).await;
}
