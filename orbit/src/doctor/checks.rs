//! What the doctor looks at, one function per question. A question that needs an earlier answer is not asked without it.

use std::time::{Duration, Instant};

use async_nats::jetstream;
use orbit_event_store::{Head, Log};
use orbit_events::subjects;
use orbit_platform::{
    nats::{self, FirstConnection},
    postgres::{self, Pool},
};
use orbit_projector::{
    checkpoints::{Standing, standings},
    parked,
    projections::ALL,
    runner::Fault,
};
use sqlx::Connection;

use super::{blobs, patient::Patient};
use crate::{
    failure::sentence,
    schema::{self, State},
};

/// The oldest `PostgreSQL` that the migrations run on (`uuidv7()`).
const POSTGRES: u32 = 180_000;
/// How long the broker may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often something that takes a moment is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Who relays.
const RELAY: &str = "a command-api (or `orbit up`)";

/// What was found.
#[derive(Debug)]
pub struct Finding {
    check: &'static str,
    wrong: bool,
    says: String,
}

impl Finding {
    fn of(check: &'static str, found: Result<String, String>) -> Self {
        let wrong = found.is_err();
        Self { check, wrong, says: found.unwrap_or_else(|says| says) }
    }

    /// Whether somebody must act.
    pub fn is_wrong(&self) -> bool {
        self.wrong
    }

    /// As a row of the table.
    pub fn row(&self) -> Vec<String> {
        vec![if self.wrong { "✗" } else { "✓" }.to_owned(), self.check.to_owned(), self.says.clone()]
    }
}

/// Everything, in the order in which one thing needs another.
pub async fn all(patient: &Patient) -> Vec<Finding> {
    let mut findings = vec![Finding::of("runtime", patient.runtime.clone())];
    findings.push(Finding::of("blobs", blobs::look(patient.blobs.as_ref()).await));
    let pool = database(patient, &mut findings).await;
    let client = broker(patient, &mut findings).await;
    let Some(pool) = pool else { return findings };
    let log = Log::new(pool.clone());
    if let Some(head) = positions(&log, &mut findings).await {
        if let Some(client) = client {
            let found = sequence(client, &patient.nats.nats_prefix, &log, head).await;
            findings.push(Finding::of("JetStream sequence", found));
        }
        read_models(&pool, head, &mut findings).await;
    }
    pool.close().await;
    findings
}

/// The database answers, is new enough, and has this program's schema; else there is no point in asking it more.
async fn database(patient: &Patient, findings: &mut Vec<Finding>) -> Option<Pool> {
    let connected = schema::connect(&patient.database, "orbit doctor").await;
    let mut connection = match connected {
        Ok(connection) => connection,
        Err(error) => {
            findings.push(Finding::of("database", Err(sentence(&error))));
            return None;
        }
    };
    let version = connection.server_version_num().unwrap_or_default();
    let says = format!("PostgreSQL {}.{}", version / 10_000, version % 10_000);
    let recent = version >= POSTGRES;
    findings.push(Finding::of(
        "database",
        if recent { Ok(says) } else { Err(format!("{says} is too old: Orbit needs 18 or newer")) },
    ));
    let state = schema::state(&mut connection).await;
    let _ = connection.close().await;
    let found = match state {
        Ok(State::Current(version)) => Ok(format!("migration {version}, which is this program's newest")),
        Ok(state) => Err(state.require_current().err().map_or_else(String::new, |error| error.to_string())),
        Err(error) => Err(format!("cannot be read: {error}")),
    };
    let current = found.is_ok();
    findings.push(Finding::of("schema", found));
    if !current {
        return None;
    }
    match postgres::connect(&patient.database, "orbit doctor", Some("view, public")).await {
        Ok(pool) => Some(pool),
        Err(fault) => {
            findings.push(Finding::of("database", Err(fault.to_string())));
            None
        }
    }
}

/// The broker answers and has `JetStream`.
async fn broker(patient: &Patient, findings: &mut Vec<Finding>) -> Option<async_nats::Client> {
    let client = match nats::connect(&patient.nats, "orbit doctor", FirstConnection::Required).await {
        Ok(client) => client,
        Err(fault) => {
            findings.push(Finding::of("broker", Err(sentence(&fault.into()))));
            return None;
        }
    };
    let version = client.server_info().version;
    let account = tokio::time::timeout(PATIENCE, jetstream::new(client.clone()).query_account()).await;
    let on = matches!(account, Ok(Ok(_)));
    findings.push(Finding::of(
        "broker",
        if on {
            Ok(format!("NATS {version} with JetStream"))
        } else {
            Err(format!(
                "NATS {version} without JetStream: start it with -js or a jetstream section in its configuration"
            ))
        },
    ));
    on.then_some(client)
}

