//! Waiting for the server to tell of something (RFC 2177).

use super::{
    answers::{Line, Verdict},
    commands::Command,
    connection::Connection,
};
use crate::net::Fault;

/// How waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// The open folder has changed.
    News,
    /// Nothing happened.
    Quiet,
}

/// Waits until there are news or `until` is over. A server may end this after half an hour, so that should be sooner.
pub(super) async fn wait(connection: &mut Connection, until: impl Future<Output = ()>) -> Result<Idle, Fault> {
    let tag = connection.begin(Command::new("IDLE")).await?;
    connection.asked(&tag).await?;
    tokio::pin!(until);
    while !connection.news {
        tokio::select! {
            readable = connection.wire().readable() => readable?,
            () = &mut until => break,
        }
        // It has begun to say something: the rest of that comes as everything does.
        if let Line::Done(_, status) = connection.line().await?.0 {
            connection.done();
            return Err(Fault::Refused(status.text));
        }
    }
    connection.wire().send(b"DONE\r\n").await?;
    loop {
        if let Line::Done(of, status) = connection.line().await?.0 {
            if of != tag {
                return Err(Fault::Protocol("an answer to nothing"));
            }
            connection.done();
            if status.verdict != Verdict::Ok {
                return Err(Fault::Refused(status.text));
            }
            return Ok(if std::mem::take(&mut connection.news) { Idle::News } else { Idle::Quiet });
        }
    }
}
