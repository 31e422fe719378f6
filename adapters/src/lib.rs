//! What lies outside of the log, and how it is spoken with: the store of blobs, messages and mailboxes, mail servers.
//!
//! Nothing here knows facts, users or rules: it takes bytes, keys and ids, and gives readings back. [`blobs`] keeps
//! messages and files, sealed; [`mime`] reads and writes messages; [`mailbox`] finds them in files; [`imap`] and [`smtp`]
//! speak with servers, which [`net`] leads to and [`mod@probe`] tries.

pub mod blobs;
pub mod imap;
pub mod mailbox;
pub mod mime;
pub mod net;
pub mod probe;
pub mod smtp;
