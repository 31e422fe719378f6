//! What `orbit up` says once everything runs.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use orbit_platform::random;

use super::demo::{self, Account};
use crate::print;

/// The address that a client on this machine uses.
pub fn address(listening: SocketAddr) -> String {
    let ip = match listening.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    format!("http://{}", SocketAddr::new(ip, listening.port()))
}

/// Where everything is.
#[derive(Debug)]
pub struct Welcome<'a> {
    /// `http://127.0.0.1:8000`
    pub address: &'a str,
    /// The servers' data; `None` if they are somebody else's.
    pub data: Option<PathBuf>,
    /// Messages and files.
    pub blobs: &'a str,
    /// The log; `None` if it goes to the terminal.
    pub log: Option<&'a Path>,
    /// The demo's user, if one was asked for.
    pub demo: Option<Account>,
}

impl Welcome<'_> {
    /// Prints it.
    pub fn print(&self) -> anyhow::Result<()> {
        print::text(&self.page(&random::token()[..6]))
    }

    /// `chance` makes the address of the line to try one that nobody has registered yet: it works at every start.
    fn page(&self, chance: &str) -> String {
        let shown =
            |path: Option<&Path>, else_: &str| path.map_or_else(|| else_.to_owned(), |path| path.display().to_string());
        let mut rows = vec![
            ("Address", self.address.to_owned()),
            ("Docs", format!("{}/docs", self.address)),
            ("Data", shown(self.data.as_deref(), "in the servers that DATABASE_URL and NATS_URL name")),
            ("Blobs", self.blobs.to_owned()),
            ("Logs", shown(self.log, "here")),
        ];
        let body = match &self.demo {
            Some(Account { password }) => {
                rows.push(("Demo", format!("{} with password {password}", demo::EMAIL)));
                format!("/api/v1/auth/login -d '{{\"email\":\"{}\",\"password\":\"{password}\"}}'", demo::EMAIL)
            }
            None => format!(
                "/api/v1/auth/register -d '{{\"email\":\"ada-{}@example.org\",\"password\":\"Correct-Horse-1\",\"name\":\"Ada\"}}'",
                chance.to_lowercase().replace(['_', '-'], "0")
            ),
        };
        let rows: Vec<_> = rows.iter().map(|(what, where_)| format!("  {what:<8} {where_}\n")).collect();
        let rows = rows.concat();
        format!(
            "\nOrbit is running.\n\n{rows}\nTry it:\n  curl -s -H 'Content-Type: application/json' {}{body}\n\nCtrl-C stops it.\n",
            self.address
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_means_every_interface_is_shown_as_one_that_can_be_called() {
        assert_eq!(address("0.0.0.0:8000".parse().unwrap()), "http://127.0.0.1:8000");
        assert_eq!(address("[::]:8000".parse().unwrap()), "http://[::1]:8000");
        assert_eq!(address("10.0.0.7:9".parse().unwrap()), "http://10.0.0.7:9");
    }

    #[test]
    fn the_page_says_where_everything_is() {
        let welcome = Welcome {
            address: "http://127.0.0.1:8000",
            data: Some("/o/data".into()),
            blobs: "/o/data/blobs",
            log: Some(Path::new("/o/logs/orbit.log")),
            demo: None,
        };
        let page = welcome.page("aB_-3z");
        for what in
            ["http://127.0.0.1:8000/docs", "/o/data/blobs", "/o/logs/orbit.log", "curl -s", "ada-ab003z@example.org"]
        {
            assert!(page.contains(what), "{what} in {page}");
        }
    }
}
