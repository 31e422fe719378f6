//! Path parameters: whatever cannot be read names nothing, so it is 404.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::problem::ApiError;

/// Path parameters of any type that deserializes from text.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        read.map(|axum::extract::Path(value)| Self(value)).map_err(|_| ApiError::not_found())
    }
}

/// The path's `{id}` (or its only parameter): a hyphenated UUID, in one of our id types or a bare `Uuid`.
#[derive(Clone, Copy, Debug)]
pub struct PathId<T = Uuid>(pub T);

impl<S: Send + Sync, T: From<Uuid>> FromRequestParts<S> for PathId<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| ApiError::not_found())?;
        let mut params = params.iter();
        let first = params.next();
        let (_, text) = params.find(|(name, _)| *name == "id").or(first).ok_or_else(ApiError::not_found)?;
        parse_id(text).map(|id| Self(T::from(id))).ok_or_else(ApiError::not_found)
    }
}

/// Uuid also reads braces, URNs and bare hex; an id has one spelling.
pub fn parse_id(text: &str) -> Option<Uuid> {
    Some(text).filter(|text| text.len() == 36).and_then(|text| Uuid::try_parse(text).ok())
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, extract::Request, routing::get};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_malformed_id_is_404_and_a_good_one_is_read() {
        let app = Router::new()
            .route("/tasks/{id}", get(|PathId(id): PathId| async move { id.to_string() }))
            .route("/lists/{list}/{position}", get(|Path((_, _)): Path<(Uuid, u32)>| async {}));
        let status = async |path: &str| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            app.clone().oneshot(request).await.unwrap().status().as_u16()
        };
        let id = "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b4a";
        assert_eq!(status(&format!("/tasks/{id}")).await, 200);
        let bare = id.replace('-', "");
        for bad in ["1", "null", "%00", "%ff", "..%2f", &bare, &format!("%7B{id}%7D"), &format!("urn:uuid:{id}")] {
            assert_eq!(status(&format!("/tasks/{bad}")).await, 404, "{bad}");
        }
        assert_eq!(status(&format!("/lists/{id}/3")).await, 200);
        assert_eq!(status(&format!("/lists/{id}/-3")).await, 404);
    }
}
