//! What is to be sent is sent, and once: copies are counted in the server that gets them, for every way in which it fails.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::stream;
use orbit_adapters::{
    blobs::Key,
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
    emails::{Address, Attached, BlobRef, Content},
    users::connection::Kind,
};
use orbit_platform::{clock::Clock, ids, shutdown::Shutdown};
use orbit_reactor::{
    Deps, Mail,
    submissions::{self, Pace},
};
use orbit_testing::{
    TestNats, eventually,
    peers::{self, ImapServer, SmtpServer, SmtpSetup},
};
use uuid::Uuid;

use crate::world::{SOON, World};

/// Somebody with accounts at real servers, and a reactor that sends for them.
struct Office {
    world: World,
    life: Shutdown,
    store: EventStore,
    user: UserId,
    nats: TestNats,
    smtp: SmtpServer,
    imap: ImapServer,
    account: ConnectionId,
}

fn pace() -> Pace {
    Pace {
        lease: Duration::from_mins(2),
        timeout: Duration::from_secs(3),
        looks: 2,
        look_after: Duration::from_millis(50),
    }
}

impl Office {
    /// With an SMTP server that keeps copies itself (into dovecot), or does not (and pymap has the mailbox).
    async fn new(saves_sent: Option<bool>) -> Option<Self> {
        let mut world = World::new().await;
        world.clock = Clock::fixed("2026-11-24T12:00:00Z".parse().unwrap());
        let life = Shutdown::new();
        let store = world.store(&life).await;
        let user = UserId(ids::new_event_id());
        store.vault().create_key(user).await.unwrap();
        let imap = if saves_sent == Some(true) { peers::dovecot().await? } else { peers::pymap().await };
        let sent = (saves_sent == Some(true)).then(|| imap.maildir().join(".Sent"));
        if sent.is_some() {
            // Its owner must be dovecot: it is made when it is opened for the first time.
            Client::connect(&server(imap.port)).await.unwrap().select(b"Sent", None).await.unwrap();
        }
        let smtp = peers::aiosmtpd(SmtpSetup { login: true, sent, ..SmtpSetup::default() }).await;
        let nats = orbit_testing::nats().await;
        let nil = ConnectionId(Uuid::nil());
        let mut office = Self { world, life, store, user, nats, smtp, imap, account: nil };
        let mailbox = office.connect(Kind::Imap, office.imap.port, None, None).await;
        office.account = office.connect(Kind::Smtp, office.smtp.port, Some(mailbox), saves_sent).await;
        Some(office)
    }

    fn reactor(&self, life: &Shutdown) {
        let deps = Deps {
            store: self.store.clone(),
            nats: self.nats.client().clone(),
            prefix: self.nats.prefix().to_owned(),
            blobs: self.world.blobs.clone(),
            mail: Mail {
                roots: Roots::new(None).unwrap(),
                private_hosts: true,
                poll: std::time::Duration::from_mins(5),
            },
        };
        submissions::start(deps, pace(), life);
    }

    async fn decide<A: Aggregate>(&self, id: Uuid, command: A::Command)
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
    async fn submit(&self, to: &[&str]) -> Uuid {
        self.submit_with(to, vec![]).await
    }

