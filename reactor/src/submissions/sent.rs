//! The mailbox in which copies of what was sent lie.

use std::time::Duration;

use chrono::{DateTime, Utc};
use orbit_adapters::{
    imap::{Client, Folder},
    net::{Fault, Server},
};
use orbit_events::emails::Role;

use crate::roles::with_roles;

/// Whether a copy is there; looks some times, since it may come later than the answer.
pub(super) async fn look(
    server: &Server,
    message_id: &str,
    inbox_too: bool,
    (looks, pause): (u32, Duration),
) -> Result<bool, Fault> {
    let mut last = Ok(false);
    for _ in 0..looks {
        tokio::time::sleep(pause).await;
        last = look_once(server, message_id, inbox_too).await;
        if let Ok(true) = last {
            break;
        }
    }
    last
}

async fn look_once(server: &Server, message_id: &str, inbox_too: bool) -> Result<bool, Fault> {
    let mut client = Client::connect(server).await?;
    let folders = client.list().await?;
    let inbox = folders.iter().find(|folder| inbox_too && folder.is_inbox());
    let mut found = false;
    for folder in find(&folders).into_iter().chain(inbox) {
        client.select(&folder.path, None).await?;
        found = found || !client.find_message(message_id).await?.is_empty();
    }
    // What was found out is found out.
    let _ = client.logout().await;
    Ok(found)
}

/// Lays a copy there, read, unless one is there already.
pub(super) async fn keep(
    server: &Server,
    message_id: &str,
    sent_at: DateTime<Utc>,
    message: &[u8],
) -> Result<(), Fault> {
    let mut client = Client::connect(server).await?;
    let folders = client.list().await?;
    let path = if let Some(folder) = find(&folders) {
        folder.path.clone()
    } else {
        client.create(b"Sent").await?;
        b"Sent".to_vec()
    };
    client.select(&path, None).await?;
    if client.find_message(message_id).await?.is_empty() {
        client.append(&path, &["\\Seen"], sent_at, message).await?;
    }
    client.logout().await
}

fn find(folders: &[Folder]) -> Option<&Folder> {
    with_roles(folders).into_iter().find_map(|(folder, role)| (role == Role::Sent).then_some(folder))
}
