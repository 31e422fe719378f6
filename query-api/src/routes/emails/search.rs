//! `GET /emails/search?q=`: e-mails by their words, the best first, with what was hit.

use orbit_domain::emails::{
    query::Terms,
    words::{Cut, Stems, mark},
};
use orbit_platform::{
    http::{openapi::parsed, page::Page, query::Query},
    problem::ApiError,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Emails,
    asked::EmailFilters,
    lists::{EmailParameters, ask},
    question::{About, Hit, Question},
    view::Email,
};
use crate::{
    answer::Snapshot,
    reader::Reader,
    routes::words::{self, Fragment},
};

/// An e-mail that was found.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = FoundEmail, example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000c1", "thread_id": "0197f0a0-0000-7000-8000-0000000000c1",
    "message_id": "1@example.org", "subject": "Lunch?", "from_email": "bob@example.org", "from_name": "Bob",
    "to_emails": ["ada@example.org"], "cc_emails": [], "bcc_emails": [], "snippet": "Are you free at noon?",
    "has_attachments": false, "is_read": false, "is_starred": false, "is_archived": false, "folder": "inbox",
    "folder_id": "0197f0a0-0000-7000-8000-0000000000d1", "labels": ["friends"], "size": 2048,
    "date": "2026-11-22T20:28:00Z", "synced_at": "2026-11-22T20:28:05Z", "trashed_at": null, "snoozed_until": null,
    "created_at": "2026-11-22T20:28:05Z", "updated_at": "2026-11-22T20:28:05Z", "version": 1, "rank": 0.6,
    "highlights": {"subject": [{"text": "Lunch", "hit": true}, {"text": "?", "hit": false}], "body": []}
}"#)))]
pub struct Found {
    /// The e-mail itself.
    #[serde(flatten)]
    pub email: Email,
    /// How well it fits: more is better. To be compared within one search only; 0 where it is sorted by date.
    pub rank: f32,
    /// Where the words stand.
    pub highlights: Highlights,
}

/// Where the words stand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = EmailHighlights, example = json!(parsed(r#"{
    "subject": [{"text": "Lunch", "hit": true}, {"text": "?", "hit": false}], "body": []
}"#)))]
pub struct Highlights {
    /// The whole subject, in pieces; empty if none of the words is in it.
    pub subject: Vec<Fragment>,
    /// The passages of the text that were hit, in pieces; empty if there is none.
    pub body: Vec<Fragment>,
}

/// Searches subjects, names and texts. As `GET /emails` with `q`, which is also where filters and operators are told,
/// with how well each e-mail fits.
#[utoipa::path(
    get, path = "/emails/search", tag = "emails", operation_id = "search_emails",
    params(
        ("q" = String, Query, max_length = 500, example = "lunch from:bob", description = "All of these words, \"phrases\", OR, -not, and operators such as `from:`; the last word may be the beginning of one"),
        EmailFilters, EmailParameters,
    ),
    responses((status = 200, description = "A page of e-mails, the best first", body = Page<Found>))
)]
pub async fn get(reader: Reader<Emails>, query: Query) -> Result<Snapshot<Page<Found>>, ApiError> {
    let question = Question::read(query, About::Search, reader.cursors(), reader.now())?;
    if !question.is_search() {
        return Err(words::nothing_to_search_for());
    }
    let terms = question.terms().clone();
    let Snapshot { as_of, body } = ask(&reader, question).await?;
    Ok(Snapshot { as_of, body: highlighted(body, terms).await? })
}

/// Shows where the words stand in the e-mails of a page: on a thread where it may take its time, since texts are long.
pub async fn highlighted(page: Page<Hit>, terms: Terms) -> Result<Page<Found>, ApiError> {
    let mut stems = Stems::new();
    let found = move || page.map(|hit| mark_hit(hit, &terms, &mut stems));
    tokio::task::spawn_blocking(found).await.map_err(ApiError::internal)
}

fn mark_hit(hit: Hit, terms: &Terms, stems: &mut Stems) -> Found {
    let Hit { email, rank, text, language } = hit;
    let Some(text) = text else {
        return Found { email, rank, highlights: Highlights::default() };
    };
    let language = language.as_deref();
    let mut marked = |text: &str, cut| {
        let pieces = mark(text, terms, language, cut, stems).into_iter();
        pieces.map(|(text, hit)| Fragment { text, hit }).collect()
    };
    let highlights = Highlights { subject: marked(&email.subject, Cut::SUBJECT), body: marked(&text, Cut::TEXT) };
    Found { email, rank, highlights }
}
