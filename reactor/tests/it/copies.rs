//! A copy of what was sent lies among what was sent, once: whether the mailbox is away, loses its answers, keeps copies by
//! itself, or whoever lays one is killed. And what was sent is an e-mail here, too.

use chrono::{DateTime, TimeDelta, Utc};
use orbit_adapters::imap::Items;
use orbit_domain::{
    Secret,
    emails::{
        Email, Submission,
        email::{self, Key, message_claim},
        submission,
    },
    users::{
        self, Connection, User,
        connection::{self, MailEdit},
        user,
    },
};
use orbit_platform::shutdown::Shutdown;
use orbit_testing::{eventually, peers};
use tokio::runtime;
use uuid::Uuid;

use crate::{
    gate::Way,
    office::{Mailbox, Office, Setup, message_id},
    world::SOON,
};

impl Office {
    /// An office that sent a message to Bob while its mailbox was away: the message, why its copy could not be laid, and when
    /// that is tried again.
    async fn with_mailbox_away() -> (Self, Uuid, String, DateTime<Utc>) {
        let office = Self::new(None).await.unwrap();
        office.gate.set(Way::Closed);
        office.reactor(&office.life);
        let id = office.send().await;
        let (code, until) = office.failed(id, 1).await;
        (office, id, code, until)
    }

    /// Sends a message to Bob.
    async fn send(&self) -> Uuid {
        let id = self.submit(&["bob"]).await;
        self.ends(id, "sent").await;
        id
    }

    /// A copy that nobody lays just now: how often that failed, why it did last, and when it is tried again.
    async fn put_off(&self, id: Uuid) -> Option<(i32, Option<String>, DateTime<Utc>)> {
        let sql = "SELECT attempts, error_code, next_try_at FROM work.mail_copies
                   WHERE submission_id = $1 AND worker IS NULL";
        sqlx::query_as(sql).bind(id).fetch_optional(self.world.database.pool()).await.unwrap()
    }

    /// Waits until laying a copy has failed so often: why, and when it is tried again.
    async fn failed(&self, id: Uuid, times: i32) -> (String, DateTime<Utc>) {
        let failed = || async { self.put_off(id).await.filter(|(attempts, ..)| *attempts >= times) };
        let (_, code, until) = eventually(SOON, failed).await;
        (code.unwrap(), until)
    }

    async fn owed(&self) -> i64 {
        let sql = "SELECT count(*) FROM work.mail_copies";
        sqlx::query_scalar(sql).fetch_one(self.world.database.pool()).await.unwrap()
    }

    /// Waits until nothing is owed.
    async fn settled(&self) {
        eventually(SOON, || async {
            let owed = self.owed().await;
            if owed == 0 { Ok(()) } else { Err(owed) }
        })
        .await;
    }

    async fn emails(&self) -> usize {
        self.world.types().await.iter().filter(|name| *name == "emails.received").count()
    }

    /// What whoever has died had to himself is another's from then on.
    fn leases_end(&self) {
        self.world.clock.set(self.world.clock.now() + TimeDelta::minutes(13));
    }
}

/// A process that can be killed: whatever it does ends where it stands.
struct Doomed {
    threads: runtime::Runtime,
    life: Shutdown,
}

impl Doomed {
    async fn send(office: &Office) -> Self {
        let threads = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let life = Shutdown::new();
        let store = office.world.store(&life).await;
        let inside = threads.enter();
        office.reactor_on(store, &life);
        drop(inside);
        Self { threads, life }
    }

    async fn kill(self) {
        self.threads.shutdown_background();
        self.life.finish(SOON).await.unwrap();
    }
}

