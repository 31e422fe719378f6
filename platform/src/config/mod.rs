//! Settings: groups of arguments that processes flatten into their own, secrets, and the pages made of them.
//!
//! A setting is one field of a `clap::Args` struct: its doc comment is the help and the comment in `.env.example`, its
//! default is written beside it, its variable too. [`env_example`] and [`effective`] are made from nothing else.

mod args;
mod rate;
mod render;
mod secrets;

use std::path::PathBuf;

pub use args::{
    AuthArgs, BlobArgs, DatabaseArgs, EnvironmentArgs, ErasureArgs, HttpArgs, KeysArgs, LogFormat, MailArgs, NatsArgs,
    ProofArgs, TelemetryArgs,
};
pub use rate::Rate;
pub use render::{effective, env_example, redact_url};
pub use secrets::{GENERATED_MARKER, MasterKey, Secret, generate_master_key, generate_signing_key};

/// Where a process runs, as far as it should be careful.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Environment {
    /// On somebody's desk: generated secrets are fine.
    #[default]
    Development,
    /// For real users: generated secrets are refused.
    Production,
}

/// What is wrong with a setting. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A setting that this process cannot do without.
    #[error("{setting} is not set: {what}")]
    Missing {
        /// The variable.
        setting: &'static str,
        /// What it should hold.
        what: &'static str,
    },
    /// The file that a setting names cannot be read.
    #[error("{setting} names {}, which cannot be read: check that it exists and who may read it", path.display())]
    Unreadable {
        /// The variable.
        setting: &'static str,
        /// The file it names.
        path: PathBuf,
        /// Why it cannot be read.
        #[source]
        source: std::io::Error,
    },
    /// The value is not what is expected.
    #[error("{setting} is not {expected}")]
    Malformed {
        /// The variable.
        setting: &'static str,
        /// What is expected.
        expected: &'static str,
    },
    /// A secret that `orbit up` made for a desk was taken to production.
    #[error("{setting} holds a secret that was generated for development: give production one of its own")]
    Generated {
        /// The variable.
        setting: &'static str,
    },
}
