//! Tests of what adapters make of real bytes: a corpus of mails, hostile HTML, bytes at random, mailboxes,
//! and what passes between us and mail servers.
#![allow(clippy::unwrap_used, reason = "what helps tests may fail as tests do")]

mod composed;
mod corpus;
mod hostile;
mod imap_scripted;
mod imap_servers;
mod mailboxes;
mod probes;
mod random;
mod scripted;
mod smtp_servers;
