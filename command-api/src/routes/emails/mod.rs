//! E-mails and all that belongs to them: marks, threads, folders, drafts, what is sent, files that go with it.

mod batch;
mod bodies;
mod compose;
mod drafts;
mod folders;
mod import;
mod marks;
mod operation;
mod place;
mod send;
mod set_back;
mod submit;
mod threads;
mod uploads;
mod views;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::AppState;

pub use submit::sender_of;

/// What changing e-mails takes of an API token.
const SCOPE: &str = "email:write";
/// What sending them takes.
const SEND_SCOPE: &str = "email:send";

/// The routes of this context.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(batch::batch))
        .routes(routes!(threads::merge))
        .routes(routes!(threads::split))
        .routes(routes!(threads::dissolve))
        .routes(routes!(folders::create))
        .routes(routes!(drafts::create))
        .routes(routes!(drafts::edit, drafts::discard))
        .routes(routes!(drafts::send))
        .routes(routes!(send::send))
        .routes(routes!(send::cancel))
        .routes(routes!(send::retry))
        .routes(routes!(send::reschedule))
        .routes(routes!(import::cancel))
        .routes(routes!(uploads::discard))
        .routes(routes!(marks::edit, marks::delete))
        .routes(routes!(marks::read))
        .routes(routes!(marks::unread))
        .routes(routes!(marks::star))
        .routes(routes!(marks::unstar))
        .routes(routes!(marks::archive))
        .routes(routes!(marks::unarchive))
        .routes(routes!(marks::trash))
        .routes(routes!(marks::restore))
        .routes(routes!(marks::relocate))
        .routes(routes!(marks::label))
        .routes(routes!(marks::unlabel))
        .routes(routes!(marks::snooze))
}

/// Routes that take files and mailboxes.
pub fn uploads() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(import::import)).routes(routes!(uploads::upload))
}
