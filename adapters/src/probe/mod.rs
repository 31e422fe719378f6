//! Whether an account can be reached, step by step: where it fails is what a user wants to know.

mod words;

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    imap,
    net::{self, Fault, Security, Server, Wire},
    smtp,
};
use words::{NO_SENDER, Words};

/// How long a step may take, unless the server has less time anyway.
const STEP: Duration = Duration::from_secs(7);
/// All of them together may take that many times longer.
const WHOLE: u32 = 2;
/// How long is waited for what only goes along: counting folders, leaving.
const ASIDE: Duration = Duration::from_secs(2);
/// What servers may offer that synchronisation makes use of, by the names that they have.
const USED: [&str; 7] = ["CONDSTORE", "IDLE", "MOVE", "OBJECTID", "QRESYNC", "SPECIAL-USE", "UIDPLUS"];

/// What is asked of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account<'a> {
    /// Opening its inbox.
    Imap,
    /// Being ready to take a message; none is sent.
    Smtp {
        /// The address that messages would be from, if the account says.
        from: Option<&'a str>,
    },
}

/// One step on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The name is looked up, and its addresses are ones that may be connected with.
    Dns,
    /// One of them takes a connection.
    Tcp,
    /// The way there is kept from others, and the certificate is good.
    Tls,
    /// User and password are right.
    Login,
    /// The inbox opens.
    Select,
    /// Messages from this account would be taken.
    Smtp,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It went well.
    Ok,
    /// It failed, and this is the code of why.
    Failed(&'static str),
    /// It was not tried.
    Skipped,
}

/// A step, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which one.
    pub stage: Stage,
    /// What became of it.
    pub outcome: Outcome,
    /// One sentence: what is well, or what is wrong and what to do, or why it was not tried.
    pub detail: String,
    /// How long it took.
    pub took: Duration,
}

/// What was found behind the login of an IMAP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Messages in the inbox.
    pub messages: u32,
    /// Folders, if the server told in time.
    pub folders: Option<usize>,
    /// What it offers that synchronisation makes use of: names of capabilities, in capitals.
    pub offers: Vec<&'static str>,
}

/// How an account can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Every step of the way, in order.
    pub steps: Vec<Step>,
    /// What was found, if the inbox of an IMAP server opened.
    pub mailbox: Option<Mailbox>,
}

impl Report {
    /// Whether no step failed.
    pub fn is_ok(&self) -> bool {
        !self.steps.iter().any(|step| matches!(step.outcome, Outcome::Failed(_)))
    }
}

impl Stage {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Login => "login",
            Self::Select => "select",
            Self::Smtp => "smtp",
        }
    }
}

impl Account<'_> {
    /// The steps on the way, in order.
    pub fn stages(&self) -> [Stage; 5] {
        let last = match self {
            Self::Imap => Stage::Select,
            Self::Smtp { .. } => Stage::Smtp,
        };
        [Stage::Dns, Stage::Tcp, Stage::Tls, Stage::Login, last]
    }
}

/// Tries to reach an account, up to the first step that fails, in 18 seconds at most. Nothing changes there.
pub async fn probe(account: Account<'_>, server: &Server) -> Report {
    let server = &Server { timeout: server.timeout.min(STEP), ..server.clone() };
    let words = Words { account, server };
    let mut steps = Steps { server, words, until: Instant::now() + server.timeout * WHOLE, done: Vec::new() };
    let mailbox = match account {
        Account::Imap => steps.imap().await,
        Account::Smtp { from } => {
            // How it went is in the steps.
            let _ = steps.smtp(from).await;
            None
        }
    };
    Report { steps: steps.complete(), mailbox }
}

struct Steps<'a> {
    server: &'a Server,
    words: Words<'a>,
    until: Instant,
    done: Vec<Step>,
}

