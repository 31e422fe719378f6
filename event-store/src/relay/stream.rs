//! The `JetStream` stream of an epoch: created, checked against the log, and given up when the database was restored.

use async_nats::jetstream::{
    self, Context,
    context::GetStreamErrorKind,
    stream::{Config, DiscardPolicy, LastRawMessageErrorKind, RetentionPolicy, StorageType, Stream},
};
use futures_util::TryStreamExt;
use orbit_events::subjects;
use uuid::Uuid;

use super::{
    History, RelayFault,
    message::{ENVELOPE, WireEnvelope},
};
use crate::{
    Fault,
    read::{Head, Log},
};

/// Makes sure that the stream exists and tells the same story as the log; returns its name and last sequence.
///
/// If it tells another one (its newest message is ahead of the log, or is another fact than the log's), the database was
/// restored from a backup: the log gets a new epoch, and with it a new stream.
pub(super) async fn ensure(
    jetstream: &Context,
    log: &Log,
    prefix: &str,
    history: History,
) -> Result<(String, i64), RelayFault> {
    loop {
        let epoch = log.head().await?.epoch;
        let name = subjects::stream_name(prefix, epoch);
        let found = match jetstream.get_stream(&name).await {
            Ok(stream) => {
                adjust(jetstream, &stream, history).await;
                let info = stream.get_info().await.map_err(RelayFault::broker("look at the stream"))?;
                let last = i64::try_from(info.state.last_sequence).unwrap_or(i64::MAX);
                Some((stream, last, info.state.messages > 0))
            }
            Err(error) if is_not_found(&error.kind()) => None,
            Err(error) => return Err(RelayFault::broker("look for the stream")(error)),
        };
        // Looked at after the stream: what another relay publishes meanwhile is in the log before it is in the stream.
        let head = log.head().await?;
        if head.epoch != epoch {
            continue;
        }
        let Some((stream, last, holds_any)) = found else {
            delete_older_epochs(jetstream, prefix, &name).await?;
            let last = create(jetstream, &name, prefix, head, history).await?;
            return Ok((name, last));
        };
        if same_story(&stream, log, head, last, holds_any).await? {
            return Ok((name, last));
        }
        new_epoch(log, epoch).await?;
        tracing::warn!(
            stream = name,
            last,
            head = head.position,
            "the database was restored: the log starts a new epoch"
        );
    }
}

/// Where the stream ends; `None` if there is none.
pub(super) async fn last_sequence(jetstream: &Context, name: &str) -> Result<Option<i64>, RelayFault> {
    match jetstream.get_stream(name).await {
        Ok(stream) => Ok(i64::try_from(stream.cached_info().state.last_sequence).ok()),
        Err(error) if is_not_found(&error.kind()) => Ok(None),
        Err(error) => Err(RelayFault::broker("look for the stream")(error)),
    }
}

/// Makes a stream keep as much as it is told to now. Where the broker refuses, the stream does as it is.
async fn adjust(jetstream: &Context, stream: &Stream, history: History) {
    let config = stream.cached_info().config.clone();
    let History { messages, bytes, replicas } = history;
    if (config.max_messages, config.max_bytes, config.num_replicas) == (messages, bytes, replicas) {
        return;
    }
    let config = Config { max_messages: messages, max_bytes: bytes, num_replicas: replicas, ..config };
    match jetstream.update_stream(config).await {
        Ok(_) => tracing::info!(messages, bytes, replicas, "the stream keeps as much as it is told to now"),
        Err(error) => {
            tracing::warn!(%error, messages, bytes, replicas, "the stream cannot keep as much as it is told to");
        }
    }
}

fn is_not_found(kind: &GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(error) if error.error_code() == jetstream::ErrorCode::STREAM_NOT_FOUND)
}

async fn same_story(stream: &Stream, log: &Log, head: Head, last: i64, holds_any: bool) -> Result<bool, RelayFault> {
    if last > head.position {
        return Ok(false);
    }
    if !holds_any {
        return Ok(true);
    }
    let sequence = u64::try_from(last).unwrap_or_default();
    let message = match stream.get_raw_message(sequence).await {
        Ok(message) => message,
        // A message that was deleted meanwhile, or that a crash tore, proves nothing either way.
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => return Ok(true),
        Err(error) => return Err(RelayFault::broker("look at the stream's newest message")(error)),
    };
    let theirs = message
        .headers
        .get(ENVELOPE)
        .and_then(|envelope| serde_json::from_str::<WireEnvelope>(envelope.as_str()).ok())
        .map(|envelope| envelope.event_id);
    let ours = log.at(last).await?.map(|stored| stored.envelope.event_id.0);
    Ok(theirs == ours)
}

/// Gives the log a new epoch, unless another relay has just done so.
async fn new_epoch(log: &Log, old: Uuid) -> Result<(), Fault> {
    sqlx::query!("UPDATE log.head SET epoch = uuidv7() WHERE epoch = $1", old)
        .execute(log.pool())
        .await
        .map_err(Fault::database("start a new epoch"))?;
    Ok(())
}

/// Streams of earlier epochs hold subjects that the new one needs, and a past that did not happen.
async fn delete_older_epochs(jetstream: &Context, prefix: &str, name: &str) -> Result<(), RelayFault> {
    let all: Vec<String> =
        jetstream.stream_names().try_collect().await.map_err(RelayFault::broker("list the streams"))?;
    let ours = |other: &String| {
        let epoch = other.strip_prefix(&format!("{}-", prefix.replace('.', "-")));
        other != name && epoch.is_some_and(|epoch| epoch.len() == 32 && Uuid::try_parse(epoch).is_ok())
    };
    for other in all.into_iter().filter(ours) {
        jetstream.delete_stream(&other).await.map_err(RelayFault::broker("delete the stream of an earlier epoch"))?;
        tracing::warn!(stream = other, "deleted the stream of an earlier epoch");
    }
    Ok(())
}

async fn create(
    jetstream: &Context,
    name: &str,
    prefix: &str,
    head: Head,
    history: History,
) -> Result<i64, RelayFault> {
    // A lost stream comes back with as much of the log as it would have kept.
    let first = (head.position - history.messages + 1).max(1);
    let config = Config {
        name: name.to_owned(),
        description: Some("Orbit's facts; a message's sequence is its position in the log".to_owned()),
        subjects: vec![subjects::all_facts(prefix)],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::Old,
        max_messages: history.messages,
        max_bytes: history.bytes,
        num_replicas: history.replicas,
        // Expected sequences do what duplicate detection by id would, and remember for longer.
        duplicate_window: std::time::Duration::from_millis(100),
        allow_direct: true,
        first_sequence: u64::try_from(first).ok(),
        ..Config::default()
    };
    jetstream.create_stream(config).await.map_err(RelayFault::broker("create the stream"))?;
    tracing::info!(stream = name, first, "created the stream");
    Ok(first - 1)
}
