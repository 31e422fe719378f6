//! Bodies: read so that all faulty fields are named at once, each with a JSON pointer.
//!
//! A request type looks like this; nothing in it can fail to deserialize as long as the body is a JSON object.
//!
//! ```
//! use orbit_platform::{http::extract::{Faults, Field, Unknown}, problem::ApiError};
//!
//! #[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
//! struct RenameList {
//!     /// The new name.
//!     #[serde(default)]
//!     #[schema(value_type = String, required, min_length = 1, max_length = 100, example = "Errands")]
//!     name: Field<String>,
//!     /// Its colour; `null` takes it away.
//!     #[serde(default)]
//!     #[schema(value_type = Option<String>, example = "#aabbcc")]
//!     color: Field<String>,
//!     #[serde(flatten)]
//!     #[schema(ignore)]
//!     unknown: Unknown,
//! }
//!
//! struct Rename { name: String, color: Option<Option<String>> }
//!
//! fn command(body: RenameList) -> Result<Rename, ApiError> {
//!     let not_empty = |name: String| {
//!         if name.is_empty() { Err(("empty", "must not be empty".to_owned())) } else { Ok(name) }
//!     };
//!     let mut faults = Faults::new();
//!     faults.unknown(body.unknown);
//!     let name = faults.required("name", body.name, not_empty);
//!     let color = faults.patch("color", body.color, Faults::any);
//!     faults.finish_with(|| Some(Rename { name: name?, color }))
//! }
//!
//! let body = serde_json::from_str(r#"{"name": "", "colour": 1}"#).unwrap();
//! assert_eq!(command(body).err().unwrap().fields().len(), 2);
//! ```

mod body;
mod faults;
mod field;

pub use body::{JsonBody, OptionalJsonBody};
pub use faults::Faults;
pub use field::{Faulty, Field, Unknown};
