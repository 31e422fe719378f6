//! What a pair of servers is to be: where, for whom, on which ports, how durable.

use std::path::{Path, PathBuf};

use crate::{
    fault::Fault,
    home::Home,
    process::ProcessId,
    secrets::{NATS_PASSWORD, POSTGRES_PASSWORD, Secrets, random},
};

/// How `PostgreSQL` is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tuning {
    /// `PostgreSQL`'s default durability, memory according to the machine: for data that are to be kept, and for measuring.
    Durable,
    /// No durability at all, little memory: for tests that need neither.
    Scratch,
}

/// Describes a pair of servers. Start with [`Setup::of_home`] or [`Setup::scratch`], then change what is to be different.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Holds `postgres`, `nats` and `ports.json`.
    pub data: PathBuf,
    /// Holds `postgres.log` and `nats.log`.
    pub logs: PathBuf,
    /// The password of user `orbit` in `PostgreSQL`.
    pub postgres_password: String,
    /// The password of user `orbit` in NATS.
    pub nats_password: String,
    /// `PostgreSQL`'s port; `None` for the one used last time, or any that is free.
    pub postgres_port: Option<u16>,
    /// The port of NATS; `None` likewise.
    pub nats_port: Option<u16>,
    /// How durable and how large.
    pub tuning: Tuning,
    /// More settings of `PostgreSQL`, which win over those of `tuning`.
    pub postgres_settings: Vec<(String, String)>,
    /// The servers may outlive this process until that one is gone (see [`Servers::leave`](crate::Servers::leave)).
    pub outlive: Option<ProcessId>,
    /// A directory to remove when the servers have stopped: `data` or one above it. Their end is then abrupt.
    pub remove: Option<PathBuf>,
}

impl Setup {
    /// The servers of `orbit up`.
    pub fn of_home(home: &Home, secrets: &Secrets) -> Result<Self, Fault> {
        let there = |name| secrets.get_or_create(name, || Ok(hex::encode(random::<24>()?)));
        Ok(Self {
            data: home.data_dir(),
            logs: home.logs_dir(),
            postgres_password: there(POSTGRES_PASSWORD)?,
            nats_password: there(NATS_PASSWORD)?,
            postgres_port: None,
            nats_port: None,
            tuning: Tuning::Durable,
            postgres_settings: Vec::new(),
            outlive: None,
            remove: None,
        })
    }

    /// Servers whose data, in the new directory `data`, are removed when they stop.
    pub fn scratch(data: &Path) -> Result<Self, Fault> {
        Ok(Self {
            data: data.to_owned(),
            logs: data.join("logs"),
            postgres_password: hex::encode(random::<24>()?),
            nats_password: hex::encode(random::<24>()?),
            postgres_port: None,
            nats_port: None,
            tuning: Tuning::Scratch,
            postgres_settings: Vec::new(),
            outlive: None,
            remove: Some(data.to_owned()),
        })
    }
}
