//! Folders of Orbit's own. Those of accounts elsewhere come with them; removing one is not offered, since whether it is
//! empty is a question to every e-mail there is.

use axum::{http::StatusCode, response::Response};
use orbit_domain::emails::{
    Folder, FolderName, ROLES,
    folder::{AT_MOST, Command, USER},
};
use orbit_event_store::Unit;
use orbit_events::{
    UserId,
    emails::{Role, folder::Observed},
};
use orbit_platform::{
    http::{
        extract::{Faults, Field, JsonBody, Unknown},
        openapi::parsed,
    },
    ids,
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{SCOPE, views::WrittenFolder};
use crate::{
    error::{Result, refusal},
    routes::read::{Refusal, text},
    state::AppState,
    write::{Reply, Write},
};

/// Scope of the keyed hash that gives folders their ids: an import that meets a folder of this name means this one.
const IDS: &str = "folders.id";

/// A new folder.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"name": "Travel"}"#)))]
pub struct CreateFolder {
    /// One line of 1 to 255 characters. What stands before a `/` is the folder that it lies in.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 255, example = "Travel")]
    name: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// Make a folder
///
/// One of Orbit's own, for e-mails that lie in no account elsewhere.
#[utoipa::path(post, path = "/api/v1/emails/folders", tag = "emails", operation_id = "create_folder",
    request_body = CreateFolder, responses((status = 201, description = "The folder", body = WrittenFolder)))]
#[tracing::instrument(name = "command.folders.create", skip_all)]
pub async fn create(write: Write, body: JsonBody<CreateFolder>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    faults.unknown(body.value.unknown);
    let name = faults.required("name", body.value.name, |name| name_of_its_own(&name));
    let path = &String::from(faults.finish_with(|| name)?);
    let app = write.app();
    let decide = |unit: Unit| async move {
        let user = unit.context().user_id;
        let id = id_of(app, user, path);
        if unit.load::<Folder>(id).await?.is_some_and(|folder| folder.state.present().is_some()) {
            let pointer = Some("/name".to_owned());
            let detail = "another folder has this name";
            return Err(refusal(StatusCode::CONFLICT, "folder_name_taken", pointer, detail).into());
        }
        let limit = i64::try_from(AT_MOST).unwrap_or(i64::MAX);
        if unit.scan(USER, user.0.as_bytes(), limit).await?.len() >= AT_MOST {
            let detail = format!("a user has at most {AT_MOST} folders");
            return Err(refusal(StatusCode::CONFLICT, "too_many_folders", None, detail).into());
        }
        let folder = unit.decide::<Folder>(id, Command::Observe(observed(path))).await?;
        let folder = WrittenFolder::try_from(folder)?;
        Ok(Reply::created(&folder, format!("/api/v1/emails/folders/{id}"))?.version(folder.version))
    };
    write.run(&body.bytes, decide).await
}

/// A name that none of the folders has which everybody has.
fn name_of_its_own(name: &str) -> Result<FolderName, Refusal> {
    let name = text(FolderName::parse)(name.to_owned())?;
    if name.as_str().split('/').any(|part| part.trim().is_empty()) {
        return Err(("empty", "must have a name on both sides of each /".to_owned()));
    }
    if ROLES.iter().any(|(role, _)| name.as_str().eq_ignore_ascii_case(role)) {
        return Err(("reserved_name", "is the name of a folder that everybody has".to_owned()));
    }
    Ok(name)
}

/// A folder of Orbit's own has the same id wherever and however often it is met, and nobody else's has it.
fn id_of(app: &AppState, user: UserId, path: &str) -> Uuid {
    let what = [user.0.as_bytes(), Uuid::nil().as_bytes(), path.as_bytes()].concat();
    ids::derived(0, &app.store.vault().hash(IDS, &what))
}

fn observed(path: &str) -> Observed {
    let name = path.rsplit('/').next().unwrap_or(path).to_owned();
    Observed { connection_id: None, path: path.to_owned(), name, role: Role::Other, delimiter: Some("/".to_owned()) }
}
