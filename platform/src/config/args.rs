//! Groups of settings that several processes share. Flatten the ones a process needs into its own `clap` struct.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, where backticks are noise")]

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::{Args, ValueEnum};
use uuid::Uuid;

use super::{Environment, Fault, MasterKey, Rate, Secret, secrets};

/// Where the process runs.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Environment")]
pub struct EnvironmentArgs {
    /// Where this runs: production refuses secrets that were generated for development
    #[arg(long = "environment", env = "ORBIT_ENV", value_enum, default_value = "development")]
    pub environment: Environment,
}

/// The database.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "PostgreSQL")]
pub struct DatabaseArgs {
    /// The PostgreSQL database, such as postgres://orbit:password@localhost:5432/orbit
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, default_value = "", hide_default_value = true)]
    pub database_url: Secret,
    /// The most connections that this process opens to the database
    #[arg(long, env = "ORBIT_DATABASE_CONNECTIONS", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub database_connections: u32,
    /// How long a request waits for a free connection, in milliseconds
    #[arg(long, env = "ORBIT_DATABASE_ACQUIRE_TIMEOUT_MS", default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub database_acquire_timeout_ms: u64,
}

/// The broker.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "NATS")]
pub struct NatsArgs {
    /// The NATS server with JetStream, such as nats://localhost:4222; several are separated by commas
    #[arg(long, env = "NATS_URL", hide_env_values = true, default_value = "", hide_default_value = true)]
    pub nats_url: Secret,
    /// What every subject and stream begins with: deployments with different prefixes share a server
    #[arg(long, env = "ORBIT_NATS_PREFIX", default_value = "orbit", value_parser = subject_token)]
    pub nats_prefix: String,
}

/// The HTTP server.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "HTTP")]
pub struct HttpArgs {
    /// The address to listen on; 0.0.0.0 is every one
    #[arg(long, env = "ORBIT_BIND", default_value = "127.0.0.1")]
    pub bind: IpAddr,
    /// The port to listen on; 0 takes a free one
    #[arg(long, env = "ORBIT_PORT", default_value_t = 8000)]
    pub port: u16,
    /// After how many seconds a request that has no answer yet is answered 503
    #[arg(long, env = "ORBIT_REQUEST_TIMEOUT_S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub request_timeout_s: u64,
    /// The same for requests whose body may take long to arrive: files and mailboxes
    #[arg(long, env = "ORBIT_UPLOAD_TIMEOUT_S", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub upload_timeout_s: u64,
    /// The largest request body in bytes, where a route has no limit of its own
    #[arg(long, env = "ORBIT_BODY_LIMIT", default_value_t = 1024 * 1024)]
    pub body_limit: usize,
    /// The web origins that browsers may call from, separated by commas; * is every one
    #[arg(long, env = "ORBIT_CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<String>,
    /// How many reverse proxies stand before this process: that many entries of X-Forwarded-For are believed
    #[arg(long, env = "ORBIT_TRUSTED_PROXIES", default_value_t = 0)]
    pub trusted_proxies: usize,
    /// How often one user may call, over all routes: 600/min, 10/s, 1000/h or off
    #[arg(long, env = "ORBIT_RATE_USER", default_value = "600/min")]
    pub rate_user: Rate,
    /// How often one address may register or log in
    #[arg(long, env = "ORBIT_RATE_LOGIN", default_value = "10/min")]
    pub rate_login: Rate,
    /// How often one address may exchange refresh tokens; many users may share an address
    #[arg(long, env = "ORBIT_RATE_REFRESH", default_value = "60/min")]
    pub rate_refresh: Rate,
    /// How often one user may search
    #[arg(long, env = "ORBIT_RATE_SEARCH", default_value = "120/min")]
    pub rate_search: Rate,
    /// How often one user may bring a file or a mailbox
    #[arg(long, env = "ORBIT_RATE_UPLOAD", default_value = "60/h")]
    pub rate_upload: Rate,
    /// How often one user may test a connection to a mail server
    #[arg(long, env = "ORBIT_RATE_CONNECTION_TEST", default_value = "10/min")]
    pub rate_connection_test: Rate,
}

impl HttpArgs {
    /// Where to listen.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }

    /// How long a request may take.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_s)
    }

    /// How long a request may take whose body is a file.
    pub fn upload_timeout(&self) -> Duration {
        Duration::from_secs(self.upload_timeout_s)
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For eyes.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}

