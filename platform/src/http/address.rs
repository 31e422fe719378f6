//! The address of the client, also from behind reverse proxies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request},
    http::{HeaderMap, request::Parts},
};

use crate::problem::ApiError;

/// Where a request comes from. Set for every request by `serve_layers`; unspecified (`0.0.0.0`) where there is no
/// connection, as in tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// The address to count by: an IPv6 client owns a whole /64 and must not get a limit for each address in it.
    pub fn network(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        }
    }

    /// Reads it from the connection, or from `X-Forwarded-For` if `trusted_proxies` stand before this process: each of
    /// them appends one entry, so that many entries from the right are true and all others may be invented.
    pub(super) fn of(request: &Request, trusted_proxies: usize) -> Self {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let forwarded = trusted_proxies.checked_sub(1).and_then(|skip| forwarded(request.headers(), skip));
        Self(forwarded.or(peer).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
    }
}

fn forwarded(headers: &HeaderMap, skip: usize) -> Option<IpAddr> {
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
    let entries = lines.iter().flat_map(|line| line.split(',')).map(str::trim);
    let entries: Vec<_> = entries.collect();
    let entry = entries.iter().rev().nth(skip)?;
    entry.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(parts.extensions.get().copied().unwrap_or(Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED))))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn address(proxies: usize, forwarded: &[&str]) -> String {
        let mut request = Request::get("/");
        for line in forwarded {
            request = request.header("x-forwarded-for", *line);
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 4711))));
        ClientAddress::of(&request, proxies).0.to_string()
    }

    #[test]
    fn only_the_entries_of_trusted_proxies_are_believed() {
        let lines = ["6.6.6.6, 1.1.1.1", "2.2.2.2"];
        assert_eq!(address(0, &lines), "10.0.0.1");
        assert_eq!(address(1, &lines), "2.2.2.2");
        assert_eq!(address(2, &lines), "1.1.1.1");
        assert_eq!(address(1, &[]), "10.0.0.1");
        assert_eq!(address(1, &["nonsense"]), "10.0.0.1");
        assert_eq!(address(1, &["[2001:db8::1]:443"]), "2001:db8::1");
    }

    #[test]
    fn an_ipv6_network_counts_as_one_client() {
        let network = |text: &str| ClientAddress(text.parse().unwrap()).network().to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:1.2.3.4"), "1.2.3.4");
    }
}
