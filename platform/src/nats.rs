//! The connection to NATS, which comes back by itself, with faults that say what to do.

use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use futures_util::{StreamExt, future::BoxFuture};

use crate::config::{NatsArgs, redact_url};

/// How long one attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How often the client asks whether the server is still there: a silent one is noticed within two of these.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// How long the client waits between attempts, at most.
const RECONNECT_AT_MOST: Duration = Duration::from_secs(1);

/// What to do while the broker is down at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstConnection {
    /// A fault: for a command that needs the broker now.
    Required,
    /// Tried again in the background for ever: for a process whose work goes on without it.
    Retried,
}

/// Why there is no broker. Each says in one sentence what to do.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No address was given.
    #[error("NATS_URL is not set: name a NATS server with JetStream, such as nats://localhost:4222")]
    Missing,
    /// The address cannot be read.
    #[error("NATS_URL is not an address of NATS: write it like nats://localhost:4222")]
    Address,
    /// Nobody answers.
    #[error("NATS does not answer at {address}: start it, or correct NATS_URL")]
    Unreachable {
        /// The server, without secrets.
        address: String,
        /// What the attempt met.
        #[source]
        source: async_nats::ConnectError,
    },
    /// The credentials are wrong.
    #[error("NATS at {address} refuses the credentials: correct them in NATS_URL")]
    Password {
        /// The server, without secrets.
        address: String,
        /// What the server said.
        #[source]
        source: async_nats::ConnectError,
    },
}

/// A client that reconnects for ever and logs when it loses or finds its server. Boxed, so that it is compiled here and
/// not in every crate that waits for it.
pub fn connect<'a>(args: &'a NatsArgs, name: &'a str, first: FirstConnection) -> BoxFuture<'a, Result<Client, Fault>> {
    Box::pin(client(args, name, first))
}

async fn client(args: &NatsArgs, name: &str, first: FirstConnection) -> Result<Client, Fault> {
    if args.nats_url.is_empty() {
        return Err(Fault::Missing);
    }
    let addresses = args
        .nats_url
        .expose()
        .split(',')
        .map(|address| address.trim().parse::<ServerAddr>())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| Fault::Address)?;
    let options = ConnectOptions::new()
        .name(name)
        .connection_timeout(CONNECT_TIMEOUT)
        .request_timeout(Some(Duration::from_secs(5)))
        .ping_interval(PING_INTERVAL)
        .max_reconnects(None)
        .reconnect_delay_callback(|attempts| {
            RECONNECT_AT_MOST.min(Duration::from_millis(20 * u64::try_from(attempts).unwrap_or(u64::MAX).min(50)))
        })
        .event_callback(|event| async move { log(&event) });
    // The client reads a user from the address for show only.
    let user =
        addresses.iter().find_map(|address| Some((address.username()?.to_owned(), address.password()?.to_owned())));
    let options = match user {
        Some((user, password)) => options.user_and_password(user, password),
        None => options,
    };
    let options = match first {
        FirstConnection::Required => options,
        FirstConnection::Retried => options.retry_on_initial_connect(),
    };
    options.connect(addresses).await.map_err(|source| {
        let address = args.nats_url.expose().split(',').map(|address| redact_url(address.trim()));
        let address = address.collect::<Vec<_>>().join(", ");
        match source.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                Fault::Password { address, source }
            }
            _ => Fault::Unreachable { address, source },
        }
    })
}

fn log(event: &Event) {
    metrics::gauge!("orbit_nats_connected").set(match event {
        Event::Disconnected | Event::Closed => 0.0,
        _ => 1.0,
    });
    match event {
        Event::Connected => tracing::info!("connected to NATS"),
        Event::Disconnected => tracing::warn!("lost NATS, connecting again"),
        Event::SlowConsumer(subscription) => tracing::warn!(subscription, "NATS dropped messages of a slow consumer"),
        Event::LameDuckMode => tracing::info!("NATS is about to stop, moving to another server"),
        Event::ServerError(error) => tracing::warn!(%error, "NATS reported an error"),
        Event::ClientError(error) => tracing::warn!(%error, "the NATS client reported an error"),
        Event::Draining | Event::Closed => tracing::debug!(%event, "the NATS connection ends"),
    }
}

/// Whether the broker answers, for the readiness page: a message to ourselves goes there and back. (A flush only
/// empties our own buffer, and a frozen server keeps its connections.)
pub async fn ping(client: &Client) -> Result<(), String> {
    match client.connection_state() {
        async_nats::connection::State::Connected => echo(client).await.map_err(|error| error.to_string()),
        state => Err(format!("the connection is {state}")),
    }
}

async fn echo(client: &Client) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await?;
    client.publish(inbox, "".into()).await?;
    answers.next().await.map(drop).ok_or_else(|| "the connection has ended".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn args(url: &str) -> NatsArgs {
        NatsArgs { nats_url: Secret::new(url), nats_prefix: "orbit".to_owned() }
    }

    #[tokio::test]
    async fn a_broker_that_is_not_there_is_one_clear_sentence() {
        let missing = connect(&args(""), "test", FirstConnection::Required).await;
        assert!(matches!(missing, Err(Fault::Missing)));
        let garbled = connect(&args("nats://[::"), "test", FirstConnection::Required).await;
        assert!(matches!(garbled, Err(Fault::Address)));
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("nats://hunter2@127.0.0.1:{free}");
        let text = connect(&args(&url), "test", FirstConnection::Required).await.unwrap_err().to_string();
        assert_eq!(
            text,
            format!("NATS does not answer at nats://[secret]@127.0.0.1:{free}: start it, or correct NATS_URL")
        );
    }

    #[tokio::test]
    async fn a_process_that_can_wait_starts_without_the_broker_and_says_so() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("nats://127.0.0.1:{free}");
        let client = connect(&args(&url), "test", FirstConnection::Retried).await.unwrap();
        assert!(ping(&client).await.is_err());
    }
}
