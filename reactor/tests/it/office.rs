//! Somebody who sends, with accounts at real servers, and a reactor that does it for them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use orbit_adapters::{
    imap::{Client, Uids},
    net::{Login, Roots, Security, Server},
};
use orbit_domain::{
    Aggregate, Context,
    emails::{
        Attachment, ContentType, FileName, Submission, attachment,
        submission::{self, Sheet, Standing, Submit},
    },
    users::{
        Connection,
        connection::{self, Account},
    },
};
use orbit_event_store::{EventStore, Mode, Origin, Refused, Unit};
use orbit_events::{
    Actor, AttachmentId, ConnectionId, Metadata, UserId,
    emails::{Address, Attached, Content},
    users::connection::Kind,
};
use orbit_platform::{clock::Clock, ids, shutdown::Shutdown};
use orbit_reactor::{
    Deps, Mail,
    submissions::{self, Pace},
    sync,
};
use orbit_testing::{
    TestNats, eventually,
    peers::{self, ImapServer, SmtpServer, SmtpSetup},
};
use uuid::Uuid;

use crate::{
    gate::Gate,
    world::{SOON, World, put},
};

/// Whose mailbox it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mailbox {
    #[default]
    Pymap,
    Dovecot,
    /// Dovecot's, all folders of which are below the inbox.
    BelowInbox,
}

/// What the servers are like.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setup {
    pub mailbox: Mailbox,
    /// Whether the SMTP server keeps copies itself, which needs dovecot.
    pub keeps: bool,
    /// What the connection says of that.
    pub saves_sent: Option<bool>,
}

/// Somebody with accounts at real servers.
pub struct Office {
    pub world: World,
    pub life: Shutdown,
    pub store: EventStore,
    pub user: UserId,
    pub nats: TestNats,
    pub smtp: SmtpServer,
    pub imap: ImapServer,
    /// The way to the mailbox.
    pub gate: Gate,
    pub account: ConnectionId,
    /// The connection to the mailbox.
    pub there: ConnectionId,
}

fn pace() -> Pace {
    Pace {
        lease: Duration::from_mins(2),
        timeout: Duration::from_secs(10),
        looks: 2,
        look_after: Duration::from_millis(50),
    }
}

impl Office {
    /// With an SMTP server that keeps copies itself (into dovecot), or does not (and pymap has the mailbox).
    pub async fn new(saves_sent: Option<bool>) -> Option<Self> {
        let keeps = saves_sent == Some(true);
        let mailbox = if keeps { Mailbox::Dovecot } else { Mailbox::Pymap };
        Self::with(Setup { mailbox, keeps, saves_sent }).await
    }

    /// With such servers; `None` if dovecot is wanted and not there.
    pub async fn with(setup: Setup) -> Option<Self> {
        let mut world = World::new().await;
        world.clock = Clock::fixed("2026-11-24T12:00:00Z".parse().unwrap());
        let life = Shutdown::new();
        let store = world.store(&life).await;
        let user = UserId(ids::new_event_id());
        store.vault().create_key(user).await.unwrap();
        let imap = match setup.mailbox {
            Mailbox::Pymap => peers::pymap().await,
            Mailbox::Dovecot => peers::dovecot().await?,
            Mailbox::BelowInbox => peers::dovecot_below_inbox().await?,
        };
        let sent = setup.keeps.then(|| imap.maildir().join(".Sent"));
        if sent.is_some() {
            // Its owner must be dovecot: it is made when it is opened for the first time.
            Client::connect(&server(imap.port)).await.unwrap().select(b"Sent", None).await.unwrap();
        }
        let smtp = peers::aiosmtpd(SmtpSetup { login: true, sent, ..SmtpSetup::default() }).await;
        let nats = orbit_testing::nats().await;
        let gate = Gate::new(imap.port, &life).await;
        let nil = ConnectionId(Uuid::nil());
        let mut office = Self { world, life, store, user, nats, smtp, imap, gate, account: nil, there: nil };
        office.there = office.connect(Kind::Imap, office.gate.port, None, None).await;
        office.account = office.connect(Kind::Smtp, office.smtp.port, Some(office.there), setup.saves_sent).await;
        Some(office)
    }

    /// One more process that sends, until its life ends.
    pub fn reactor(&self, life: &Shutdown) {
        self.reactor_on(self.store.clone(), life);
    }

    /// The same with connections of its own to the database.
    pub fn reactor_on(&self, store: EventStore, life: &Shutdown) {
        submissions::start(self.deps(store), pace(), life);
    }

    /// One more process that keeps the mailbox in step.
    pub fn sync(&self, life: &Shutdown) {
        sync::start(&self.deps(self.store.clone()), life);
    }

    fn deps(&self, store: EventStore) -> Deps {
        Deps {
            store,
            nats: self.nats.client().clone(),
            prefix: self.nats.prefix().to_owned(),
            blobs: self.world.blobs.clone(),
            mail: Mail { roots: Roots::new(None).unwrap(), private_hosts: true, poll: Duration::from_mins(5) },
        }
    }

    pub async fn decide<A: Aggregate>(&self, id: Uuid, command: A::Command)
    where
        A::Command: Clone,
        A::Rejection: std::fmt::Debug + 'static,
    {
        let actor = Actor::User;
        let metadata = Metadata { actor, correlation_id: id, causation_id: None, session_id: None, traceparent: None };
        let context = Context { now: self.world.clock.now(), user_id: self.user, actor };
        let decide = |unit: Unit| {
            let command = command.clone();
            async move { unit.decide::<A>(id, command).await.map(drop) }
        };
        let done: Result<_, Refused<A::Rejection>> =
            self.store.transact(Origin { context, metadata }, Mode::default(), decide).await;
        done.unwrap();
    }

