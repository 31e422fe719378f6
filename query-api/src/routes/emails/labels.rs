//! `GET /emails/labels`: the labels that are on e-mails.

use orbit_platform::{
    http::{
        openapi::parsed,
        page::Page,
        query::{Query, Sort, SortKey},
    },
    problem::ApiError,
};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::Emails;
use crate::{
    answer::Snapshot,
    reader::{Reader, Whose},
    routes::fixed::{PageParameters, uncounted},
};

/// A label of e-mails. It is there as long as it is on one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = EmailLabel, example = json!(parsed(r#"{"label": "friends", "emails": 12}"#)))]
pub struct Label {
    /// What it says.
    pub label: String,
    /// How many e-mails carry it, also in the trash.
    pub emails: i64,
}

struct Row {
    as_of: i64,
    label: Option<String>,
    emails: Option<i64>,
}

/// The labels on the caller's e-mails, by name, with how many carry each.
#[utoipa::path(
    get, path = "/emails/labels", tag = "emails", operation_id = "list_email_labels", params(PageParameters),
    responses((status = 200, description = "A page of labels", body = Page<Label>))
)]
pub async fn all(reader: Reader<Emails>, mut query: Query) -> Result<Snapshot<Page<Label>>, ApiError> {
    let sort = Sort { keys: vec![SortKey { column: "label", descending: false }] };
    let page = uncounted(&mut query, reader.cursors(), &sort);
    query.finish()?;
    let after = page.after.as_ref().map(|after| after.get::<String>(0)).transpose()?;
    let (after, fetch) = (after.as_deref(), page.fetch());
    let found = reader.ask(|mut db, whose| async move { list(&mut db, whose, after, fetch).await }).await?;
    Ok(found.map(|labels| page.page(labels, None, |label| vec![json!(label.label)])))
}

async fn list(
    db: &mut PgConnection,
    whose: Whose,
    after: Option<&str>,
    fetch: i64,
) -> sqlx::Result<Snapshot<Vec<Label>>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", l.label AS "label?", l.emails AS "emails?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'emails' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN LATERAL (
               SELECT l.label, count(*) AS emails FROM email_labels l
               WHERE l.user_id = $2 AND ($3::text IS NULL OR l.label > $3)
               GROUP BY l.label ORDER BY l.label LIMIT $4) l ON true
           ORDER BY l.label"#,
        whose.partition,
        whose.user_id,
        after,
        fetch
    );
    let rows = rows.fetch_all(db).await?;
    let as_of = rows.first().map_or(0, |row| row.as_of);
    let labels = rows.into_iter().filter_map(|row| Some(Label { label: row.label?, emails: row.emails? }));
    Ok(Snapshot { as_of, body: labels.collect() })
}
