//! What lies outside of the log, and how it is spoken with: the store of blobs, messages and mailboxes.
//!
//! Nothing here knows facts, users or rules: it takes bytes, keys and ids, and gives readings back. [`blobs`] keeps
//! messages and files, sealed; [`mime`] reads and writes messages; [`mailbox`] finds them in files.

pub mod blobs;
pub mod mailbox;
pub mod mime;
