//! A client of IMAP servers, whatever they can do beyond RFC 3501: as little as that, or CONDSTORE, QRESYNC, OBJECTID,
//! MOVE, UIDPLUS, IDLE, LIST-EXTENDED and SPECIAL-USE.
//!
//! Our own, since it must hand out what vanished, items of FETCH that not every library knows (EMAILID), and bounds on
//! what a server may send. Servers are not trusted: lines, literals, lists within lists and whole answers are bounded,
//! and nothing that one says makes it panic.

mod answers;
mod client;
mod commands;
mod connection;
mod fetching;
mod idle;
mod tokens;
mod uids;
mod utf7;

pub use answers::{Fetched, Folder, Use};
pub use client::{Client, Placed, Resync, Selected};
pub use commands::Items;
pub use connection::LITERAL;
pub use fetching::Fetching;
pub use idle::Idle;
pub use uids::Uids;
pub use utf7::{decode as decode_name, encode as encode_name};
