//! The way to a mail server: its name looked up, its address checked, a connection, and TLS over it.

mod address;
mod fault;
mod roots;
mod wire;

use std::{fmt, net::SocketAddr, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;

pub use fault::Fault;
pub(crate) use fault::said;
pub use roots::Roots;
pub(crate) use wire::Wire;

/// How long a server may say nothing.
pub const TIMEOUT: Duration = Duration::from_mins(1);
/// How long one address may take to be connected with.
const DIAL: Duration = Duration::from_secs(15);
/// Addresses that are tried.
const ADDRESSES: usize = 6;

/// How the way to a server is kept from the eyes of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte.
    Tls,
    /// In the clear until both agree on TLS, and nothing goes on without.
    Starttls,
    /// Not at all.
    Plain,
}

/// Who logs in.
#[derive(Clone)]
pub struct Login {
    /// As whom.
    pub username: String,
    /// The password or token.
    pub secret: SecretString,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(…)")
    }
}

impl Login {
    /// What a server said, unless it repeats what nobody else may know.
    pub(crate) fn keep_out_of(&self, said: String) -> String {
        let secret = self.secret.expose_secret();
        let plain = STANDARD.encode(format!("\0{}\0{secret}", self.username));
        let forms = [secret.to_owned(), STANDARD.encode(secret), plain];
        let tells = !secret.is_empty() && forms.iter().any(|form| said.contains(form));
        if tells { "it gave no reason that can be shown".to_owned() } else { said }
    }
}

/// A mail server and who we are there.
#[derive(Debug, Clone)]
pub struct Server {
    /// A host name or an address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the way is kept.
    pub security: Security,
    /// Who logs in; an SMTP server may want nobody to.
    pub login: Option<Login>,
    /// Whose certificates are trusted.
    pub roots: Roots,
    /// Whether it may be in a network that the world does not see.
    pub private_hosts: bool,
    /// How long it may say nothing: [`TIMEOUT`].
    pub timeout: Duration,
}

/// The addresses of a server that may be connected with.
///
/// A name is looked up once and what is found is connected with, so that it cannot mean another host a moment later.
pub(crate) async fn resolve(server: &Server) -> Result<Vec<SocketAddr>, Fault> {
    let found = tokio::time::timeout(server.timeout, tokio::net::lookup_host((server.host.as_str(), server.port)));
    let found: Vec<_> = found.await.map_err(|_| Fault::Timeout)?.map_err(Fault::Dns)?.collect();
    if found.is_empty() {
        return Err(Fault::NoAddress);
    }
    let allowed = found.into_iter().filter(|at| server.private_hosts || address::is_public(at.ip()));
    let allowed: Vec<_> = allowed.take(ADDRESSES).collect();
    if allowed.is_empty() { Err(Fault::PrivateHost) } else { Ok(allowed) }
}

/// A connection with a server, through TLS where that comes first.
pub(crate) async fn connect(server: &Server) -> Result<Wire, Fault> {
    let addresses = resolve(server).await?;
    let mut wire = dial(server, &addresses, DIAL.min(server.timeout)).await?;
    if server.security == Security::Tls {
        wire.secure(server).await?;
    }
    Ok(wire)
}

/// A connection with the first address that takes it; each may take so long.
pub(crate) async fn dial(server: &Server, addresses: &[SocketAddr], patience: Duration) -> Result<Wire, Fault> {
    let mut last = Fault::NoAddress;
    for address in addresses {
        match tokio::time::timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Commands are small and answered one by one: none should wait for company.
                stream.set_nodelay(true).map_err(Fault::Tcp)?;
                return Ok(Wire::new(Box::new(stream), server.timeout));
            }
            Ok(Err(error)) => last = Fault::Tcp(error),
            Err(_) => last = Fault::Timeout,
        }
    }
    Err(last)
}
