//! How e-mails, drafts and decisions about threads become again what they were. Of what is sent, of folders and of uploads
//! no fact can be taken back.

use orbit_domain::{
    Fields, Reject,
    emails::{Attachment, Draft, Email, Folder, Submission, Thread, draft, email, folder, thread},
};
use orbit_event_store::{Loaded, Unit};
use orbit_platform::problem::ApiError;
use serde_json::{Value, json};

use super::SCOPE;
use crate::{
    routes::history::set_back::{SetBack, Stopped},
    state::AppState,
};

impl SetBack for Email {
    const SCOPE: &'static str = SCOPE;

    async fn set_back(_: &AppState, unit: &Unit, now: Loaded<Self>, fields: &Fields) -> Result<(), Stopped> {
        let email = now.state.present().ok_or_else(ApiError::not_found)?;
        let marks = email::Marks::from_fields(fields).map_err(ApiError::internal)?;
        let folder_id = marks.place.folder_id;
        if folder_id != email.place.folder_id {
            let folder = unit.load::<Folder>(folder_id.0).await?;
            if folder.is_none_or(|folder| folder.state.present().is_none()) {
                let gone = folder::Rejection::Removed;
                return Err(Stopped::by(gone.code(), "folder_id", gone.to_string(), json!(folder_id), Value::Null));
            }
        }
        unit.decide::<Self>(now.id, email::Command::SetBack(Box::new(marks))).await?;
        Ok(())
    }
}

impl SetBack for Draft {
    const SCOPE: &'static str = SCOPE;

    async fn set_back(_: &AppState, unit: &Unit, now: Loaded<Self>, fields: &Fields) -> Result<(), Stopped> {
        let command = if fields.is_empty() {
            draft::Command::Discard
        } else {
            let earlier = draft::Present::from_fields(fields).map_err(ApiError::internal)?;
            draft::Command::SetBack(Box::new(earlier))
        };
        unit.decide::<Self>(now.id, command).await?;
        Ok(())
    }
}

impl SetBack for Thread {
    const SCOPE: &'static str = SCOPE;

    async fn set_back(_: &AppState, unit: &Unit, now: Loaded<Self>, fields: &Fields) -> Result<(), Stopped> {
        let command = match thread::Present::from_fields(fields).map_err(ApiError::internal)? {
            None => thread::Command::Dissolve,
            Some(earlier) => thread::Command::SetBack(earlier),
        };
        unit.decide::<Self>(now.id, command).await?;
        Ok(())
    }
}

impl SetBack for Submission {
    const SCOPE: &'static str = SCOPE;
}

impl SetBack for Folder {
    const SCOPE: &'static str = SCOPE;
}

impl SetBack for Attachment {
    const SCOPE: &'static str = SCOPE;
}
