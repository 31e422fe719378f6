//! Tests of what adapters make of real bytes: a corpus of mails, hostile HTML, bytes at random, mailboxes.
#![allow(clippy::unwrap_used, reason = "what helps tests may fail as tests do")]

mod composed;
mod corpus;
mod hostile;
mod mailboxes;
mod random;
