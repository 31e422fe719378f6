//! What is told of a step: what is well, what is wrong and what to do about it, for somebody who has never seen a
//! protocol. No sentence holds a secret, whatever the server says.

use std::io;

use tokio_rustls::rustls::{CertificateError, Error as TlsError};

use super::{Account, Stage};
use crate::net::{Fault, Security, Server};

/// What is wrong where nobody knows whom messages would be from.
pub(super) const NO_SENDER: &str = "the account does not say which address it sends from: set its `address`";

/// Who is spoken of.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    pub account: Account<'a>,
    pub server: &'a Server,
}

impl Words<'_> {
    /// What went well.
    pub fn well(&self, stage: Stage) -> String {
        let Server { host, port, .. } = self.server;
        match (stage, self.account) {
            (Stage::Dns, _) => format!("the name {host} is known"),
            (Stage::Tcp, _) => format!("the server takes connections at port {port}"),
            (Stage::Tls, _) => format!("the connection is encrypted, and the certificate is good for {host}"),
            (Stage::Login, _) => "the user name and the password are right".to_owned(),
            (Stage::Select, _) => "the inbox opens".to_owned(),
            (Stage::Smtp, Account::Smtp { from: Some(from) }) => format!("the server takes mail from {from}"),
            (Stage::Smtp, Account::Smtp { from: None } | Account::Imap) => "the server speaks SMTP".to_owned(),
        }
    }

    /// Why a step was not tried.
    pub fn skipped(&self, stage: Stage, failed: bool) -> String {
        let why = if stage == Stage::Tls && self.server.security == Security::Plain {
            "not asked for: with `security` `plain` others on the way can read the password and all mail"
        } else if failed {
            "not tried, since a step before it failed"
        } else {
            "not asked for: no user name and password are given"
        };
        why.to_owned()
    }

    /// The code of what is wrong, and what to do about it.
    pub fn wrong(&self, stage: Stage, fault: &Fault) -> (&'static str, String) {
        let (Server { host, port, login, .. }, Spoken { protocol, usual }) = (self.server, self.spoken());
        match fault {
            Fault::Dns(_) | Fault::NoAddress => (
                "name_not_found",
                format!("the name {host} could not be found: check how it is spelled, or try again later"),
            ),
            Fault::PrivateHost => (
                "private_host_refused",
                format!(
                    "{host} is on this machine or in a private network, and mail servers there are not connected with; \
                     whoever runs Orbit can allow it (ORBIT_MAIL_PRIVATE_HOSTS)"
                ),
            ),
            Fault::Tcp(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                ("port_closed", format!("nothing takes connections at port {port}: check it; usual is {usual}"))
            }
            Fault::Tcp(_) => ("unreachable", format!("there is no way to {host} from here: check name and port")),
            Fault::Tls(error) => self.wrong_tls(error),
            Fault::NoStarttls => (
                "starttls_not_offered",
                format!("the server offers no STARTTLS at port {port}: check `security`; usual is {usual}"),
            ),
            Fault::Login(_) if login.is_none() => {
                ("no_credentials", "no user name and password are given: set `username` and `secret`".to_owned())
            }
            Fault::Login(said) => (
                "login_refused",
                format!(
                    "the server did not let the user in: check user name and password; many providers want a password \
                     made for this purpose (an app password){}",
                    self.reason(said)
                ),
            ),
            Fault::Select(said) => {
                ("inbox_refused", format!("the server does not open the inbox{}", self.reason(said)))
            }
            Fault::Refused(said) if stage == Stage::Smtp && said.starts_with("530") => (
                "login_required",
                format!(
                    "the server takes mail only from who logs in: set `username` and `secret`{}",
                    self.reason(said)
                ),
            ),
            Fault::Refused(said) if stage == Stage::Smtp => (
                "sender_refused",
                format!("the server takes no mail from this account: check its `address`{}", self.reason(said)),
            ),
            Fault::Refused(said) => {
                ("refused", format!("the server does not want to speak with us{}", self.reason(said)))
            }
            Fault::Protocol(_) | Fault::TooLarge(_) => (
                "protocol",
                format!("what answers at port {port} does not speak {protocol} as it should; usual is {usual}"),
            ),
            Fault::Closed => {
                ("closed", format!("the server closed the connection: check port and `security`; usual is {usual}"))
            }
            Fault::Timeout => ("timeout", self.too_late(stage)),
        }
    }

    fn wrong_tls(&self, error: &io::Error) -> (&'static str, String) {
        let (Server { host, port, .. }, Spoken { usual, .. }) = (self.server, self.spoken());
        let fault = error.get_ref().and_then(|inner| inner.downcast_ref());
        let Some(TlsError::InvalidCertificate(certificate)) = fault else {
            return match fault {
                Some(TlsError::InvalidMessage(_)) => (
                    "tls_not_spoken",
                    format!(
                        "the server does not speak TLS from the first byte at port {port}: check `security`; \
                         usual is {usual}"
                    ),
                ),
                _ => ("tls", format!("no encryption could be agreed on: check port and `security`; usual is {usual}")),
            };
        };
        match certificate {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
                "certificate_wrong_name",
                format!(
                    "the server's certificate is not valid for the name {host}: use the name that the provider gives"
                ),
            ),
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => (
                "certificate_expired",
                "the server's certificate has expired, or is not valid yet: whoever runs the server has to renew it"
                    .to_owned(),
            ),
            _ => (
                "certificate_not_trusted",
                "nobody who is trusted here vouches for the server's certificate, such as when it is self-signed; \
                 whoever runs Orbit can add it (ORBIT_MAIL_CA_FILE)"
                    .to_owned(),
            ),
        }
    }

    fn too_late(&self, stage: Stage) -> String {
        let (Server { host, port, .. }, Spoken { protocol, usual }) = (self.server, self.spoken());
        match stage {
            Stage::Dns => format!("the name {host} could not be looked up in time: try again later"),
            Stage::Tcp => format!(
                "nothing answered at port {port} in time: check name and port, or whether a firewall is in between"
            ),
            Stage::Tls => format!(
                "the server took the connection and agreed on no encryption in time: check port and `security`; \
                 usual is {usual}"
            ),
            Stage::Login | Stage::Select | Stage::Smtp => format!(
                "the server did not answer in time: try again later, or check whether it speaks {protocol} at port {port}"
            ),
        }
    }

    /// What the server said, as the end of a sentence.
    fn reason(&self, said: &str) -> String {
        let said = said.to_owned();
        let said = if let Some(login) = &self.server.login { login.keep_out_of(said) } else { said };
        if said.is_empty() { String::new() } else { format!(". The reason: {said}") }
    }

    fn spoken(&self) -> Spoken {
        match self.account {
            Account::Imap => Spoken { protocol: "IMAP", usual: "993 with `tls`, or 143 with `starttls`" },
            Account::Smtp { .. } => Spoken { protocol: "SMTP", usual: "465 with `tls`, or 587 with `starttls`" },
        }
    }
}

/// What is spoken, and where it usually is.
struct Spoken {
    protocol: &'static str,
    usual: &'static str,
}
