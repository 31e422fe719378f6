//! Serving a router until it is time to stop, with a bound on everything that a stranger could pile up.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, FromRequestParts},
    http::{Request, request::Parts},
};
use futures_util::future::BoxFuture;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use crate::{config::HttpArgs, shutdown::Shutdown};

/// What strangers may take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Connections at once; further ones wait in the kernel's queue.
    connections: usize,
    /// How long a connection may take to send the head of its next request, being idle included: longer than the idle
    /// time of common proxies, so that it is they who close.
    head: Duration,
    /// How long a connection may take none of the answer that is being sent.
    write: Duration,
    /// How long requests that are being answered may take once it is time to stop.
    grace: Duration,
}

const LIMITS: Limits = Limits {
    connections: 4_096,
    head: Duration::from_secs(75),
    write: Duration::from_secs(75),
    grace: Duration::from_secs(10),
};

/// How long to wait when no connection can be taken, mostly because the process has no file descriptor left.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Somebody else has the port.
    #[error("port {} is taken: stop what listens there, or choose another with --port or ORBIT_PORT", .0.port())]
    PortTaken(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {address}: correct ORBIT_BIND or ORBIT_PORT")]
    Listen {
        /// Where it should listen.
        address: SocketAddr,
        /// Why it cannot.
        #[source]
        source: io::Error,
    },
}

/// Tells when the server that a request came to stops: for answers that would go on for ever, and keep it from stopping.
#[derive(Clone, Debug, Default)]
pub struct Stopping(CancellationToken);

impl Stopping {
    /// Returns when the server stops; never, if the request did not come over a server.
    pub async fn asked(&self) {
        self.0.cancelled().await;
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Stopping {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// Listens where the settings say.
pub async fn listen(args: &HttpArgs) -> Result<TcpListener, Fault> {
    let address = args.address();
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => Fault::PortTaken(address),
        _ => Fault::Listen { address, source },
    })
}

/// Serves HTTP/1.1 until `shutdown` is triggered: then no new connections, and ten seconds for the requests under way.
/// Boxed, so that the server is compiled here and not in every crate that waits for it.
pub fn serve(listener: TcpListener, router: Router, shutdown: &Shutdown) -> BoxFuture<'_, ()> {
    Box::pin(serve_within(LIMITS, listener, router, shutdown))
}

async fn serve_within(limits: Limits, listener: TcpListener, router: Router, shutdown: &Shutdown) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head);
    let slots = Arc::new(Semaphore::new(limits.connections));
    let (connections, cut) = (TaskTracker::new(), CancellationToken::new());
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            () = shutdown.cancelled() => break,
        };
        let Some((stream, peer, slot)) = accepted else { continue };
        let stopping = Stopping(shutdown.token());
        let service = router.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(stopping.clone());
            request.map(Body::new)
        });
        let mut stream = TimeoutWriter::new(stream);
        // Who stops reading would otherwise keep its slot for ever.
        stream.set_timeout(Some(limits.write));
        let stream = TokioIo::new(Box::pin(stream));
        let connection = builder.serve_connection(stream, TowerToHyperService::new(service));
        let connection = connection.with_upgrades();
        let (life, cut) = (shutdown.clone(), cut.clone());
        shutdown.start(connections.track_future(async move {
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = life.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! { ended = connection => ended, () = cut.cancelled() => Ok(()) }
                }
            };
            if let Err(error) = ended {
                tracing::trace!(%error, "a connection ended early");
            }
            drop(slot);
        }));
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(limits.grace, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "some requests did not end in time and are cut off");
        cut.cancel();
    }
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Small answers must not wait for the acknowledgement of those before them.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "cannot switch off the delay of small packets");
            }
            Some((stream, peer, slot))
        }
        Err(error) if is_of_the_connection(&error) => None,
        Err(error) => {
            tracing::error!(%error, "cannot take connections, trying again");
            tokio::time::sleep(ACCEPT_AGAIN).await;
            None
        }
    }
}

/// The client went away before it was taken: no reason to wait.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
#[path = "serve_tests.rs"]
mod tests;
