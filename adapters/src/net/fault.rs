//! What can go wrong between us and a mail server.

use std::io;

/// Most characters of what a server said that are passed on.
const SAID: usize = 300;

/// A mail server could not be reached, or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Nobody knows its name, or nobody could be asked.
    #[error("the name of the server could not be looked up")]
    Dns(#[source] io::Error),
    /// The name has no address.
    #[error("the name of the server has no address")]
    NoAddress,
    /// All its addresses are in a network that only this machine sees.
    #[error("the server is in a private network")]
    PrivateHost,
    /// No connection.
    #[error("no connection could be made")]
    Tcp(#[source] io::Error),
    /// No TLS: a certificate that is not good, or no common version.
    #[error("TLS could not be agreed on")]
    Tls(#[source] io::Error),
    /// The server offers no STARTTLS, which was asked for.
    #[error("the server offers no STARTTLS")]
    NoStarttls,
    /// It does not know the user, or not by this password.
    #[error("the server refused the login: {0}")]
    Login(String),
    /// It has no such folder, or does not open it.
    #[error("the server did not open the folder: {0}")]
    Select(String),
    /// It said no to something else.
    #[error("the server refused: {0}")]
    Refused(String),
    /// It said something that is not of its protocol.
    #[error("the server does not keep to the protocol: {0}")]
    Protocol(&'static str),
    /// It sends more than is taken from anybody.
    #[error("the server sends more than is taken: {0}")]
    TooLarge(&'static str),
    /// It closed the connection, or the connection broke.
    #[error("the server closed the connection")]
    Closed,
    /// It said nothing for too long.
    #[error("the server did not answer in time")]
    Timeout,
}

impl Fault {
    /// A stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Dns(_) | Self::NoAddress => "dns",
            Self::PrivateHost => "private_host_refused",
            Self::Tcp(_) => "tcp",
            Self::Tls(_) | Self::NoStarttls => "tls",
            Self::Login(_) => "login",
            Self::Select(_) => "select",
            Self::Refused(_) => "refused",
            Self::Protocol(_) | Self::TooLarge(_) => "protocol",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
        }
    }

    /// What a connection that broke means.
    pub(crate) fn broken(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::Timeout,
            _ => Self::Closed,
        }
    }
}

/// What a server said, fit to be shown: one line of characters that print, and not too many.
pub(crate) fn said(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SAID);
    clean.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_said_is_one_line_that_prints() {
        assert_eq!(said(b" no\r\n\x1b[31mway\xff "), "no   [31mway\u{fffd}");
        assert_eq!(said(&[b'x'; 5_000]).chars().count(), SAID);
    }
}
