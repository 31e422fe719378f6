//! Whether messages and files can be stored: one is, is read again, and is deleted.

use bytes::Bytes;
use futures_util::stream;
use orbit_adapters::blobs::{Blobs, Key, Location};
use orbit_platform::{ids, random};

use crate::failure::sentence;

/// What is stored for the moment.
const PROBE: &[u8] = b"orbit doctor was here";

/// Looks, and says what it saw.
pub async fn look(location: Option<&Location>) -> Result<String, String> {
    let Some(location) = location else {
        return Ok("not set up: e-mail needs ORBIT_BLOBS, the directory of messages and files".to_owned());
    };
    let Location::Directory(path) = location;
    let probed = probe(location).await;
    probed.map(|()| format!("{} can be written and read", path.display())).map_err(|error| {
        format!("{}: {}; correct ORBIT_BLOBS, or who may write there", path.display(), sentence(&error))
    })
}

async fn probe(location: &Location) -> anyhow::Result<()> {
    let blobs = Blobs::open(location)?;
    // Nobody's: it must not lie among those of a user.
    let (owner, key) = (ids::new_event_id(), Key { number: 0, bytes: random::bytes::<32>().into() });
    let content = stream::once(async { Ok(Bytes::from_static(PROBE)) });
    let place = blobs.put(owner, &key, content, PROBE.len() as u64).await?;
    let read = blobs.read(owner, &key, &place, 0..place.length).await;
    blobs.forget(owner).await?;
    anyhow::ensure!(read? == PROBE, "what was read is not what was written");
    Ok(())
}