/// Logs and traces.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Telemetry")]
pub struct TelemetryArgs {
    /// What is logged, as in info,orbit_event_store=debug
    #[arg(long = "log", env = "ORBIT_LOG", default_value = "info")]
    pub log: String,
    /// How log lines look
    #[arg(long, env = "ORBIT_LOG_FORMAT", value_enum, default_value = "human")]
    pub log_format: LogFormat,
    /// Where traces go, such as http://localhost:4318 (OTLP over HTTP); nowhere when not set
    #[arg(long = "otlp-endpoint", env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

/// Access tokens.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Tokens")]
pub struct AuthArgs {
    /// The Ed25519 key that signs access tokens: PKCS#8 in PEM, as openssl genpkey -algorithm ed25519 writes it
    #[arg(long, env = "ORBIT_SIGNING_KEY", hide_env_values = true)]
    pub signing_key: Option<Secret>,
    /// The file that holds the signing key, in place of ORBIT_SIGNING_KEY
    #[arg(long, env = "ORBIT_SIGNING_KEY_FILE")]
    pub signing_key_file: Option<PathBuf>,
    /// Public keys (PEM, one after the other) that are accepted beside the signing key: while a key is replaced, or
    /// instead of it in a process that only verifies
    #[arg(long, env = "ORBIT_VERIFICATION_KEYS")]
    pub verification_keys: Option<String>,
    /// Who issues tokens: the iss in them
    #[arg(long, env = "ORBIT_TOKEN_ISSUER", default_value = "orbit")]
    pub token_issuer: String,
    /// Whom tokens are for: the aud in them
    #[arg(long, env = "ORBIT_TOKEN_AUDIENCE", default_value = "orbit-api")]
    pub token_audience: String,
    /// How long an access token lives, in seconds
    #[arg(long, env = "ORBIT_ACCESS_TOKEN_TTL_S", default_value_t = 15 * 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub access_token_ttl_s: u32,
    /// How long a refresh token lives, in seconds
    #[arg(long, env = "ORBIT_REFRESH_TOKEN_TTL_S", default_value_t = 30 * 24 * 60 * 60, value_parser = clap::value_parser!(u32).range(60..))]
    pub refresh_token_ttl_s: u32,
    /// The users who may administer, by their ids, separated by commas; when not set, everybody in development and nobody
    /// in production
    #[arg(long, env = "ORBIT_ADMINS", value_delimiter = ',')]
    pub admins: Vec<Uuid>,
}

impl AuthArgs {
    /// The signing key's PEM. Production refuses a generated one.
    pub fn signing_key(&self, environment: Environment) -> Result<Secret, Fault> {
        self.find_signing_key(environment)?.ok_or(Fault::Missing {
            setting: "ORBIT_SIGNING_KEY",
            what: "write an Ed25519 key there or name its file in ORBIT_SIGNING_KEY_FILE (openssl genpkey -algorithm ed25519)",
        })
    }

    /// The signing key's PEM, if there is one: a process that only verifies can do with public keys.
    pub fn find_signing_key(&self, environment: Environment) -> Result<Option<Secret>, Fault> {
        let file = self.signing_key_file.as_deref();
        let key = secrets::read("ORBIT_SIGNING_KEY", "ORBIT_SIGNING_KEY_FILE", self.signing_key.as_ref(), file)?;
        secrets::refuse_generated(environment, "ORBIT_SIGNING_KEY", key.as_ref(), file)?;
        Ok(key)
    }
}

/// Messages and files.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Blobs")]
pub struct BlobArgs {
    /// Where messages and files are stored: a directory, which all processes share; orbit up takes data/blobs in the home
    /// when not set
    #[arg(long, env = "ORBIT_BLOBS")]
    pub blobs: Option<String>,
}

/// E-mail.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Mail")]
pub struct MailArgs {
    /// For how many seconds a message that is to be sent can still be taken back
    #[arg(long, env = "ORBIT_SEND_HOLD_S", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=600))]
    pub send_hold_s: u16,
    /// The largest mailbox that can be uploaded, in bytes
    #[arg(long, env = "ORBIT_IMPORT_LIMIT_BYTES", default_value_t = 4 * 1024 * 1024 * 1024)]
    pub import_limit_bytes: u64,
    /// How often mailboxes elsewhere are compared with what is here, in seconds; most servers tell at once what comes into an inbox
    #[arg(long, env = "ORBIT_MAIL_POLL_S", default_value_t = 300, value_parser = clap::value_parser!(u32).range(10..=86_400))]
    pub mail_poll_s: u32,
    /// Whether mail servers of users may be in a private network, or on this machine [default: true in development, else false]
    #[arg(long, env = "ORBIT_MAIL_PRIVATE_HOSTS")]
    pub mail_private_hosts: Option<bool>,
    /// A file of PEM certificates that mail servers are trusted by, besides those of the web
    #[arg(long, env = "ORBIT_MAIL_CA_FILE")]
    pub mail_ca_file: Option<PathBuf>,
}

impl MailArgs {
    /// How long a message is held before it is sent.
    pub fn send_hold(&self) -> chrono::TimeDelta {
        chrono::TimeDelta::seconds(self.send_hold_s.into())
    }

    /// How often mailboxes elsewhere are compared.
    pub fn poll(&self) -> Duration {
        Duration::from_secs(self.mail_poll_s.into())
    }

