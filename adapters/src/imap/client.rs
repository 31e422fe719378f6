//! What can be asked of an IMAP server.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;

use super::{
    Fetched, Fetching, Folder, Idle, Items, Uids,
    answers::{Status, Untagged, Verdict, words},
    commands::Command,
    connection::Connection,
    idle,
};
use crate::net::{self, Fault, Login, Security, Server, Wire};

/// A connection to an IMAP server. Whoever does not wait for the end of what was asked has to connect again.
pub struct Client {
    pub(super) connection: Connection,
    capabilities: BTreeSet<String>,
    enabled: BTreeSet<String>,
}

/// What is known of a folder from the last time (QRESYNC, RFC 7162).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resync {
    /// Under which UIDs meant the same messages.
    pub uid_validity: u32,
    /// The state that is known.
    pub modseq: u64,
    /// The UIDs that are known; none: all below the server's next.
    pub known: Uids,
}

/// A folder that was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selected {
    /// How many messages it has.
    pub exists: u32,
    /// While it stays the same, UIDs mean the same messages.
    pub uid_validity: u32,
    /// The UID that the next message gets at least.
    pub uid_next: Option<u32>,
    /// The state of the folder (CONDSTORE); none where it keeps none.
    pub highest_modseq: Option<u64>,
    /// Whether nothing may be changed.
    pub read_only: bool,
    /// Whether keywords of our own may be set.
    pub takes_keywords: bool,
    /// What went since the state that is known (QRESYNC).
    pub vanished: Uids,
    /// Flags that changed since then.
    pub changed: Vec<Fetched>,
}

/// Where messages came to lie when they were moved or appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Of the folder that they came into.
    pub uid_validity: u32,
    /// Their UIDs there, in order.
    pub uids: Uids,
}

impl Client {
    /// Connects and logs in.
    pub async fn connect(server: &Server) -> Result<Self, Fault> {
        let mut client = Self::greet(net::connect(server).await?, server).await?;
        client.login(server.login.as_ref()).await?;
        Ok(client)
    }

    /// Goes on up to the login: what the server says first, and STARTTLS.
    pub(crate) async fn greet(wire: Wire, server: &Server) -> Result<Self, Fault> {
        let mut connection = Connection::new(wire);
        let mut greeting = connection.greeting().await?;
        if server.security == Security::Starttls {
            let refused = |fault| if matches!(fault, Fault::Refused(_)) { Fault::NoStarttls } else { fault };
            connection.ask(Command::new("STARTTLS")).await.map_err(refused)?;
            connection.wire().secure(server).await?;
            // What was said in the clear counts for nothing.
            greeting.code = None;
        }
        let mut client = Self { connection, capabilities: BTreeSet::new(), enabled: BTreeSet::new() };
        client.learn(&greeting).await?;
        Ok(client)
    }

    /// Says who we are.
    pub(crate) async fn login(&mut self, login: Option<&Login>) -> Result<(), Fault> {
        let login = login.ok_or_else(|| Fault::Login("no user and password are given".to_owned()))?;
        let (username, secret) = (&login.username, login.secret.expose_secret());
        let status = if self.can("AUTH=PLAIN") {
            let plain = STANDARD.encode(format!("\0{username}\0{secret}"));
            if self.can("SASL-IR") {
                self.connection.run(Command::new("AUTHENTICATE PLAIN").word(&plain)).await?
            } else {
                let tag = self.connection.begin(Command::new("AUTHENTICATE PLAIN")).await?;
                self.connection.asked(&tag).await.map_err(refused_login)?;
                self.connection.answer(&tag, plain.as_bytes()).await?
            }
        } else if self.can("LOGINDISABLED") {
            return Err(Fault::Login("it takes no password over this connection".to_owned()));
        } else {
            let command = Command::new("LOGIN").text(username.as_bytes()).text(secret.as_bytes());
            self.connection.run(command).await.map_err(refused_login)?
        };
        match status.verdict {
            Verdict::Ok => self.learn(&status).await,
            Verdict::No | Verdict::Bad | Verdict::Bye | Verdict::Preauth => {
                Err(Fault::Login(login.keep_out_of(status.text)))
            }
        }
    }

    /// Whether the server can do this.
    pub fn can(&self, capability: &str) -> bool {
        self.capabilities.contains(capability)
    }

    /// What the server can do, in capitals.
    pub fn capabilities(&self) -> impl Iterator<Item = &str> {
        self.capabilities.iter().map(String::as_str)
    }

    /// From now on what goes is told by UID, and a folder can be resynchronised. Whether the server can.
    pub async fn enable_resync(&mut self) -> Result<bool, Fault> {
        if !self.can("QRESYNC") || !self.can("ENABLE") {
            return Ok(false);
        }
        self.connection.ask(Command::new("ENABLE QRESYNC")).await?;
        for said in &self.connection.said {
            if let Untagged::Enabled(enabled) = said {
                self.enabled.extend(enabled.iter().cloned());
            }
        }
        Ok(self.enabled.contains("QRESYNC"))
    }