/// Invariants 1 and 5: positions have no gaps, facts cannot be changed.
async fn positions(log: &Log, findings: &mut Vec<Finding>) -> Option<Head> {
    let looked = async {
        let before = log.head().await?;
        Ok::<_, orbit_event_store::Fault>((before, log.audit().await?, log.head().await?))
    };
    let (before, audit, head) = match looked.await {
        Ok(found) => found,
        Err(fault) => {
            findings.push(Finding::of("log", Err(sentence(&fault.into()))));
            return None;
        }
    };
    let roles = match audit.missing_roles.as_slice() {
        [] => Ok("the three roles of the processes are there".to_owned()),
        missing => {
            Err(format!("missing: {}; migrate a new database, or restore a backup: both make them", missing.join(", ")))
        }
    };
    findings.push(Finding::of("roles", roles));
    // Appends may come between the questions.
    let says = format!("{} facts, newest position {}, head {}", audit.events, audit.newest, head.position);
    let contiguous = audit.events == audit.newest && (before.position..=head.position).contains(&audit.newest);
    findings.push(Finding::of(
        "positions",
        if contiguous {
            Ok(says)
        } else {
            Err(format!("{says}: these must be equal; restore a backup (orbit restore)"))
        },
    ));
    findings.push(Finding::of(
        "facts",
        if audit.guarded {
            Ok("cannot be changed".to_owned())
        } else {
            Err("the trigger that refuses changes is missing or off: enable events_are_never_changed on log.events"
                .to_owned())
        },
    ));
    Some(head)
}

/// Invariant 2: the stream's last sequence is the log's newest position, or soon will be.
async fn sequence(client: async_nats::Client, prefix: &str, log: &Log, head: Head) -> Result<String, String> {
    let name = subjects::stream_name(prefix, head.epoch);
    let context = jetstream::new(client);
    let begun = Instant::now();
    loop {
        let last = match tokio::time::timeout(PATIENCE, context.get_stream(&name)).await {
            Ok(Ok(stream)) => i64::try_from(stream.cached_info().state.last_sequence).unwrap_or(i64::MAX),
            Ok(Err(_)) if head.position == 0 => return Ok("nothing was relayed yet".to_owned()),
            Ok(Err(error)) => return Err(format!("stream {name}: {error}; the relay makes it when {RELAY} runs")),
            Err(_) => return Err(format!("NATS did not say within {} s how stream {name} is", PATIENCE.as_secs())),
        };
        if last >= head.position {
            let now = log.head().await.map_err(|fault| sentence(&fault.into()))?.position;
            return match last - now {
                ahead if ahead > 0 => Err(format!(
                    "{last}, which is {ahead} ahead of the log: was an older backup restored? {RELAY} starts a new stream"
                )),
                _ if last == now => Ok(format!("{last}, the newest position")),
                _ => Ok(format!("{last}; the log has grown meanwhile")),
            };
        }
        if begun.elapsed() >= PATIENCE {
            return Err(format!("{last}, and {} facts are not relayed: see the log of {RELAY}", head.position - last));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Every read model follows the log, and none has parked facts.
async fn read_models(pool: &Pool, head: Head, findings: &mut Vec<Finding>) {
    let begun = Instant::now();
    let (standings, parked) = loop {
        let looked = async { Ok::<_, Fault>((standings(pool).await?, parked::counts(pool).await?)) };
        let (standings, parked) = match looked.await {
            Ok(found) => found,
            Err(fault) => return findings.push(Finding::of("read models", Err(sentence(&fault.into())))),
        };
        // A projector that lives is there within a moment.
        let there = ALL.iter().all(|projection| behind(&standings, projection.name, head).is_some_and(|lag| lag <= 0));
        if there || head.position == 0 || begun.elapsed() >= PATIENCE {
            break (standings, parked);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    };
    for projection in ALL {
        let found = match behind(&standings, projection.name, head) {
            _ if head.position == 0 => Ok("nothing to follow yet".to_owned()),
            None => Err("has not begun: start a projector (or `orbit up`)".to_owned()),
            Some(lag) if lag <= 0 => Ok(format!("follows the log up to position {}", head.position)),
            Some(lag) => {
                Err(format!("{lag} positions behind the log: see the projector's log, or wait if it is catching up"))
            }
        };
        findings.push(Finding::of(projection.name, found));
        if let Some(facts) = parked.get(projection.name).filter(|facts| **facts > 0) {
            let says = format!("{facts} facts of {} are parked: see `orbit parked list`", projection.name);
            findings.push(Finding::of("parked", Err(says)));
        }
    }
    if parked.values().all(|facts| *facts == 0) {
        findings.push(Finding::of("parked", Ok("no facts".to_owned())));
    }
}

/// How far the hindmost partition of a projection is behind; `None` if one has not begun.
fn behind(standings: &[Standing], projection: &str, head: Head) -> Option<i64> {
    let standing = standings.iter().find(|standing| standing.projection == projection)?;
    (standing.partitions >= i64::from(head.partitions.0)).then_some(head.position - standing.position)
}
