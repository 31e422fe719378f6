//! The HTML of an e-mail, made harmless: read from the message whenever somebody asks.

use std::collections::HashMap;

use orbit_adapters::mime::{self, Images, Sanitised};
use orbit_events::emails::Part;
use orbit_platform::{http::query::Refusal, problem::ApiError};
use uuid::Uuid;

use super::stored::Stored;

/// Whether images from elsewhere are loaded, as callers write it.
pub fn images(text: &str) -> Result<Images, Refusal> {
    match text {
        "block" => Ok(Images::Block),
        "show" => Ok(Images::Show),
        _ => Err(("invalid", "one of block, show is expected".to_owned())),
    }
}

/// The HTML of an e-mail, in which what it shows of its own parts comes from here; none if it has none.
pub async fn shown(id: Uuid, stored: &Stored, parts: &[Part], images: Images) -> Result<Option<Sanitised>, ApiError> {
    let own: HashMap<String, String> = parts
        .iter()
        .filter_map(|part| Some((part.content_id.clone()?, format!("/api/v1/emails/{id}/parts/{}", part.path))))
        .collect();
    stored
        .read(move |raw| {
            let html = mime::html(&raw)?;
            Some(mime::sanitise(&html, images, &|content_id| own.get(content_id).cloned()))
        })
        .await
}