    /// All folders, with what they are for where the server knows.
    pub async fn list(&mut self) -> Result<Vec<Folder>, Fault> {
        let command = Command::new("LIST").text(b"").text(b"*");
        let special = self.can("LIST-EXTENDED") && self.can("SPECIAL-USE");
        let command = if special { command.word("RETURN (SPECIAL-USE)") } else { command };
        self.connection.ask(command).await?;
        let said = self.connection.said.drain(..);
        Ok(said.filter_map(|said| if let Untagged::Folder(folder) = said { Some(folder) } else { None }).collect())
    }

    /// Opens a folder, to read and to write, and resynchronises it if that is wanted and was enabled.
    pub async fn select(&mut self, path: &[u8], resync: Option<&Resync>) -> Result<Selected, Fault> {
        let mut command = Command::new("SELECT").text(path);
        match resync {
            Some(Resync { uid_validity, modseq, known }) if self.enabled.contains("QRESYNC") => {
                let known = if known.is_empty() { String::new() } else { format!(" {known}") };
                command = command.word(&format!("(QRESYNC ({uid_validity} {modseq}{known}))"));
            }
            _ if self.can("CONDSTORE") => command = command.word("(CONDSTORE)"),
            _ => {}
        }
        self.connection.exists = 0;
        let status = self.connection.run(command).await?;
        if status.verdict != Verdict::Ok {
            return Err(Fault::Select(status.text));
        }
        self.connection.news = false;
        let mut selected = Selected {
            exists: self.connection.exists,
            read_only: status.coded("READ-ONLY").is_some(),
            ..Selected::default()
        };
        for said in self.connection.said.drain(..) {
            match said {
                Untagged::Status(status) => selected.learn(&status),
                Untagged::Vanished { uids, .. } => selected.vanished.extend(&uids),
                Untagged::Fetch(fetched) => selected.changed.push(fetched),
                Untagged::Capability(_)
                | Untagged::Enabled(_)
                | Untagged::Exists(_)
                | Untagged::Expunge(_)
                | Untagged::Folder(_)
                | Untagged::Found(_)
                | Untagged::Other => {}
            }
        }
        if selected.uid_validity == 0 {
            return Err(Fault::Select("it says nothing of UIDs".to_owned()));
        }
        Ok(selected)
    }

    /// How many messages the open folder has by now.
    pub fn exists(&self) -> u32 {
        self.connection.exists
    }

