//! Messages and files of a backup: what is missing is copied to where Orbit looks for them.

use std::collections::HashSet;

use anyhow::Context;
use orbit_platform::config::BlobArgs;
use orbit_runtime::Home;
use uuid::Uuid;

use super::source::Source;
use crate::place;

/// Copies in what is missing, but for those who were forgotten; says how many packs that were.
pub async fn bring(home: &Home, args: &BlobArgs, source: &Source, forgotten: &[Uuid]) -> anyhow::Result<u64> {
    let packs = source.packs()?;
    if packs.is_empty() {
        return Ok(0);
    }
    let blobs = place::blobs(home, args)?;
    let forgotten: HashSet<Uuid> = forgotten.iter().copied().collect();
    let mut missing = 0;
    for (pack, path) in packs.iter().filter(|(pack, _)| !forgotten.contains(&pack.owner)) {
        let brought = blobs.copy_in(pack.owner, pack.id, path).await;
        missing += u64::from(brought.context("cannot copy messages and files to where they belong")?);
    }
    Ok(missing)
}

/// Deletes what these users had stored.
pub async fn forget(home: &Home, args: &BlobArgs, users: &[Uuid]) -> anyhow::Result<()> {
    let Some(blobs) = place::blobs_there(home, args)? else { return Ok(()) };
    for user in users {
        blobs
            .forget(*user)
            .await
            .context("the database is restored, but forgotten users' messages were not deleted")?;
    }
    Ok(())
}