    /// The same with files.
    async fn submit_with(&self, to: &[&str], files: Vec<Attached>) -> Uuid {
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
            message_id: format!("{}@example.org", id.simple()),
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
    async fn upload(&self, filename: &str, bytes: &'static [u8]) -> Attached {
        let key = self.store.vault().blob_key(self.user).await.unwrap();
        let key = Key { number: key.number, bytes: key.bytes };
        let content = stream::once(async move { Ok(bytes.into()) });
        let place = self.world.blobs.put(self.user.0, &key, content, u64::MAX).await.unwrap();
        let raw = BlobRef {
            pack: place.pack.simple().to_string(),
            key: place.key,
            offset: place.offset,
            length: place.length,
            chunk: place.chunk,
            sha256: BlobRef::written(&place.sha256),
        };
        let attachment_id = AttachmentId(ids::new_event_id());
        let upload = attachment::Command::Upload {
            filename: FileName::parse(filename).unwrap(),
            content_type: ContentType::default(),
            raw: raw.clone(),
        };
        self.decide::<Attachment>(attachment_id.0, upload).await;
        let content_type = "application/octet-stream".to_owned();
        Attached { attachment_id, filename: filename.to_owned(), content_type, size: place.length, raw }
    }

    async fn find(&self, id: Uuid) -> (Sheet, Standing) {
        let found = self.store.load::<Submission>(id).await.unwrap().unwrap();
        let (sheet, standing) = found.state.wanted().unwrap();
        (sheet.clone(), standing.clone())
    }

    /// Waits until it stands so; what is put off meanwhile becomes due.
    async fn ends(&self, id: Uuid, name: &str) -> Sheet {
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

    fn copies(&self, local: &str) -> usize {
        self.smtp.copies(&format!("{local}@example.org")).len()
    }

    /// Copies in the folder of what was sent.
    async fn kept(&self) -> u64 {
        let mut client = Client::connect(&server(self.imap.port)).await.unwrap();
        match client.select(b"Sent", None).await {
            Ok(_) => client.find(&Uids::range(1..=u32::MAX)).await.unwrap().len(),
            Err(_) => 0,
        }
    }
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

#[tokio::test]
async fn every_failure_of_a_server_ends_with_exactly_one_copy_or_none() {
    let office = Office::new(None).await.unwrap();
    office.reactor(&office.life);
    for (local, ends, copies) in [
        ("bob", "sent", 1),
        ("tempfail-2", "sent", 1),
        ("tempdata-1", "sent", 1),
        ("cutrcpt-1", "sent", 1),
        ("closing-1", "sent", 1),
        ("reject", "failed", 0),
        ("rejectdata", "failed", 0),
    ] {
        let id = office.submit(&[local]).await;
        let sheet = office.ends(id, ends).await;
        assert_eq!(office.copies(local), copies, "{local}");
        assert_eq!(sheet.results.iter().filter(|result| result.accepted).count(), copies, "{local}");
    }
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn each_recipient_gets_one_copy_however_differently_they_are_answered() {
    let office = Office::new(None).await.unwrap();
    office.reactor(&office.life);
    let id = office.submit(&["bob", "tempfail-2", "reject", "eve"]).await;
    let sheet = office.ends(id, "sent").await;
    assert_eq!(["bob", "tempfail-2", "reject", "eve"].map(|local| office.copies(local)), [1, 1, 0, 1]);
    let mut accepted: Vec<_> = sheet.results.iter().map(|result| (result.email.as_str(), result.accepted)).collect();
    accepted.sort_unstable();
    let expected = [("bob", true), ("eve", true), ("reject", false), ("tempfail-2", true)];
    assert!(accepted.iter().zip(expected).all(|(got, (local, yes))| got.0.starts_with(local) && got.1 == yes));
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn what_was_sent_becomes_an_email_and_lies_among_what_was_sent_once() {
    let office = Office::new(None).await.unwrap();
    office.reactor(&office.life);
    let id = office.submit(&["bob"]).await;
    office.ends(id, "sent").await;
    eventually(SOON, || async { office.kept().await == 1 }).await;
    let types = office.world.types().await;
    assert_eq!(types.iter().filter(|name| *name == "emails.received").count(), 1);
    let told: Vec<_> = types.iter().filter(|name| name.starts_with("submissions.")).map(String::as_str).collect();
    let expected = ["submissions.submitted", "submissions.held", "submissions.attempted", "submissions.sent"];
    assert_eq!(told, expected);
    let body = String::from_utf8(office.smtp.copies("bob@example.org").remove(0)).unwrap();
    assert!(body.contains("Message-ID: <") && body.contains("\r\n.\r\nA."), "{body}");
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn files_go_with_their_message_and_wait_for_nothing_once_it_was_sent() {
    let office = Office::new(None).await.unwrap();
    office.reactor(&office.life);
    let file = office.upload("seats.txt", b"Row 7, if you can.").await;
    let waits = async || office.store.load::<Attachment>(file.attachment_id.0).await.unwrap().unwrap().state;
    let id = office.submit_with(&["reject"], vec![file.clone()]).await;
    office.ends(id, "failed").await;
    // It may be wanted again.
    assert!(waits().await.present().is_some());
    let id = office.submit_with(&["bob"], vec![file.clone()]).await;
    office.ends(id, "sent").await;
    assert!(waits().await.present().is_none());
    let copy = String::from_utf8(office.smtp.copies("bob@example.org").remove(0)).unwrap();
    assert!(copy.contains("seats.txt") && copy.contains("Um93IDcsIGlmIHlvdSBjYW4u"), "{copy}");
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn without_an_answer_a_copy_among_what_was_sent_tells_that_it_arrived() {
    let Some(office) = Office::new(Some(true)).await else { return };
    office.reactor(&office.life);
    // The server took it and went; its copy is found.
    let id = office.submit(&["cutafterdot"]).await;
    office.ends(id, "sent").await;
    assert_eq!((office.copies("cutafterdot"), office.kept().await), (1, 1));
    // It took nothing and went; since it keeps copies and there is none, it is sent again.
    let id = office.submit(&["lostafterdot-1"]).await;
    office.ends(id, "sent").await;
    assert_eq!((office.copies("lostafterdot-1"), office.kept().await), (1, 2));
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn without_an_answer_and_a_server_that_keeps_copies_nothing_is_sent_twice() {
    let office = Office::new(None).await.unwrap();
    office.reactor(&office.life);
    for (local, copies) in [("cutafterdot", 1), ("lostafterdot", 0), ("slow", 1)] {
        let id = office.submit(&[local]).await;
        if local == "slow" {
            // A server may think ten times longer about a whole message than it may be silent else.
            eventually(Duration::from_mins(2), || async { office.find(id).await.1.name() == "uncertain" }).await;
        } else {
            office.ends(id, "uncertain").await;
        }
        office.world.clock.set(office.world.clock.now() + TimeDelta::days(1));
        let next = office.submit(&["bob"]).await;
        office.ends(next, "sent").await;
        assert_eq!(office.copies(local), copies, "{local}");
    }
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn what_a_dead_process_was_sending_is_looked_for_and_two_reactors_send_it_once() {
    let Some(office) = Office::new(Some(true)).await else { return };
    // One that died with the message under way, whether before or after the server took it.
    let id = office.submit(&["bob"]).await;
    let lease_until = office.world.clock.now() + TimeDelta::minutes(12);
    office.decide::<Submission>(id, submission::Command::Begin { lease_until }).await;
    office.world.clock.set(lease_until);
    office.reactor(&office.life);
    office.reactor(&office.life);
    office.ends(id, "sent").await;
    assert_eq!(office.copies("bob"), 1);
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn an_account_that_is_gone_fails_its_messages() {
    let office = Office::new(None).await.unwrap();
    let id = office.submit(&["bob"]).await;
    office.decide::<Connection>(office.account.0, connection::Command::Disconnect).await;
    office.reactor(&office.life);
    office.ends(id, "failed").await;
    assert_eq!(office.copies("bob"), 0);
    office.life.finish(SOON).await.unwrap();
}
