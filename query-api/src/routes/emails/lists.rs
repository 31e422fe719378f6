//! `GET /emails`, `/emails/unread`, `/emails/snoozed`, `/emails/trash`: lists of e-mails.

use orbit_platform::{
    http::{openapi::parsed, page::Page, query::Query},
    problem::ApiError,
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    Emails,
    asked::EmailFilters,
    question::{About, Hit, Question, list},
    search::{Highlights, highlighted},
    view::Email,
};
use crate::{answer::Snapshot, reader::Reader, routes::users::zone};

/// An e-mail in a list.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = ListedEmail, example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000c1", "thread_id": "0197f0a0-0000-7000-8000-0000000000c1",
    "message_id": "1@example.org", "subject": "Lunch?", "from_email": "bob@example.org", "from_name": "Bob",
    "to_emails": ["ada@example.org"], "cc_emails": [], "bcc_emails": [], "snippet": "Are you free at noon?",
    "has_attachments": false, "is_read": false, "is_starred": false, "is_archived": false, "folder": "inbox",
    "folder_id": "0197f0a0-0000-7000-8000-0000000000d1", "labels": ["friends"], "size": 2048,
    "date": "2026-11-22T20:28:00Z", "synced_at": "2026-11-22T20:28:05Z", "trashed_at": null, "snoozed_until": null,
    "created_at": "2026-11-22T20:28:05Z", "updated_at": "2026-11-22T20:28:05Z", "version": 1
}"#)))]
pub struct Listed {
    /// The e-mail itself.
    #[serde(flatten)]
    pub email: Email,
    /// Where the words of `q` stand; only with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub highlights: Option<Highlights>,
}

/// What all lists of e-mails can be searched by.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it documents the parameters, which are read one by one")]
pub struct EmailWords {
    /// Words in subject, names and text: all of them, "phrases", OR, -not; the last one may be the beginning of a word.
    /// And `from:`, `to:`, `subject:`, `has:attachment`, `in:` (a role, `anywhere` or the name of a folder), `before:`
    /// and `after:` (days), `is:` (`read`, `unread`, `starred`, `snoozed`), `label:`
    #[param(max_length = 500, example = "lunch from:bob is:unread", nullable = false)]
    q: Option<String>,
}

/// What else all lists of e-mails can be asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it documents the parameters, which are read one by one")]
pub struct EmailParameters {
    /// `-date` (newest first, the default), `date`, or with `q` also `relevance` (the default then: of the newest hundred
    /// that were found the best come first, then those of the hundred before, and so on). Among what is put off also
    /// `snoozed_until` (the default there)
    #[param(example = "-date", nullable = false)]
    sort: Option<String>,
    /// The most e-mails on the page
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// `next_cursor` of the page before, with the same filters and sort
    #[param(nullable = false)]
    cursor: Option<String>,
    /// `total`: how many e-mails there are on all pages
    #[param(example = "total", nullable = false)]
    include: Option<String>,
}

/// A page of what a list is about. Days are the caller's own.
pub async fn ask(reader: &Reader<Emails>, question: Question) -> Result<Snapshot<Page<Hit>>, ApiError> {
    let zone = if question.speaks_of_days() { Some(zone::of_caller(reader).await?) } else { None };
    let question = &question.in_zone(zone);
    reader.ask(|mut db, whose| async move { list(&mut db, whose, question).await }).await
}

async fn answer(reader: &Reader<Emails>, query: Query, about: About) -> Result<Snapshot<Page<Listed>>, ApiError> {
    let question = Question::read(query, about, reader.cursors(), reader.now())?;
    let (terms, is_search) = (question.terms().clone(), question.is_search());
    let Snapshot { as_of, body } = ask(reader, question).await?;
    let found = highlighted(body, terms).await?;
    let body = found.map(|found| Listed { email: found.email, highlights: is_search.then_some(found.highlights) });
    Ok(Snapshot { as_of, body })
}

/// The caller's e-mails, newest first unless `sort` or `q` say otherwise. Without `folder` (or `in:` in `q`) those in
/// the trash, in junk and put off until later are left out.
#[utoipa::path(
    get, path = "/emails", tag = "emails", operation_id = "list_emails",
    params(EmailFilters, EmailWords, EmailParameters),
    responses((status = 200, description = "A page of e-mails", body = Page<Listed>))
)]
pub async fn all(reader: Reader<Emails>, query: Query) -> Result<Snapshot<Page<Listed>>, ApiError> {
    answer(&reader, query, About::All).await
}

/// The e-mails that were not read, newest first.
#[utoipa::path(
    get, path = "/emails/unread", tag = "emails", operation_id = "list_unread_emails",
    params(EmailFilters, EmailWords, EmailParameters),
    responses((status = 200, description = "A page of e-mails", body = Page<Listed>))
)]
pub async fn unread(reader: Reader<Emails>, query: Query) -> Result<Snapshot<Page<Listed>>, ApiError> {
    answer(&reader, query, About::Unread).await
}

/// The e-mails that are put off until later; those that are back first come first.
#[utoipa::path(
    get, path = "/emails/snoozed", tag = "emails", operation_id = "list_snoozed_emails",
    params(EmailFilters, EmailWords, EmailParameters),
    responses((status = 200, description = "A page of e-mails", body = Page<Listed>))
)]
pub async fn snoozed(reader: Reader<Emails>, query: Query) -> Result<Snapshot<Page<Listed>>, ApiError> {
    answer(&reader, query, About::Snoozed).await
}

/// The e-mails in the trash, newest first.
#[utoipa::path(
    get, path = "/emails/trash", tag = "emails", operation_id = "list_deleted_emails",
    params(EmailFilters, EmailWords, EmailParameters),
    responses((status = 200, description = "A page of e-mails", body = Page<Listed>))
)]
pub async fn trash(reader: Reader<Emails>, query: Query) -> Result<Snapshot<Page<Listed>>, ApiError> {
    answer(&reader, query, About::Trash).await
}
