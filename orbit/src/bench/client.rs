//! An HTTP/1.1 connection that is used for one request after the other: the load generator costs as little as it can.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use orbit_platform::shutdown::Shutdown;
use tokio::net::TcpStream;

/// One connection, for one user.
pub struct Client {
    sender: http1::SendRequest<Full<Bytes>>,
    authorization: Option<String>,
    /// The task that drives the connection ends with it.
    _life: Shutdown,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
}

impl Answer {
    /// The body, for an error's text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    /// Connects; `token` goes into every request.
    pub async fn connect(address: SocketAddr, token: Option<&str>) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let life = Shutdown::new();
        life.spawn("bench.connection", async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection of the load generator ended");
            }
        });
        Ok(Self { sender, authorization: token.map(|token| format!("Bearer {token}")), _life: life })
    }

    /// One request and its whole answer.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> anyhow::Result<Answer> {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await?;
        let response = self.sender.send_request(request.body(Full::from(body.unwrap_or_default()))?).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, body })
    }
}
