//! Mail servers of users, as far as this process speaks with them: to say whether they can be reached.

use std::{io, sync::Arc, time::Duration};

use orbit_adapters::{
    net::{Login, Roots, Security, Server, TIMEOUT},
    probe::{Account, Report, probe},
};
use orbit_events::users::connection::{Kind, Security as Kept, Settings};
use orbit_platform::{
    config::{Environment, MailArgs},
    problem::{ApiError, kinds},
};
use tokio::sync::Semaphore;

/// Tests at the same time: looking up a name takes a thread that password hashes need, too.
const AT_ONCE: usize = 32;

/// Whom connections are made with. Clones share the bound.
#[derive(Clone, Debug)]
pub struct MailServers {
    roots: Roots,
    private_hosts: bool,
    turns: Arc<Semaphore>,
}

impl MailServers {
    /// Whose certificates are trusted, and whether servers may be where the world does not see them.
    pub fn new(roots: Roots, private_hosts: bool) -> Self {
        Self { roots, private_hosts, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Those of the world, by the certificates of the web.
    pub fn public() -> io::Result<Self> {
        Ok(Self::new(Roots::new(None)?, false))
    }

    /// As the settings say; the file of certificates is read.
    pub fn from_args(args: &MailArgs, environment: Environment) -> io::Result<Self> {
        Ok(Self::new(Roots::new(args.mail_ca_file.as_deref())?, args.private_hosts(environment)))
    }

    /// Tries to reach an account, in 20 seconds at most. `from` is the address that messages would be from.
    pub async fn test(&self, kind: Kind, settings: &Settings, from: Option<&str>) -> Result<Report, ApiError> {
        let busy = |_| {
            let detail = "too many connections are being tested; try again";
            ApiError::of(&kinds::UNAVAILABLE, detail).with_retry_after(Duration::from_secs(1))
        };
        let _turn = self.turns.try_acquire().map_err(busy)?;
        let account = if kind == Kind::Smtp { Account::Smtp { from } } else { Account::Imap };
        Ok(probe(account, &self.server(kind, settings)).await)
    }

    fn server(&self, kind: Kind, settings: &Settings) -> Server {
        let login = settings.username.clone().zip(settings.secret.clone());
        Server {
            host: settings.endpoint.clone(),
            port: settings.port(kind),
            security: match settings.security() {
                Kept::Tls => Security::Tls,
                Kept::Starttls => Security::Starttls,
                Kept::Plain => Security::Plain,
            },
            login: login.map(|(username, secret)| Login { username, secret: secret.into() }),
            roots: self.roots.clone(),
            private_hosts: self.private_hosts,
            timeout: TIMEOUT,
        }
    }
}
