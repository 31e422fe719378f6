//! Messages as they come, one by one: however many are asked for, one is in memory.

use super::{
    answers::{Fetched, Line, Untagged, Verdict},
    connection::Connection,
};
use crate::net::Fault;

/// What was fetched, as it comes. It has to be read to its end before anything else can be asked.
pub struct Fetching<'a> {
    connection: &'a mut Connection,
    /// None at the end.
    tag: Option<String>,
}

impl<'a> Fetching<'a> {
    pub(super) fn new(connection: &'a mut Connection, tag: Option<String>) -> Self {
        Self { connection, tag }
    }

    /// The next message, until there is none. What the server tells of others meanwhile comes as well, without what was
    /// asked for.
    pub async fn next(&mut self) -> Result<Option<Fetched>, Fault> {
        let Some(tag) = &self.tag else { return Ok(None) };
        loop {
            match self.connection.line().await?.0 {
                Line::Untagged(Untagged::Fetch(fetched)) => return Ok(Some(fetched)),
                Line::Untagged(_) => {}
                Line::Done(of, status) if of == *tag => {
                    self.tag = None;
                    self.connection.done();
                    return match status.verdict {
                        Verdict::Ok => Ok(None),
                        // Some that were asked for went meanwhile: the others came (RFC 2180).
                        Verdict::No if status.code.as_ref().is_some_and(|(code, _)| code == "EXPUNGEISSUED") => {
                            Ok(None)
                        }
                        _ => Err(Fault::Refused(status.text)),
                    };
                }
                Line::Done(..) | Line::Continue(_) => return Err(Fault::Protocol("an answer to nothing")),
            }
        }
    }

    /// All of them. For what is small.
    pub async fn all(mut self) -> Result<Vec<Fetched>, Fault> {
        let mut all = Vec::new();
        while let Some(fetched) = self.next().await? {
            all.push(fetched);
        }
        Ok(all)
    }
}
