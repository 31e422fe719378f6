//! Mailboxes elsewhere and here are kept in step, with real servers: pymap, which can little, and dovecot, which can
//! nearly everything.

use orbit_domain::{
    emails::{Folder, Label, email::Command, folder},
    users::{
        Connection,
        connection::{self, MailEdit},
    },
};
use orbit_events::{
    ConnectionId,
    emails::{Role, Where},
};
use orbit_testing::{
    eventually,
    peers::{ImapServer, PASSWORD},
};

use crate::{
    synced::{Synced, append, client, flags, other, uid},
    world::{SOON, start},
};

/// Runs a test against both, as far as both are there.
macro_rules! both {
    ($($name:ident)*) => {$(
        mod $name {
            #[tokio::test]
            async fn with_pymap() {
                super::tests::$name(&orbit_testing::peers::pymap().await).await;
            }

            #[tokio::test]
            async fn with_dovecot() {
                if let Some(server) = orbit_testing::peers::dovecot().await {
                    super::tests::$name(&server).await;
                }
            }
        }
    )*};
}

both! {
    what_lies_there_comes_here_once
    marks_go_both_ways
    labels_go_both_ways
    what_is_moved_is_moved_on_both_sides
    what_is_deleted_is_deleted_on_both_sides
    numbers_that_begin_anew_lose_and_double_nothing
    what_is_done_here_last_holds
    a_wrong_password_is_told_and_a_right_one_mends_it
    a_thousand_messages_are_taken_in_by_two_workers
}

mod tests {
    use super::*;

    pub async fn what_lies_there_comes_here_once(server: &ImapServer) {
        let mut there = client(server).await;
        there.create(b"Projects").await.unwrap();
        append(&mut there, b"INBOX", &["\\Seen"], "read").await;
        append(&mut there, b"INBOX", &["\\Flagged"], "starred").await;
        append(&mut there, b"Projects", &[], "filed").await;
        there.append(b"INBOX", &[], start(), b"no header at all").await.unwrap();
        let synced = Synced::new(server.port, PASSWORD).await;
        synced.keep();
        let (read, starred, filed) =
            (synced.arrived("read").await, synced.arrived("starred").await, synced.arrived("filed").await);
        eventually(SOON, || async { synced.received().await == 4 }).await;
        let read = synced.present(read).await.unwrap();
        assert_eq!((read.is_read, read.is_starred, read.place.role), (true, false, Role::Inbox));
        let starred = synced.present(starred).await.unwrap();
        assert_eq!((starred.is_read, starred.is_starred), (false, true));
        let filed = synced.present(filed).await.unwrap();
        assert_eq!(filed.place.role, Role::Other);
        let folder = synced.mailbox.store.load::<Folder>(filed.place.folder_id.0).await.unwrap().unwrap();
        let folder::State::Present(folder) = &folder.state else { panic!("{folder:?}") };
        assert_eq!((&*folder.name, folder.connection_id), ("Projects", Some(ConnectionId(synced.connection))));
        let cursor = eventually(SOON, || async {
            let known = synced.mailbox.store.load::<Connection>(synced.connection).await.unwrap().unwrap();
            known.state.present().and_then(|account| account.cursor.clone())
        });
        assert!(cursor.await.contains(':'));
        // What comes later is told at once, or found by the next pass; all that was there stays what it is.
        append(&mut there, b"INBOX", &[], "later").await;
        synced.arrived("later").await;
        synced.compared().await;
        assert_eq!(synced.received().await, 5);
    }

    pub async fn marks_go_both_ways(server: &ImapServer) {
        let mut there = client(server).await;
        append(&mut there, b"INBOX", &[], "a").await;
        append(&mut there, b"INBOX", &["\\Seen", "\\Flagged"], "b").await;
        let synced = Synced::new(server.port, PASSWORD).await;
        synced.keep();
        let (a, b) = (synced.arrived("a").await, synced.arrived("b").await);
        synced.mailbox.command(a, Command::Mark { read: Some(true), starred: Some(true) }).await;
        eventually(SOON, async || flags(&mut client(server).await, b"INBOX", "a").await == ["\\Flagged", "\\Seen"])
            .await;
        synced.told().await;
        let uids = uid(&mut there, b"INBOX", "b").await;
        there.store(&uids, false, &["\\Seen", "\\Flagged"]).await.unwrap();
        eventually(SOON, || async { synced.present(b).await.is_some_and(|email| !email.is_read && !email.is_starred) })
            .await;
        synced.compared().await;
        let a = synced.present(a).await.unwrap();
        assert!(a.is_read && a.is_starred, "the server's word of before has undone what was done here");
        let by_the_connection = "SELECT count(*) FROM log.events WHERE type IN ('emails.unread', 'emails.unstarred')
                                 AND metadata->'actor'->>'type' = 'integration'";
        assert_eq!(synced.count(by_the_connection).await, 2);
    }

