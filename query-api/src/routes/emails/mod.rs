//! Queries of the emails context: e-mails, what is in them, searches; threads, folders, labels; drafts, what is being
//! sent, uploads.
//!
//! Reading order: `view` (an e-mail in a list) · `asked` (what lists can be asked for) · `question`, `way` and
//! `statement` (their order, how words are found, their SQL) · `lists` and `search` (their routes) · `whole`, `one` and `html` (an e-mail whole) ·
//! `stored`, `range`, `content` and `files` (bytes as they came) · the others.

mod asked;
mod content;
mod drafts;
mod files;
mod folders;
mod html;
mod imports;
mod labels;
mod lists;
mod one;
mod question;
mod range;
mod search;
mod statement;
mod stored;
mod submissions;
mod thread;
mod threads;
mod uploads;
mod view;
mod way;
mod whole;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{app::Reads, reader::Context};

pub use range::RANGE_NOT_SATISFIABLE;

/// The context.
#[derive(Debug)]
pub struct Emails;

impl Context for Emails {
    const PROJECTION: &'static str = "emails";
    const SCOPE: &'static str = "email:read";
}

/// What lies among the blobs: bytes that never change, and so are the same at any time.
#[derive(Debug)]
pub struct RawEmails;

impl Context for RawEmails {
    const PROJECTION: &'static str = Emails::PROJECTION;
    const SCOPE: &'static str = Emails::SCOPE;
    const READS_THE_PAST: bool = false;
}

/// Its routes.
pub fn router() -> OpenApiRouter<Reads> {
    OpenApiRouter::new()
        .routes(routes!(lists::all))
        .routes(routes!(lists::unread))
        .routes(routes!(lists::snoozed))
        .routes(routes!(lists::trash))
        .routes(routes!(search::get))
        .routes(routes!(threads::all))
        .routes(routes!(thread::get))
        .routes(routes!(folders::all))
        .routes(routes!(folders::get))
        .routes(routes!(labels::all))
        .routes(routes!(drafts::all))
        .routes(routes!(drafts::get))
        .routes(routes!(submissions::all))
        .routes(routes!(submissions::get))
        .routes(routes!(uploads::all))
        .routes(routes!(uploads::get))
        .routes(routes!(one::get))
}

/// Its routes that give bytes as they came, and those that tell of mailboxes in the making.
pub fn content_router() -> OpenApiRouter<Reads> {
    OpenApiRouter::new()
        .routes(routes!(files::raw))
        .routes(routes!(files::part))
        .routes(routes!(files::attachment))
        .routes(routes!(imports::all))
        .routes(routes!(imports::get))
}
