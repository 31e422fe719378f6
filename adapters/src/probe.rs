//! Whether an account can be reached, step by step: where it fails is what a user wants to know.

use std::time::Instant;

use crate::{
    imap,
    net::{self, Fault, Security, Server},
    smtp,
};

/// What is asked of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// Opening its inbox.
    Imap,
    /// Being ready to take a message; none is sent.
    Smtp,
}

/// One step on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `dns`, `tcp`, `tls`, `smtp`, `login` or `select`.
    pub name: &'static str,
    /// How long it took.
    pub ms: u64,
    /// Code and sentence of what was wrong, if it was.
    pub failure: Option<(&'static str, String)>,
}

/// Tries to reach an account; ends with the first step that fails. Nothing changes there.
pub async fn probe(account: Account, server: &Server) -> Vec<Step> {
    let mut steps = Steps(Vec::new());
    // How it went is in the steps.
    let _ = match account {
        Account::Imap => steps.imap(server).await,
        Account::Smtp => steps.smtp(server).await,
    };
    steps.0
}

struct Steps(Vec<Step>);

impl Steps {
    async fn imap(&mut self, server: &Server) -> Option<()> {
        let wire = self.reach(server).await?;
        let mut client = self.step(secured(server, "login"), imap::Client::greet(wire, server)).await?;
        self.step("login", client.login(server.login.as_ref())).await?;
        self.step("select", client.select(b"INBOX", None)).await?;
        client.logout().await.ok()
    }

    async fn smtp(&mut self, server: &Server) -> Option<()> {
        let wire = self.reach(server).await?;
        let mut client = self.step(secured(server, "smtp"), smtp::Client::greet(wire, server)).await?;
        self.step("smtp", client.hello()).await?;
        self.step("login", client.login(server.login.as_ref())).await?;
        client.quit().await;
        Some(())
    }

    async fn reach(&mut self, server: &Server) -> Option<net::Wire> {
        let addresses = self.step("dns", net::resolve(server)).await?;
        self.step("tcp", net::dial(server, &addresses)).await
    }

    async fn step<T>(&mut self, name: &'static str, work: impl Future<Output = Result<T, Fault>>) -> Option<T> {
        let began = Instant::now();
        let done = work.await;
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let failure = done.as_ref().err().map(|fault| (fault.code(), fault.to_string()));
        match self.0.last_mut() {
            // What took two goes is one step.
            Some(last) if last.name == name => {
                last.ms += ms;
                last.failure = failure;
            }
            _ => self.0.push(Step { name, ms, failure }),
        }
        done.ok()
    }
}

/// What greeting belongs to: to TLS where that is made by then, else to what comes next.
fn secured(server: &Server, next: &'static str) -> &'static str {
    if server.security == Security::Plain { next } else { "tls" }
}