    /// Whether the log has been read to its end for what is news to mailboxes.
    pub async fn has_reacted(&self) -> bool {
        let sql = "SELECT (SELECT position FROM work.reactions WHERE name = 'mail') = (SELECT position FROM log.head)";
        let reacted = sqlx::query_scalar::<_, Option<bool>>(sql).fetch_one(self.world.database.pool()).await.unwrap();
        reacted == Some(true)
    }

    async fn connect(
        &self,
        kind: Kind,
        port: u16,
        imap_connection_id: Option<ConnectionId>,
        saves_sent: Option<bool>,
    ) -> ConnectionId {
        let mail =
            connection::Mail { security: Some("plain"), imap_connection_id, saves_sent, ..connection::Mail::default() };
        let (name, secret) = (Some(peers::USER), Some(peers::PASSWORD));
        let account = Account::parse(kind, "Mail", "localhost", Some(port), name, secret, mail).unwrap();
        let id = ids::new_event_id();
        self.decide::<Connection>(id, connection::Command::Connect(Box::new(account))).await;
        ConnectionId(id)
    }

    /// Wants a message to be sent to these, at once.
    pub async fn submit(&self, to: &[&str]) -> Uuid {
        self.submit_with(to, vec![]).await
    }

    /// The same with files.
    pub async fn submit_with(&self, to: &[&str], files: Vec<Attached>) -> Uuid {
        let address = |local: &&str| Address { email: format!("{local}@example.org"), name: None };
        let id = ids::new_event_id();
        let content = Content {
            connection_id: Some(self.account),
            reply_to_email_id: None,
            to: to.iter().map(address).collect(),
            cc: vec![],
            bcc: vec![],
            subject: "Tickets".to_owned(),
            body: "Two, please.\n.\nA.".to_owned(),
            attachments: files.iter().map(|file| file.attachment_id).collect(),
        };
        let submit = Submit {
            content,
            from: Address { email: peers::USER.to_owned(), name: Some("Ada".to_owned()) },
            message_id: message_id(id),
            in_reply_to: None,
            references: vec![],
            attachments: files,
            draft_id: None,
        };
        let until = self.world.clock.now();
        let command = submission::Command::Submit { submit: Box::new(submit), until, scheduled: false };
        self.decide::<Submission>(id, command).await;
        id
    }

    /// A file that was uploaded.
    pub async fn upload(&self, filename: &str, bytes: &'static [u8]) -> Attached {
        let raw = put(&self.world.blobs, &self.store, self.user, bytes.to_vec()).await;
        let attachment_id = AttachmentId(ids::new_event_id());
        let upload = attachment::Command::Upload {
            filename: FileName::parse(filename).unwrap(),
            content_type: ContentType::default(),
            raw: raw.clone(),
        };
        self.decide::<Attachment>(attachment_id.0, upload).await;
        let content_type = "application/octet-stream".to_owned();
        Attached { attachment_id, filename: filename.to_owned(), content_type, size: raw.length, raw }
    }

    pub async fn find(&self, id: Uuid) -> (Sheet, Standing) {
        let found = self.store.load::<Submission>(id).await.unwrap().unwrap();
        let (sheet, standing) = found.state.wanted().unwrap();
        (sheet.clone(), standing.clone())
    }

    /// Waits until it stands so; what is put off meanwhile becomes due.
    pub async fn ends(&self, id: Uuid, name: &str) -> Sheet {
        eventually(SOON, || async {
            let (sheet, standing) = self.find(id).await;
            if standing.name() == name {
                return Ok(sheet);
            }
            if let Standing::Deferred { until, .. } = standing {
                self.world.clock.set(until);
            }
            Err(standing)
        })
        .await
    }

    pub fn copies(&self, local: &str) -> usize {
        self.smtp.copies(&format!("{local}@example.org")).len()
    }

    /// A process began to send it and died, which will be known at that time.
    pub async fn is_lost_while_sent(&self, id: Uuid) -> DateTime<Utc> {
        let lease_until = self.world.clock.now() + TimeDelta::minutes(12);
        self.decide::<Submission>(id, submission::Command::Begin { attempt: 1, lease_until }).await;
        lease_until
    }

    /// Lays a copy into the folder of what was sent, as a server may that keeps them.
    pub async fn keep(&self, submission: Uuid) {
        let message = format!("Message-ID: <{}>\r\nSubject: Tickets\r\n\r\nTwo, please.\r\n", message_id(submission));
        let mut there = self.mailbox().await;
        there.append(b"Sent", &["\\Seen"], self.world.clock.now(), message.as_bytes()).await.unwrap();
    }

    /// Copies in the folder of what was sent.
    pub async fn kept(&self) -> u64 {
        self.kept_in(b"Sent").await
    }

    /// Messages in a folder.
    pub async fn kept_in(&self, folder: &[u8]) -> u64 {
        let mut client = self.mailbox().await;
        match client.select(folder, None).await {
            Ok(_) => client.find(&Uids::range(1..=u32::MAX)).await.unwrap().len(),
            Err(_) => 0,
        }
    }

    /// A connection to the mailbox that no gate is before.
    pub async fn mailbox(&self) -> Client {
        Client::connect(&server(self.imap.port)).await.unwrap()
    }
}

/// By which a submission is known elsewhere.
pub fn message_id(submission: Uuid) -> String {
    format!("{}@example.org", submission.simple())
}

fn server(port: u16) -> Server {
    Server {
        host: "localhost".to_owned(),
        port,
        security: Security::Plain,
        login: Some(Login { username: peers::USER.to_owned(), secret: peers::PASSWORD.into() }),
        roots: Roots::new(None).unwrap(),
        private_hosts: true,
        timeout: Duration::from_secs(20),
    }
}
