//! Whom the doctor looks at: the servers that the settings name, or those of a running `orbit up`.

use anyhow::bail;
use orbit_adapters::blobs::Location;
use orbit_platform::config::{BlobArgs, DatabaseArgs, NatsArgs, Secret};
use orbit_runtime::{Fault, Home};

use crate::place::{addresses, blobs_in};

/// What is looked at.
#[derive(Debug)]
pub struct Patient {
    /// The database.
    pub database: DatabaseArgs,
    /// The broker.
    pub nats: NatsArgs,
    /// Where messages and files are; `None` if nobody says where.
    pub blobs: Option<Location>,
    /// Whose servers they are, in words.
    pub runtime: Result<String, String>,
}

impl Patient {
    /// Both addresses from the settings, or both from the home.
    pub fn find(home: &Home, mut database: DatabaseArgs, mut nats: NatsArgs, blobs: &BlobArgs) -> anyhow::Result<Self> {
        let named = Location::from_args(blobs)?;
        match (database.database_url.is_empty(), nats.nats_url.is_empty()) {
            (false, false) => {
                let runtime = Ok("not used: DATABASE_URL and NATS_URL name the servers".to_owned());
                return Ok(Self { database, nats, blobs: named, runtime });
            }
            (true, true) => {}
            _ => bail!("set DATABASE_URL and NATS_URL, or neither to look at the servers of `orbit up`"),
        }
        let addresses = addresses(home)?;
        database.database_url = Secret::new(addresses.database_url);
        nats.nats_url = Secret::new(addresses.nats_url);
        let blobs = named.or_else(|| Some(Location::Directory(blobs_in(home, blobs).into())));
        Ok(Self { database, nats, blobs, runtime: runtime(home) })
    }
}

/// Whether `orbit up` runs on this home, and where its programs are.
fn runtime(home: &Home) -> Result<String, String> {
    let programs = home.runtime_dir();
    if !programs.join("installed.txt").exists() {
        return Err(format!("PostgreSQL and NATS are not installed in {}: start `orbit up`", programs.display()));
    }
    match home.lock() {
        Err(Fault::InUse { pid, .. }) => Ok(format!("installed in {}; process {pid} runs it", programs.display())),
        Err(fault) => Err(fault.to_string()),
        Ok(_) => Err("installed, but nobody runs it: start `orbit up`".to_owned()),
    }
}