#[tokio::test]
async fn a_mailbox_that_is_away_while_sending_gets_its_copy_when_it_is_back() {
    let (office, id, code, until) = Office::with_mailbox_away().await;
    assert_eq!(code, "closed");
    office.world.clock.set(until);
    let (_, until) = office.failed(id, 2).await;
    assert_eq!((office.emails().await, office.kept().await), (1, 0), "here it is at once");
    office.gate.set(Way::Open);
    office.world.clock.set(until);
    office.settled().await;
    assert_eq!((office.copies("bob"), office.emails().await, office.kept().await), (1, 1, 1));
    let mut mailbox = office.mailbox().await;
    mailbox.select(b"Sent", None).await.unwrap();
    let uids = mailbox.find_message(&message_id(id)).await.unwrap();
    let fetched = mailbox.fetch(&uids, Items::Flags, None).await.unwrap().all().await.unwrap();
    let flags = fetched[0].flags.clone().unwrap();
    assert!(flags.contains(&"\\Seen".to_owned()), "{flags:?}");
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn a_copy_whose_laying_was_not_answered_is_found_and_not_laid_again() {
    let office = Office::new(None).await.unwrap();
    office.gate.set(Way::Unanswered);
    office.reactor(&office.life);
    let id = office.send().await;
    eventually(SOON, || async { office.gate.stuck() > 0 }).await;
    office.gate.set(Way::Open);
    let (code, until) = office.failed(id, 1).await;
    assert_eq!((&*code, office.kept().await), ("timeout", 1));
    office.world.clock.set(until);
    office.settled().await;
    assert_eq!((office.emails().await, office.kept().await), (1, 1));
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn whoever_is_killed_before_or_after_laying_a_copy_leaves_exactly_one() {
    for (way, left) in [(Way::Silent, 0), (Way::Unanswered, 1)] {
        let office = Office::new(None).await.unwrap();
        office.gate.set(way);
        let doomed = Doomed::send(&office).await;
        office.send().await;
        eventually(SOON, || async { office.gate.stuck() > 0 }).await;
        doomed.kill().await;
        assert_eq!((office.kept().await, office.owed().await), (left, 1), "{way:?}");
        office.gate.set(Way::Open);
        // Two that go on, and only one of them does this.
        office.reactor(&office.life);
        office.reactor(&office.life);
        office.leases_end();
        office.settled().await;
        assert_eq!((office.copies("bob"), office.emails().await, office.kept().await), (1, 1, 1), "{way:?}");
        office.life.finish(SOON).await.unwrap();
    }
}

#[tokio::test]
async fn whoever_died_right_after_sending_leaves_an_email_and_a_copy() {
    let Some(office) = Office::with(Setup { mailbox: Mailbox::Dovecot, ..Setup::default() }).await else { return };
    // The book is written before the server hears of a message.
    let now = office.world.clock.now();
    let id = office.submit(&["bob"]).await;
    let owed = "INSERT INTO work.mail_copies (submission_id, user_id, since, next_try_at) VALUES ($1, $2, $3, $4)";
    let lease_until = now + TimeDelta::minutes(12);
    let owed = sqlx::query(owed).bind(id).bind(office.user.0).bind(now).bind(lease_until);
    owed.execute(office.world.database.pool()).await.unwrap();
    office.decide::<Submission>(id, submission::Command::Begin { attempt: 1, lease_until }).await;
    let sent = submission::Command::Sent { attempt: 1, recipients: vec![], found_in_sent: false };
    office.decide::<Submission>(id, sent).await;
    office.reactor(&office.life);
    office.leases_end();
    office.settled().await;
    assert_eq!((office.emails().await, office.kept().await), (1, 1));
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn a_server_that_keeps_copies_by_itself_gets_no_second_one() {
    // Whether its user said so, or nobody knew.
    for saves_sent in [Some(true), None] {
        let setup = Setup { mailbox: Mailbox::Dovecot, keeps: true, saves_sent };
        let Some(office) = Office::with(setup).await else { return };
        office.reactor(&office.life);
        office.send().await;
        office.settled().await;
        assert_eq!((office.emails().await, office.kept().await), (1, 1), "{saves_sent:?}");
        office.life.finish(SOON).await.unwrap();
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_told_of_and_tried_again() {
    let Some(office) = Office::with(Setup { mailbox: Mailbox::Dovecot, ..Setup::default() }).await else { return };
    // The mailbox is made when it is opened for the first time. What lies where its folder should be is no folder.
    office.mailbox().await.select(b"INBOX", None).await.unwrap();
    let folder = office.imap.maildir().join(".Sent");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::write(&folder, b"").unwrap();
    office.reactor(&office.life);
    let id = office.send().await;
    let (code, until) = office.failed(id, 1).await;
    assert!(["select", "refused"].contains(&&*code), "{code}");
    std::fs::remove_file(&folder).unwrap();
    office.world.clock.set(until);
    office.settled().await;
    assert_eq!((office.emails().await, office.kept().await), (1, 1));
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn a_copy_that_cannot_be_laid_for_days_is_given_up_and_the_message_stays_sent() {
    let (office, id, _, until) = Office::with_mailbox_away().await;
    office.world.clock.set(until + TimeDelta::days(3));
    office.settled().await;
    assert_eq!((office.find(id).await.1.name(), office.emails().await, office.kept().await), ("sent", 1, 0));
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn who_is_tried_later_makes_no_second_copy() {
    let office = Office::new(None).await.unwrap();
    office.reactor(&office.life);
    let id = office.submit(&["bob", "tempfail-2"]).await;
    office.ends(id, "sent").await;
    office.settled().await;
    assert_eq!((office.copies("bob"), office.copies("tempfail-2")), (1, 1));
    assert_eq!((office.emails().await, office.kept().await), (1, 1));
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn of_what_nobody_got_no_copy_is_owed_for_long() {
    let office = Office::new(None).await.unwrap();
    office.reactor(&office.life);
    for (local, ends) in [("reject", "failed"), ("lostafterdot", "uncertain")] {
        let id = office.submit(&[local]).await;
        office.ends(id, ends).await;
    }
    // Once it is known that they are not under way.
    office.leases_end();
    office.settled().await;
    assert_eq!((office.emails().await, office.kept().await), (0, 0));
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn of_who_is_forgotten_nothing_is_owed() {
    let (office, _, _, until) = Office::with_mailbox_away().await;
    office.gate.set(Way::Open);
    office.store.forget(office.user).await.unwrap();
    office.world.clock.set(until);
    office.settled().await;
    assert_eq!(office.kept().await, 0);
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn what_was_sent_and_then_deleted_is_not_laid_any_more() {
    let (office, id, _, until) = Office::with_mailbox_away().await;
    let claim = message_claim(office.user, &Key::MessageId(message_id(id)));
    let email = office.store.holder(&claim).await.unwrap().unwrap();
    for command in [email::Command::Trash, email::Command::Delete] {
        office.decide::<Email>(email, command).await;
    }
    office.gate.set(Way::Open);
    office.world.clock.set(until);
    office.settled().await;
    assert_eq!((office.emails().await, office.kept().await), (1, 0));
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn a_folder_for_what_was_sent_is_made_where_the_server_wants_folders_to_be() {
    let Some(office) = Office::with(Setup { mailbox: Mailbox::BelowInbox, ..Setup::default() }).await else { return };
    office.reactor(&office.life);
    for _ in 0..2 {
        office.send().await;
        office.settled().await;
    }
    assert_eq!((office.kept().await, office.kept_in(b"INBOX/Sent").await), (0, 2));
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn what_failed_for_a_wrong_password_is_tried_as_soon_as_there_is_another() {
    let office = Office::new(None).await.unwrap();
    let password = async |password: &str| {
        let secret = Some(Some(password));
        let edit = connection::Edit::parse(None, None, None, None, secret, MailEdit::default()).unwrap();
        office.decide::<Connection>(office.there.0, connection::Command::ChangeSettings(Box::new(edit))).await;
    };
    password("battery staple").await;
    office.reactor(&office.life);
    office.sync(&office.life);
    // Or it would be news, by which what has failed is tried again at once.
    eventually(SOON, || async { office.has_reacted().await }).await;
    let id = office.send().await;
    let (code, until) = office.failed(id, 1).await;
    assert_eq!((&*code, until - office.world.clock.now()), ("login", TimeDelta::hours(4)));
    password(peers::PASSWORD).await;
    office.settled().await;
    assert_eq!(office.kept().await, 1);
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn an_account_that_is_changed_while_a_copy_is_tried_makes_it_be_tried_again_at_once() {
    let office = Office::new(None).await.unwrap();
    office.gate.set(Way::Closed);
    office.sync(&office.life);
    // It is not tried again while the clock stands still, so whoever is stuck then is who lays the copy.
    let failed = "SELECT count(*) FROM work.mail_accounts WHERE phase = 'failed' AND worker IS NULL";
    let failed = || sqlx::query_scalar::<_, i64>(failed).fetch_one(office.world.database.pool());
    eventually(SOON, || async { failed().await.unwrap() == 1 }).await;
    office.gate.set(Way::Silent);
    office.reactor(&office.life);
    office.send().await;
    eventually(SOON, || async { office.gate.stuck() == 1 }).await;
    office.gate.set(Way::Open);
    let edit = connection::Edit::parse(Some("Post"), None, None, None, None, MailEdit::default()).unwrap();
    office.decide::<Connection>(office.there.0, connection::Command::ChangeSettings(Box::new(edit))).await;
    office.settled().await;
    assert_eq!(office.kept().await, 1);
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn who_is_erased_is_out_of_the_book_at_once() {
    let office = Office::new(None).await.unwrap();
    let register = user::Command::Register {
        email: users::Email::parse(peers::USER).unwrap(),
        password_hash: Secret::new("hash"),
        profile: Box::new(user::Profile::new(users::Name::parse("Ada").unwrap())),
    };
    office.decide::<User>(office.user.0, register).await;
    office.gate.set(Way::Closed);
    office.reactor(&office.life);
    let id = office.send().await;
    office.failed(id, 1).await;
    office.sync(&office.life);
    for command in [user::Command::RequestErasure { due_at: office.world.clock.now() }, user::Command::Erase] {
        office.decide::<User>(office.user.0, command).await;
    }
    // The time does not come when it would be tried again.
    office.settled().await;
    assert_eq!(office.kept().await, 0);
    office.life.finish(SOON).await.unwrap();
}