    pub async fn labels_go_both_ways(server: &ImapServer) {
        let mut there = client(server).await;
        append(&mut there, b"INBOX", &[], "a").await;
        append(&mut there, b"INBOX", &[], "b").await;
        let takes_keywords = there.select(b"INBOX", None).await.unwrap().takes_keywords;
        if takes_keywords {
            let uids = uid(&mut there, b"INBOX", "a").await;
            there.store(&uids, true, &["work", "$Forwarded", "NonJunk"]).await.unwrap();
        }
        let synced = Synced::new(server.port, PASSWORD).await;
        synced.keep();
        let (a, b) = (synced.arrived("a").await, synced.arrived("b").await);
        synced.compared().await;
        let labels = async |id| synced.present(id).await.unwrap().labels.into_iter().collect::<Vec<_>>();
        let label = |label: &str| Label::parse(label).unwrap();
        if !takes_keywords {
            synced.mailbox.command(a, Command::Label(label("work"))).await;
            synced.told().await;
            synced.compared().await;
            assert_eq!(labels(a).await, ["work"], "what a server does not take stays here");
            assert_eq!(flags(&mut there, b"INBOX", "a").await, Vec::<String>::new());
            return;
        }
        assert_eq!(labels(a).await, ["work"]);
        // Here, and on the way to elsewhere.
        synced.mailbox.command(a, Command::Label(label("To do"))).await;
        synced.mailbox.command(a, Command::Label(label("x".repeat(100).as_str()))).await;
        synced.mailbox.command(a, Command::Unlabel(label("work"))).await;
        synced.mailbox.command(a, Command::Archive).await;
        synced.told().await;
        let told = flags(&mut there, b"Archive", "a").await;
        assert!(
            ["$Forwarded", "NonJunk", "To=20do"].iter().all(|flag| told.iter().any(|told| told == flag)),
            "{told:?}"
        );
        assert!(!told.iter().any(|flag| flag == "work"), "{told:?}");
        // There. In a folder that was made for it, the e-mail is found by a pass.
        synced.compared().await;
        let uids = uid(&mut there, b"Archive", "a").await;
        there.store(&uids, false, &["To=20do"]).await.unwrap();
        let uids = uid(&mut there, b"INBOX", "b").await;
        there.store(&uids, true, &["later", "$MDNSent"]).await.unwrap();
        eventually(SOON, || async { labels(b).await == ["later"] }).await;
        eventually(SOON, || async { labels(a).await == ["x".repeat(100)] }).await;
        synced.compared().await;
        let by_the_connection = "SELECT count(*) FROM log.events WHERE type IN ('emails.labelled', 'emails.unlabelled')
                                 AND metadata->'actor'->>'type' = 'integration'";
        assert_eq!(synced.count(by_the_connection).await, 2, "and nothing comes back as news");
    }

    pub async fn what_is_moved_is_moved_on_both_sides(server: &ImapServer) {
        let mut there = client(server).await;
        there.create(b"Old").await.unwrap();
        for id in ["a", "b", "c", "d"] {
            append(&mut there, b"INBOX", &[], id).await;
        }
        let synced = Synced::new(server.port, PASSWORD).await;
        synced.keep();
        let [a, b, c] = [synced.arrived("a").await, synced.arrived("b").await, synced.arrived("c").await];
        synced.arrived("d").await;
        synced.compared().await;
        // There.
        let uids = uid(&mut there, b"INBOX", "a").await;
        there.move_to(&uids, b"Old").await.unwrap();
        let old = eventually(SOON, || async {
            synced.present(a).await.map(|email| email.place).filter(|place| place.role == Role::Other)
        })
        .await;
        // Here: to a folder, to the archive, and back.
        synced.mailbox.command(b, Command::Move(Where { folder_id: old.folder_id, role: Role::Other })).await;
        synced.mailbox.command(c, Command::Archive).await;
        synced.told().await;
        assert!(!uid(&mut there, b"Old", "b").await.is_empty());
        assert!(uid(&mut there, b"INBOX", "b").await.is_empty());
        assert!(!uid(&mut there, b"Archive", "c").await.is_empty());
        synced.mailbox.command(c, Command::Unarchive(None)).await;
        synced.told().await;
        assert!(!uid(&mut there, b"INBOX", "c").await.is_empty());
        synced.compared().await;
        synced.compared().await;
        assert_eq!((synced.received().await, synced.email("c").await), (4, Some(c)));
        let c = synced.present(c).await.unwrap();
        assert_eq!((c.role(), c.trashed_at), (Role::Inbox, None));
    }

    /// A pass that finds where the server has put an e-mail must not undo what was done here meanwhile.
    pub async fn what_is_done_here_last_holds(server: &ImapServer) {
        let mut there = client(server).await;
        append(&mut there, b"INBOX", &[], "a").await;
        let synced = Synced::new(server.port, PASSWORD).await;
        synced.keep();
        let a = synced.arrived("a").await;
        for _ in 0..10 {
            synced.mailbox.command(a, Command::Archive).await;
            synced.told().await;
            synced.mailbox.command(a, Command::Unarchive(None)).await;
            synced.told().await;
            let present = synced.present(a).await.unwrap();
            assert_eq!(present.role(), Role::Inbox);
        }
        synced.compared().await;
        assert_eq!(synced.present(a).await.unwrap().role(), Role::Inbox);
        assert!(!uid(&mut there, b"INBOX", "a").await.is_empty());
        let by_the_connection = "SELECT count(*) FROM log.events WHERE type IN ('emails.archived', 'emails.unarchived')
                                 AND metadata->'actor'->>'type' = 'integration'";
        assert_eq!(synced.count(by_the_connection).await, 0);
    }

