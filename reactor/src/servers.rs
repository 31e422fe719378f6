//! Mail servers as connections say them.

use std::{io, time::Duration};

use orbit_adapters::net::{Login, Roots, Security, Server, TIMEOUT};
use orbit_domain::users::connection::Present;
use orbit_events::users::connection::Security as Kept;
use orbit_platform::config::{Environment, MailArgs};

/// What holds for all mail servers.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Whose certificates are trusted.
    pub roots: Roots,
    /// Whether they may be in a network that the world does not see.
    pub private_hosts: bool,
    /// How often all of a mailbox elsewhere is compared; what happens in its inbox is told by most servers at once.
    pub poll: Duration,
}

impl Mail {
    /// As the settings say; the file of certificates is read.
    pub fn from_args(args: &MailArgs, environment: Environment) -> io::Result<Self> {
        let roots = Roots::new(args.mail_ca_file.as_deref())?;
        Ok(Self { roots, private_hosts: args.private_hosts(environment), poll: args.poll() })
    }
}

/// The server at the other end of a connection, at its usual port if none is said.
pub(crate) fn server(connection: &Present, roots: &Roots, private_hosts: bool) -> Server {
    let settings = &connection.settings;
    let security = match settings.security() {
        Kept::Tls => Security::Tls,
        Kept::Starttls => Security::Starttls,
        Kept::Plain => Security::Plain,
    };
    let login = settings.username.clone().zip(settings.secret.clone());
    Server {
        host: settings.endpoint.clone(),
        port: settings.port(connection.kind),
        security,
        login: login.map(|(username, secret)| Login { username, secret: secret.into() }),
        roots: roots.clone(),
        private_hosts,
        timeout: TIMEOUT,
    }
}
