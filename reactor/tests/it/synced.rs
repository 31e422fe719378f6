//! An account that is kept in step, and what the tests of that do there.

use std::time::Duration;

use orbit_adapters::{
    imap::{Client, Items, Uids},
    net::{Login, Roots, Security, Server},
};
use orbit_domain::{
    Context,
    emails::{
        Email,
        email::{Key, Present, message_claim},
    },
    users::{
        Connection,
        connection::{self, Account},
    },
};
use orbit_event_store::{Mode, Origin, Refused, Unit};
use orbit_events::{Actor, Metadata, users::connection::Kind};
use orbit_platform::{ids, shutdown::Shutdown};
use orbit_reactor::{Deps, Mail, sync};
use orbit_testing::{
    eventually,
    peers::{ImapServer, PASSWORD, USER},
};
use uuid::Uuid;

use crate::world::{Mailbox, SOON, World, message, start};

/// How often all of an account is compared in these tests.
const POLL: Duration = Duration::from_millis(500);

/// An account, and somebody who keeps it in step.
pub struct Synced {
    pub world: World,
    pub mailbox: Mailbox,
    pub connection: Uuid,
    pub life: Shutdown,
    pub deps: Deps,
}

impl Synced {
    pub async fn new(port: u16, password: &str) -> Self {
        let world = World::new().await;
        let life = Shutdown::new();
        let store = world.store(&life).await;
        let mailbox = Mailbox::new(&world, &store).await;
        let nats = orbit_testing::nats().await;
        let deps = Deps {
            store: store.clone(),
            nats: nats.client().clone(),
            prefix: nats.prefix().to_owned(),
            blobs: world.blobs.clone(),
            mail: Mail { roots: Roots::new(None).unwrap(), private_hosts: true, poll: POLL },
        };
        let connection = ids::new_event_id();
        let mail = connection::Mail { security: Some("plain"), ..connection::Mail::default() };
        let account =
            Account::parse(Kind::Imap, "Work", "127.0.0.1", Some(port), Some(USER), Some(password), mail).unwrap();
        let synced = Self { world, mailbox, connection, life, deps };
        synced.connection(connection::Command::Connect(Box::new(account))).await;
        synced
    }

    /// One more process that keeps accounts in step, until its life ends.
    pub fn keep(&self) -> Shutdown {
        let life = self.life.child();
        sync::start(&self.deps, &life);
        life
    }

    pub async fn connection(&self, command: connection::Command) {
        let id = self.connection;
        let decide = |unit: Unit| {
            let command = command.clone();
            async move { unit.decide::<Connection>(id, command).await.map(drop) }
        };
        let origin = by_hand(&self.mailbox);
        let done: Result<_, Refused<connection::Rejection>> =
            self.mailbox.store.transact(origin, Mode::default(), decide).await;
        done.unwrap();
    }

    /// The e-mail that a message is.
    pub async fn email(&self, id: &str) -> Option<Uuid> {
        let claim = message_claim(self.mailbox.cause.user, &Key::MessageId(format!("{id}@example.org")));
        self.mailbox.store.holder(&claim).await.unwrap()
    }

    /// The e-mail that a message is, as soon as it is one.
    pub async fn arrived(&self, id: &str) -> Uuid {
        eventually(SOON, || self.email(id)).await
    }

    /// How an e-mail is, unless it was deleted.
    pub async fn present(&self, id: Uuid) -> Option<Present> {
        let email = self.mailbox.store.load::<Email>(id).await.unwrap()?;
        email.state.present().cloned()
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.world.database.pool()).await.unwrap()
    }

    pub async fn received(&self) -> i64 {
        self.count("SELECT count(*) FROM log.events WHERE type = 'emails.received'").await
    }

    /// Waits until nothing is left to be told to the server.
    pub async fn told(&self) {
        eventually(SOON, || async {
            let read = self.count("SELECT position - (SELECT position FROM log.head) FROM work.reactions").await;
            read == 0 && self.count("SELECT count(*) FROM work.mail_outbound").await == 0
        })
        .await;
    }

    /// Waits until all was compared anew.
    pub async fn compared(&self) {
        let sql = "SELECT coalesce(max(synced_at), '-infinity')::text FROM work.mail_accounts";
        let at = || async { sqlx::query_scalar::<_, String>(sql).fetch_one(self.world.database.pool()).await.unwrap() };
        // The pass that ends next may have begun before.
        for _ in 0..2 {
            let before = at().await;
            eventually(SOON, || async { at().await != before }).await;
        }
    }
}

impl Drop for Synced {
    fn drop(&mut self) {
        self.life.trigger();
    }
}

/// The user acts.
pub fn by_hand(mailbox: &Mailbox) -> Origin {
    let actor = Actor::User;
    Origin {
        context: Context { now: mailbox.store.clock().now(), user_id: mailbox.cause.user, actor },
        metadata: Metadata {
            actor,
            correlation_id: Uuid::nil(),
            causation_id: None,
            session_id: None,
            traceparent: None,
        },
    }
}

pub async fn client(server: &ImapServer) -> Client {
    let login = Login { username: USER.to_owned(), secret: PASSWORD.to_owned().into() };
    let server = Server {
        host: "127.0.0.1".to_owned(),
        port: server.port,
        security: Security::Plain,
        login: Some(login),
        roots: Roots::new(None).unwrap(),
        private_hosts: true,
        timeout: Duration::from_secs(20),
    };
    Client::connect(&server).await.unwrap()
}

pub async fn append(client: &mut Client, folder: &[u8], flags: &[&str], id: &str) {
    client.append(folder, flags, start(), &message(id, "Hello")).await.unwrap();
}

/// Where a message lies in the open folder.
pub async fn uid(client: &mut Client, folder: &[u8], id: &str) -> Uids {
    client.select(folder, None).await.unwrap();
    client.find_message(&format!("{id}@example.org")).await.unwrap()
}

pub async fn flags(client: &mut Client, folder: &[u8], id: &str) -> Vec<String> {
    let uids = uid(client, folder, id).await;
    let fetched = client.fetch(&uids, Items::Flags, None).await.unwrap().all().await.unwrap();
    let mut flags = fetched.into_iter().next().and_then(|fetched| fetched.flags).unwrap_or_default();
    flags.retain(|flag| flag != "\\Recent");
    flags.sort();
    flags
}

/// What somebody else does there, in so many words.
pub async fn other(server: &ImapServer, commands: &[&str]) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let login = format!("LOGIN {USER} {PASSWORD}");
    for command in [&[login.as_str()], commands, &["LOGOUT"]].concat() {
        stream.write_all(format!("x {command}\r\n").as_bytes()).await.unwrap();
    }
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert_eq!(said.matches("\r\nx OK").count(), commands.len() + 2, "{said}");
}