    pub async fn what_is_deleted_is_deleted_on_both_sides(server: &ImapServer) {
        let mut there = client(server).await;
        for id in ["a", "b", "c"] {
            append(&mut there, b"INBOX", &[], id).await;
        }
        let synced = Synced::new(server.port, PASSWORD).await;
        synced.keep();
        let [a, b, c] = [synced.arrived("a").await, synced.arrived("b").await, synced.arrived("c").await];
        synced.compared().await;
        let uids = uid(&mut there, b"INBOX", "a").await;
        there.delete(&uids).await.unwrap();
        eventually(SOON, || async { synced.present(a).await.is_none() }).await;
        synced.mailbox.command(b, Command::Trash).await;
        synced.told().await;
        assert!(!uid(&mut there, b"Trash", "b").await.is_empty());
        synced.mailbox.command(b, Command::Delete).await;
        synced.told().await;
        assert!(uid(&mut there, b"Trash", "b").await.is_empty());
        synced.compared().await;
        assert!(synced.present(b).await.is_none());
        assert!(synced.present(c).await.is_some_and(|email| email.trashed_at.is_none()));
        assert_eq!(synced.received().await, 3);
    }

    pub async fn numbers_that_begin_anew_lose_and_double_nothing(server: &ImapServer) {
        let mut there = client(server).await;
        there.create(b"Project").await.unwrap();
        for id in ["a", "b", "c"] {
            append(&mut there, b"Project", &[], id).await;
        }
        there.append(b"Project", &[], start(), b"Subject: no id\r\n\r\nHello.\r\n").await.unwrap();
        let synced = Synced::new(server.port, PASSWORD).await;
        let life = synced.keep();
        let a = synced.arrived("a").await;
        eventually(SOON, || async { synced.received().await == 4 }).await;
        synced.compared().await;
        // Nobody is to see the folder while it is empty.
        life.finish(SOON).await.unwrap();
        let validity = there.select(b"Project", None).await.unwrap().uid_validity;
        there.select(b"INBOX", None).await.unwrap();
        // At most servers a time in seconds, so the first attempt may be too soon.
        let mut there = eventually(SOON, || async {
            other(server, &["DELETE Project", "CREATE Project"]).await;
            let mut there = client(server).await;
            (there.select(b"Project", None).await.unwrap().uid_validity != validity).then_some(there)
        })
        .await;
        for id in ["c", "a"] {
            append(&mut there, b"Project", &["\\Seen"], id).await;
        }
        there.append(b"Project", &[], start(), b"Subject: no id\r\n\r\nHello.\r\n").await.unwrap();
        append(&mut there, b"Project", &[], "d").await;
        synced.keep();
        synced.arrived("d").await;
        // It is there no more, and only it.
        let b = synced.email("b").await.unwrap();
        eventually(SOON, || async { synced.present(b).await.is_none() }).await;
        synced.compared().await;
        assert_eq!(synced.email("a").await, Some(a));
        eventually(SOON, || async { synced.present(a).await.is_some_and(|email| email.is_read) }).await;
        assert_eq!(synced.received().await, 5);
        assert_eq!(synced.count("SELECT count(*) FROM log.events WHERE type = 'emails.deleted'").await, 1);
    }

    pub async fn a_wrong_password_is_told_and_a_right_one_mends_it(server: &ImapServer) {
        append(&mut client(server).await, b"INBOX", &[], "a").await;
        let synced = Synced::new(server.port, "battery staple").await;
        synced.keep();
        let failure = || async {
            let known = synced.mailbox.store.load::<Connection>(synced.connection).await.unwrap().unwrap();
            known.state.present().unwrap().failure.clone()
        };
        let (code, detail) = eventually(SOON, failure).await;
        assert_eq!(code, "authentication_failed");
        assert!(!detail.contains("battery"), "{detail}");
        let right = connection::Edit::parse(None, None, None, None, Some(Some(PASSWORD)), MailEdit::default()).unwrap();
        synced.connection(connection::Command::ChangeSettings(Box::new(right))).await;
        synced.arrived("a").await;
        eventually(SOON, || async { failure().await.is_none() }).await;
    }

    pub async fn a_thousand_messages_are_taken_in_by_two_workers(server: &ImapServer) {
        let mut there = client(server).await;
        for number in 0..1_000 {
            append(&mut there, b"INBOX", &[], &number.to_string()).await;
        }
        let synced = Synced::new(server.port, PASSWORD).await;
        synced.keep();
        synced.keep();
        eventually(SOON * 2, || async { synced.received().await == 1_000 }).await;
        synced.compared().await;
        assert_eq!(synced.received().await, 1_000);
        assert_eq!(synced.count("SELECT count(*) FROM work.mail_uids").await, 1_000);
    }
}
