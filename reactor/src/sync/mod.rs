//! Keeping mailboxes elsewhere and here in step, both ways.
//!
//! What happens there becomes facts here, by the connection as actor; what happens here reaches the server. In reading
//! order: `accounts` (who keeps which account in step, and what becomes of failures) · `session` (a connection at work) ·
//! `pass` (all of an account compared, and only then what is missing called deleted) · `folders` · `folder` (one folder)
//! · `incoming` (new messages) · `outgoing` (what was changed here) · `keywords` (labels, as servers have them) ·
//! `reaction` (how what was changed is known) · `book` (how far everything is).

mod accounts;
mod book;
mod folder;
mod folders;
mod incoming;
mod keywords;
mod outgoing;
mod pass;
mod reaction;
mod session;

use chrono::{DateTime, Utc};
use orbit_adapters::net;
use orbit_platform::shutdown::Shutdown;

use crate::{Deps, ingest};

/// Keeps all accounts in step until `shutdown`.
pub fn start(deps: &Deps, shutdown: &Shutdown) {
    let changed = reaction::start(deps, shutdown);
    let accounts = accounts::Accounts::new(deps, changed, shutdown);
    shutdown.spawn("mail.accounts", accounts.run());
}

/// Why an account could not be kept in step. What was done stays done, and the rest is done again.
#[derive(Debug, thiserror::Error)]
enum Fault {
    /// The server.
    #[error(transparent)]
    Server(#[from] net::Fault),
    /// The log.
    #[error(transparent)]
    Log(#[from] orbit_event_store::Fault),
    /// Messages could not be taken in.
    #[error(transparent)]
    Ingest(#[from] ingest::Fault),
    /// The book.
    #[error(transparent)]
    Book(#[from] crate::work::Fault),
    /// Nothing has moved for too long.
    #[error("nothing has moved for too long")]
    Stuck,
}

impl Fault {
    /// A stable name, for the user.
    fn code(&self) -> &'static str {
        match self {
            Self::Server(net::Fault::Login(_)) => "authentication_failed",
            Self::Server(
                net::Fault::Dns(_)
                | net::Fault::NoAddress
                | net::Fault::Tcp(_)
                | net::Fault::Closed
                | net::Fault::Timeout,
            ) => "unreachable",
            Self::Server(fault) => fault.code(),
            Self::Log(_) | Self::Ingest(_) | Self::Book(_) => "internal",
            Self::Stuck => "stuck",
        }
    }

    /// For the book.
    fn failure(&self, at: DateTime<Utc>, next_try_at: Option<DateTime<Utc>>) -> book::Failure {
        book::Failure { code: self.code(), detail: self.detail(), at, next_try_at }
    }

    /// What happened, for the user: nothing of what a server said, which may differ with every try.
    fn detail(&self) -> &'static str {
        match self.code() {
            "authentication_failed" => "The server does not accept the user name or the password.",
            "unreachable" => "The server cannot be reached, or does not answer.",
            "private_host_refused" => "The server is in a private network, which is not allowed here.",
            "tls" => "No secure connection with the server can be made.",
            "select" => "The server does not open the folder.",
            "stuck" => "The server answers, but nothing comes of it.",
            "internal" => "Something is wrong on our side; it is tried again.",
            _ => "The server does not do what it is asked.",
        }
    }
}