    /// Whether mail servers may be where the world does not see them: what answers there answers to whoever is inside.
    pub fn private_hosts(&self, environment: Environment) -> bool {
        self.mail_private_hosts.unwrap_or(environment == Environment::Development)
    }
}

/// To be forgotten.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Erasure")]
pub struct ErasureArgs {
    /// How many days somebody who asked to be erased may change their mind
    #[arg(long, env = "ORBIT_ERASURE_GRACE_DAYS", default_value_t = 7, value_parser = clap::value_parser!(u16).range(0..=365))]
    pub erasure_grace_days: u16,
}

impl ErasureArgs {
    /// The time of grace.
    pub fn grace(&self) -> chrono::TimeDelta {
        chrono::TimeDelta::days(self.erasure_grace_days.into())
    }
}

/// The key over the keys.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Sealing")]
pub struct KeysArgs {
    /// The key that wraps each user's data key: base64 of 32 bytes, as openssl rand -base64 32 writes it
    #[arg(long, env = "ORBIT_MASTER_KEY", hide_env_values = true)]
    pub master_key: Option<Secret>,
    /// The file that holds the master key, in place of ORBIT_MASTER_KEY
    #[arg(long, env = "ORBIT_MASTER_KEY_FILE")]
    pub master_key_file: Option<PathBuf>,
    /// Another master key that is accepted beside it, while keys are rotated from one to the other
    #[arg(long, env = "ORBIT_MASTER_KEY_PREVIOUS", hide_env_values = true)]
    pub master_key_previous: Option<Secret>,
    /// The file that holds it, in place of ORBIT_MASTER_KEY_PREVIOUS; a file that is not there counts as none
    #[arg(long, env = "ORBIT_MASTER_KEY_PREVIOUS_FILE")]
    pub master_key_previous_file: Option<PathBuf>,
}

impl KeysArgs {
    /// The master key that is accepted beside the other, if there is one. Production refuses a generated one.
    pub fn previous_master_key(&self, environment: Environment) -> Result<Option<MasterKey>, Fault> {
        const SETTING: &str = "ORBIT_MASTER_KEY_PREVIOUS";
        let file = self.master_key_previous_file.as_deref().filter(|file| file.exists());
        let value = self.master_key_previous.as_ref();
        let Some(text) = secrets::read(SETTING, "ORBIT_MASTER_KEY_PREVIOUS_FILE", value, file)? else {
            return Ok(None);
        };
        secrets::refuse_generated(environment, SETTING, Some(&text), file)?;
        let key = MasterKey::parse(text.expose());
        key.map(Some).ok_or(Fault::Malformed { setting: SETTING, expected: "base64 of 32 bytes" })
    }

    /// The master key. Production refuses a generated one.
    pub fn master_key(&self, environment: Environment) -> Result<MasterKey, Fault> {
        let file = self.master_key_file.as_deref();
        let text = secrets::read("ORBIT_MASTER_KEY", "ORBIT_MASTER_KEY_FILE", self.master_key.as_ref(), file)?;
        let text = text.ok_or(Fault::Missing {
            setting: "ORBIT_MASTER_KEY",
            what: "write base64 of 32 bytes there or name its file in ORBIT_MASTER_KEY_FILE (openssl rand -base64 32)",
        })?;
        secrets::refuse_generated(environment, "ORBIT_MASTER_KEY", Some(&text), file)?;
        let expected = "base64 of 32 bytes (openssl rand -base64 32)";
        MasterKey::parse(text.expose()).ok_or(Fault::Malformed { setting: "ORBIT_MASTER_KEY", expected })
    }
}

/// The key under the log's checkpoints.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Proof")]
pub struct ProofArgs {
    /// The Ed25519 key that signs checkpoints of the log: PKCS#8 in PEM, as openssl genpkey -algorithm ed25519 writes it
    #[arg(long, env = "ORBIT_PROOF_KEY", hide_env_values = true)]
    pub proof_key: Option<Secret>,
    /// The file that holds the key of the checkpoints, in place of ORBIT_PROOF_KEY
    #[arg(long, env = "ORBIT_PROOF_KEY_FILE")]
    pub proof_key_file: Option<PathBuf>,
}

impl ProofArgs {
    /// The key's PEM. Production refuses a generated one.
    pub fn proof_key(&self, environment: Environment) -> Result<Secret, Fault> {
        self.find_proof_key(environment)?.ok_or(Fault::Missing {
            setting: "ORBIT_PROOF_KEY",
            what: "write an Ed25519 key there or name its file in ORBIT_PROOF_KEY_FILE (openssl genpkey -algorithm ed25519)",
        })
    }

    /// The key's PEM, if there is one: whoever only verifies can do with the public key.
    pub fn find_proof_key(&self, environment: Environment) -> Result<Option<Secret>, Fault> {
        let file = self.proof_key_file.as_deref();
        let key = secrets::read("ORBIT_PROOF_KEY", "ORBIT_PROOF_KEY_FILE", self.proof_key.as_ref(), file)?;
        secrets::refuse_generated(environment, "ORBIT_PROOF_KEY", key.as_ref(), file)?;
        Ok(key)
    }
}

/// NATS gives ., *, > and spaces a meaning in subjects, and stream names allow no more.
fn subject_token(text: &str) -> Result<String, String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !text.is_empty() && text.len() <= 64 && text.chars().all(fine) {
        return Ok(text.to_owned());
    }
    Err("1 to 64 letters, digits, - and _ are expected".to_owned())
}