    /// Fetches of messages, one by one; with `since` only of those that changed after that state (CONDSTORE).
    pub async fn fetch(&mut self, uids: &Uids, items: Items, since: Option<u64>) -> Result<Fetching<'_>, Fault> {
        let mut command = Command::new("UID FETCH").uids(uids).word(&items.spell(self.can("OBJECTID")));
        if let Some(since) = since {
            command = command.word(&format!("(CHANGEDSINCE {since})"));
        }
        let tag = if uids.is_empty() { None } else { Some(self.connection.begin(command).await?) };
        Ok(Fetching::new(&mut self.connection, tag))
    }

    /// The UIDs within a set that there are.
    pub async fn find(&mut self, within: &Uids) -> Result<Uids, Fault> {
        if within.is_empty() {
            return Ok(Uids::new());
        }
        let word = if self.can("ESEARCH") { "UID SEARCH RETURN (ALL) UID" } else { "UID SEARCH UID" };
        self.search(Command::new(word).uids(within)).await
    }

    /// The UIDs of messages in the open folder with this `Message-ID`, which is given without angle brackets.
    pub async fn find_message(&mut self, message_id: &str) -> Result<Uids, Fault> {
        let command = Command::new("UID SEARCH HEADER Message-ID").text(format!("<{message_id}>").as_bytes());
        self.search(command).await
    }

    async fn search(&mut self, command: Command) -> Result<Uids, Fault> {
        self.connection.ask(command).await?;
        let mut found = Uids::new();
        for said in self.connection.said.drain(..) {
            if let Untagged::Found(uids) = said {
                found.extend(&uids);
            }
        }
        Ok(found)
    }

    /// Adds flags to messages or takes them away.
    pub async fn store(&mut self, uids: &Uids, add: bool, flags: &[&str]) -> Result<(), Fault> {
        let how = if add { "+FLAGS.SILENT" } else { "-FLAGS.SILENT" };
        let command = Command::new("UID STORE").uids(uids).word(how).word(&format!("({})", flags.join(" ")));
        self.connection.ask(command).await.map(drop)
    }

    /// Moves messages into another folder: at once where the server can, else by copy and deletion.
    /// Where they came to lie, if the server tells.
    pub async fn move_to(&mut self, uids: &Uids, path: &[u8]) -> Result<Option<Placed>, Fault> {
        if self.can("MOVE") {
            let status = self.connection.ask(Command::new("UID MOVE").uids(uids).text(path)).await?;
            // MOVE tells it before it is done (RFC 6851), COPY with its end.
            let said = self.connection.said.iter();
            let told = said.filter_map(|said| if let Untagged::Status(status) = said { Some(status) } else { None });
            return Ok(told.chain([&status]).find_map(copied));
        }
        let status = self.connection.ask(Command::new("UID COPY").uids(uids).text(path)).await?;
        self.delete(uids).await?;
        Ok(copied(&status))
    }

    /// Deletes messages for good. Where the server cannot do that to some and not to others (no UIDPLUS), they stay
    /// marked as deleted: what others have marked is not ours to remove.
    pub async fn delete(&mut self, uids: &Uids) -> Result<(), Fault> {
        self.store(uids, true, &["\\Deleted"]).await?;
        if self.can("UIDPLUS") {
            self.connection.ask(Command::new("UID EXPUNGE").uids(uids)).await?;
        }
        Ok(())
    }

    /// Lays a message into a folder. Where it came to lie, if the server tells (UIDPLUS).
    pub async fn append(
        &mut self,
        path: &[u8],
        flags: &[&str],
        date: DateTime<Utc>,
        message: &[u8],
    ) -> Result<Option<Placed>, Fault> {
        let date = date.format("\"%d-%b-%Y %H:%M:%S +0000\"").to_string();
        let command = Command::new("APPEND").text(path).word(&format!("({})", flags.join(" "))).word(&date);
        let status = self.connection.ask(command.literal(message)).await?;
        Ok(status.coded("APPENDUID").and_then(|values| placed(values.first(), values.get(1))))
    }

    /// Makes a folder.
    pub async fn create(&mut self, path: &[u8]) -> Result<(), Fault> {
        self.connection.ask(Command::new("CREATE").text(path)).await.map(drop)
    }

    /// Waits until the open folder changes or `until` is over, whichever comes first.
    pub async fn idle(&mut self, until: impl Future<Output = ()>) -> Result<Idle, Fault> {
        idle::wait(&mut self.connection, until).await
    }

    /// Asks whether there is anything new, and whether the server is still there.
    pub async fn noop(&mut self) -> Result<Idle, Fault> {
        self.connection.ask(Command::new("NOOP")).await?;
        Ok(if std::mem::take(&mut self.connection.news) { Idle::News } else { Idle::Quiet })
    }

    /// Leaves.
    pub async fn logout(mut self) -> Result<(), Fault> {
        self.connection.run(Command::new("LOGOUT")).await.map(drop)
    }

    /// Takes what the server can do from what it just said, else asks.
    async fn learn(&mut self, status: &Status) -> Result<(), Fault> {
        let mut told = status.coded("CAPABILITY").map(words).or_else(|| self.told());
        if told.is_none() {
            self.connection.ask(Command::new("CAPABILITY")).await?;
            told = self.told();
        }
        self.capabilities = told.unwrap_or_default().into_iter().collect();
        Ok(())
    }

    fn told(&mut self) -> Option<Vec<String>> {
        let mut said = self.connection.said.drain(..);
        said.find_map(|said| if let Untagged::Capability(told) = said { Some(told) } else { None })
    }
}

impl Selected {
    fn learn(&mut self, status: &Status) {
        if let Some(uid_validity) = status.number("UIDVALIDITY") {
            self.uid_validity = uid_validity;
        }
        if let Some(uid_next) = status.number("UIDNEXT") {
            self.uid_next = Some(uid_next);
        }
        if let Some(modseq) = status.number("HIGHESTMODSEQ") {
            self.highest_modseq = Some(modseq);
        }
        if let Some([flags, ..]) = status.coded("PERMANENTFLAGS") {
            self.takes_keywords = flags.list().iter().any(|flag| flag.bytes() == Some(b"\\*"));
        }
    }
}

/// `[COPYUID 38505 304,319:320 3956:3958]` (RFC 4315).
fn copied(status: &Status) -> Option<Placed> {
    status.coded("COPYUID").and_then(|values| placed(values.first(), values.get(2)))
}

fn placed(uid_validity: Option<&super::tokens::Value>, uids: Option<&super::tokens::Value>) -> Option<Placed> {
    Some(Placed { uid_validity: uid_validity?.number()?, uids: Uids::parse(uids?.bytes()?)? })
}

fn refused_login(fault: Fault) -> Fault {
    if let Fault::Refused(text) = fault { Fault::Login(text) } else { fault }
}
