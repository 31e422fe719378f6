//! A part of NATS per test: a prefix for its subjects and streams.

use std::time::Duration;

use anyhow::Context;
use async_nats::{Client, ConnectOptions, ServerAddr, jetstream};
use futures_util::TryStreamExt;

use crate::{TestServers, database::random_name, must};

/// A connection to NATS and a prefix of one test's own. Streams that carry the prefix are deleted with it.
#[derive(Debug)]
pub struct TestNats {
    url: String,
    prefix: String,
    client: Client,
    sweep: bool,
}

impl TestNats {
    /// On the servers of this run.
    pub async fn new() -> Self {
        let url = TestServers::get().await.nats_url();
        must("cannot use the test run's NATS", Self::connect(url, true).await)
    }

    /// On a server of the test's own.
    pub(crate) async fn on(url: &str) -> Self {
        must("cannot use the test's NATS", Self::connect(url, false).await)
    }

    async fn connect(url: &str, sweep: bool) -> anyhow::Result<Self> {
        let client = connect(url).await?;
        Ok(Self { url: url.to_owned(), prefix: format!("test{}", random_name()), client, sweep })
    }

    /// For a process under test.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lower-case letters and digits, fit for subjects, streams and buckets.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// `name` below the prefix: a subject.
    pub fn subject(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    /// `name` behind the prefix: a stream, bucket or consumer.
    pub fn stream(&self, name: &str) -> String {
        format!("{}_{name}", self.prefix)
    }

    /// The connection.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// `JetStream` over the connection.
    pub fn jetstream(&self) -> jetstream::Context {
        jetstream::new(self.client.clone())
    }
}

impl Drop for TestNats {
    fn drop(&mut self) {
        if !self.sweep {
            return;
        }
        let (url, prefix) = (std::mem::take(&mut self.url), std::mem::take(&mut self.prefix));
        // As for databases: asynchronous work that must not depend on the test's own runtime.
        let swept = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime
                .block_on(async { tokio::time::timeout(Duration::from_secs(10), delete_streams(&url, &prefix)).await? })
        });
        // A stream that stays goes with the run's directory.
        let _: Result<anyhow::Result<()>, _> = swept.join();
    }
}

/// The client library leaves user and password in the address unused.
async fn connect(url: &str) -> anyhow::Result<Client> {
    let address: ServerAddr = url.parse().context("not an address of NATS")?;
    let (user, password) = (address.username().unwrap_or_default(), address.password().unwrap_or_default());
    let options = ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned());
    options.connect(address).await.context("cannot connect")
}

async fn delete_streams(url: &str, prefix: &str) -> anyhow::Result<()> {
    let jetstream = jetstream::new(connect(url).await?);
    let names: Vec<String> = jetstream.stream_names().try_collect().await?;
    for name in names.iter().filter(|name| name.to_lowercase().contains(prefix)) {
        jetstream.delete_stream(name).await?;
    }
    Ok(())
}
