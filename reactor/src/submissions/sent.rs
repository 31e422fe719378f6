//! The mailbox in which copies of what was sent lie.

use std::time::Duration;

use chrono::{DateTime, Utc};
use orbit_adapters::{
    imap::{Client, Folder},
    net::{Fault, Server},
};
use orbit_events::emails::Role;

use crate::roles::with_roles;

/// How the folder is called that we make.
const NAME: &[u8] = b"Sent";

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
    let sent = find(&folders);
    let mut found = false;
    for folder in sent.into_iter().chain(inbox) {
        client.select(&folder.path, None).await?;
        found = found || !client.find_message(message_id).await?.is_empty();
    }
    // What was found out is found out.
    let _ = client.logout().await;
    // Where there is no folder, that there is no copy in it says nothing.
    if found || sent.is_some() { Ok(found) } else { Err(Fault::Select("there is none for what was sent".to_owned())) }
}

/// Lays a copy there, read, unless one is there already. Whether it did.
pub(super) async fn keep(
    server: &Server,
    message_id: &str,
    sent_at: DateTime<Utc>,
    message: &[u8],
) -> Result<bool, Fault> {
    let mut client = Client::connect(server).await?;
    let folders = client.list().await?;
    let path = match find(&folders) {
        Some(folder) => folder.path.clone(),
        None => make(&mut client, &folders).await?,
    };
    client.select(&path, None).await?;
    let is_new = client.find_message(message_id).await?.is_empty();
    if is_new {
        client.append(&path, &["\\Seen"], sent_at, message).await?;
    }
    // It is there.
    let _ = client.logout().await;
    Ok(is_new)
}

/// Makes the folder where there is none: some servers want all folders of their users below the inbox.
async fn make(client: &mut Client, folders: &[Folder]) -> Result<Vec<u8>, Fault> {
    let refused = match client.create(NAME).await {
        Ok(()) => return Ok(NAME.to_vec()),
        Err(refused @ Fault::Refused(_)) => refused,
        Err(fault) => return Err(fault),
    };
    let inbox = folders.iter().find(|folder| folder.is_inbox());
    let Some((inbox, delimiter)) = inbox.and_then(|inbox| Some((inbox, inbox.delimiter.as_deref()?))) else {
        return Err(refused);
    };
    let below = [&inbox.path, delimiter.as_bytes(), NAME].concat();
    // What is said of the usual place tells more.
    client.create(&below).await.map_err(|_| refused)?;
    Ok(below)
}

fn find(folders: &[Folder]) -> Option<&Folder> {
    with_roles(folders).into_iter().find_map(|(folder, role)| (role == Role::Sent).then_some(folder))
}
