//! Where e-mails go: folders by their ids, or by what they are for, among those of the e-mail's own account.

use axum::http::StatusCode;
use orbit_domain::emails::{
    Folder,
    email::Present,
    folder::{self, AT_MOST, USER},
};
use orbit_event_store::Unit;
use orbit_events::{
    ConnectionId, FolderId,
    emails::{Role, Where},
};

use crate::error::{Error, Result, refusal};

/// Where somebody wants an e-mail to be.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// In this folder.
    Folder(FolderId),
    /// In the folder that is for this.
    Role(Role),
}

/// The place that a target is, for this e-mail.
pub async fn of(unit: &Unit, email: &Present, target: Target) -> Result<Where> {
    match target {
        Target::Folder(id) => {
            let folder = find(unit, id).await?.ok_or_else(|| unknown("folder_id", "there is no such folder"))?;
            let own = find(unit, email.place.folder_id).await?;
            if own.is_some_and(|own| own.connection_id != folder.connection_id) {
                let detail = "the folder belongs to another account than the e-mail";
                let pointer = Some("/folder_id".to_owned());
                return Err(refusal(StatusCode::UNPROCESSABLE_ENTITY, "other_account", pointer, detail).into());
            }
            Ok(Where { folder_id: id, role: folder.role })
        }
        // Both are marks of the e-mail: it stays where it is.
        Target::Role(role @ (Role::Trash | Role::Archive)) => Ok(Where { role, ..email.place }),
        Target::Role(role) => {
            let found = of_role(unit, email, role).await?;
            found.ok_or_else(|| unknown("folder", "the account of the e-mail has no such folder"))
        }
    }
}

/// Where an e-mail goes that lies in a folder for this, once it is in there no more.
pub async fn out_of(unit: &Unit, email: &Present, role: Role) -> Result<Option<Where>> {
    if email.place.role == role { of_role(unit, email, Role::Inbox).await } else { Ok(None) }
}

/// The folder of the e-mail's account that is for this; of several, the one furthest up.
async fn of_role(unit: &Unit, email: &Present, role: Role) -> Result<Option<Where>> {
    if email.place.role == role {
        return Ok(Some(email.place));
    }
    let account = find(unit, email.place.folder_id).await?.and_then(|folder| folder.connection_id);
    let mut found: Option<(FolderId, folder::Present)> = None;
    for (id, folder) in of_account(unit, account).await? {
        let order = |folder: &folder::Present| (folder.path.len(), folder.path.clone());
        if folder.role == role && found.as_ref().is_none_or(|(_, known)| order(&folder) < order(known)) {
            found = Some((id, folder));
        }
    }
    Ok(found.map(|(folder_id, _)| Where { folder_id, role }))
}

async fn of_account(unit: &Unit, account: Option<ConnectionId>) -> Result<Vec<(FolderId, folder::Present)>> {
    let limit = i64::try_from(AT_MOST).unwrap_or(i64::MAX);
    let mut folders = vec![];
    for held in unit.scan(USER, unit.context().user_id.0.as_bytes(), limit).await? {
        let id = FolderId(held.stream_id);
        let folder = find(unit, id).await?.filter(|folder| folder.connection_id == account);
        folders.extend(folder.map(|folder| (id, folder)));
    }
    Ok(folders)
}

/// A folder of the user's that is there.
pub async fn find(unit: &Unit, id: FolderId) -> Result<Option<folder::Present>> {
    Ok(unit.load::<Folder>(id.0).await?.and_then(|folder| folder.state.present().cloned()))
}

fn unknown(field: &str, detail: &str) -> Error {
    refusal(StatusCode::UNPROCESSABLE_ENTITY, "unknown_folder", Some(format!("/{field}")), detail).into()
}
