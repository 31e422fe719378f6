//! Sending through an SMTP server, one message per connection.
//!
//! A client of our own and not lettre's low-level connection: that writes a message and its final dot in one call and
//! gives one error for all of it, and whether the dot had left is the difference between «send it again» and «it may
//! have arrived». With it fall away a second way to look up names, to make TLS and to wait, beside that of IMAP.

mod client;
mod reply;
mod stuff;

use crate::net::{Fault, Server};

pub(crate) use client::Client;
pub use reply::Reply;

/// From whom and to whom; what the message itself says of that is its own affair.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// Whom the server tells if it cannot deliver.
    pub from: &'a str,
    /// Everybody who is to get it.
    pub to: &'a [String],
}

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// As it was asked for.
    pub email: String,
    /// Whether the server took the message for them.
    pub accepted: bool,
    /// What it said of them last; none if it was not asked, or did not answer.
    pub reply: Option<Reply>,
}

/// How far sending came.
#[derive(Debug)]
pub enum Outcome {
    /// The server took the message, for at least one recipient.
    Accepted(Reply),
    /// It took it for nobody, and may do so later.
    Temporary(Reply),
    /// It took it for nobody and never will.
    Permanent(Reply),
    /// The message did not get there: the server had not seen its end when this happened.
    NotSent(Fault),
    /// The end of the message left and no answer came: the server may have taken it.
    Unknown(Fault),
}

/// What became of a message.
#[derive(Debug)]
pub struct Delivery {
    /// Of each recipient, in the order of the envelope.
    pub recipients: Vec<Recipient>,
    /// Of all of it.
    pub outcome: Outcome,
}

impl Delivery {
    /// Those that the server took the message for.
    pub fn accepted(&self) -> impl Iterator<Item = &Recipient> {
        self.recipients.iter().filter(|recipient| recipient.accepted)
    }

    /// Those that it refused for good.
    pub fn refused(&self) -> impl Iterator<Item = &Recipient> {
        self.recipients.iter().filter(|recipient| recipient.reply.as_ref().is_some_and(Reply::is_permanent))
    }
}

/// Sends a message, and says how far that came.
pub async fn send(server: &Server, envelope: &Envelope<'_>, message: &[u8]) -> Delivery {
    let mut recipients: Vec<_> = envelope.to.iter().map(|email| Recipient::new(email)).collect();
    let outcome = match Client::connect(server).await {
        Ok(mut client) => {
            let outcome = client.send(envelope.from, &mut recipients, message).await;
            if !matches!(outcome, Outcome::NotSent(_) | Outcome::Unknown(_)) {
                client.quit().await;
            }
            outcome
        }
        Err(fault) => Outcome::NotSent(fault),
    };
    Delivery { recipients, outcome }
}

impl Recipient {
    fn new(email: &str) -> Self {
        Self { email: email.to_owned(), accepted: false, reply: None }
    }
}