impl Steps<'_> {
    async fn imap(&mut self) -> Option<Mailbox> {
        let server = self.server;
        let wire = self.reach().await?;
        let mut client = self.step(self.greeting(Stage::Login), imap::Client::greet(wire, server)).await?;
        self.step(Stage::Login, client.login(server.login.as_ref())).await?;
        let inbox = self.step(Stage::Select, client.select(b"INBOX", None)).await?;
        let folders = aside(client.list()).await.map(|folders| folders.len());
        let offers = USED.into_iter().filter(|capability| client.can(capability)).collect();
        aside(client.logout()).await;
        Some(Mailbox { messages: inbox.exists, folders, offers })
    }

    async fn smtp(&mut self, from: Option<&str>) -> Option<()> {
        let server = self.server;
        let wire = self.reach().await?;
        let next = if server.login.is_some() { Stage::Login } else { Stage::Smtp };
        let mut client = self.step(self.greeting(next), smtp::Client::greet(wire, server)).await?;
        self.step(next, client.hello()).await?;
        if server.login.is_some() {
            self.step(Stage::Login, client.login(server.login.as_ref())).await?;
        }
        let tried = async { if let Some(from) = from { client.try_sender(from).await } else { Ok(()) } };
        self.step(Stage::Smtp, tried).await?;
        if from.is_none() {
            self.note(Stage::Smtp, Duration::ZERO, Outcome::Failed("no_sender_address"), NO_SENDER.to_owned());
        }
        aside(async {
            client.quit().await;
            Ok(())
        })
        .await
    }

    /// Up to a connection, through TLS where that comes first.
    async fn reach(&mut self) -> Option<Wire> {
        let server = self.server;
        let addresses = self.step(Stage::Dns, net::resolve(server)).await?;
        // Each has its share of the time: else one that swallows everything would hide those behind it.
        let share = server.timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let mut wire = self.step(Stage::Tcp, net::dial(server, &addresses, share)).await?;
        if server.security == Security::Tls {
            self.step(Stage::Tls, wire.secure(server)).await?;
        }
        Some(wire)
    }

    /// What the server's greeting belongs to: to TLS where that is agreed on after it, else to what comes next.
    fn greeting(&self, next: Stage) -> Stage {
        if self.server.security == Security::Starttls { Stage::Tls } else { next }
    }

    async fn step<T>(&mut self, stage: Stage, work: impl Future<Output = Result<T, Fault>>) -> Option<T> {
        let began = Instant::now();
        let end = self.until.min(began + self.server.timeout);
        let done = timeout_at(end, work).await.unwrap_or(Err(Fault::Timeout));
        let (outcome, detail) = match &done {
            Ok(_) => (Outcome::Ok, self.words.well(stage)),
            Err(fault) => {
                let (code, detail) = self.words.wrong(stage, fault);
                (Outcome::Failed(code), detail)
            }
        };
        self.note(stage, began.elapsed(), outcome, detail);
        done.ok()
    }

    fn note(&mut self, stage: Stage, took: Duration, outcome: Outcome, detail: String) {
        // What took two goes is one step.
        let earlier = self.done.pop_if(|last| last.stage == stage).map(|last| last.took).unwrap_or_default();
        self.done.push(Step { stage, outcome, detail, took: earlier + took });
    }

    /// Every step of the way: those that it did not come to were skipped.
    fn complete(self) -> Vec<Step> {
        let Self { words, done, .. } = self;
        let failed = done.last().is_some_and(|last| last.outcome != Outcome::Ok);
        let step = |stage| {
            let skipped = || Step {
                stage,
                outcome: Outcome::Skipped,
                detail: words.skipped(stage, failed),
                took: Duration::ZERO,
            };
            done.iter().find(|step| step.stage == stage).cloned().unwrap_or_else(skipped)
        };
        words.account.stages().map(step).into()
    }
}

/// What nothing depends on, if it comes in time.
async fn aside<T>(work: impl Future<Output = Result<T, Fault>>) -> Option<T> {
    timeout(ASIDE, work).await.ok()?.ok()
}
