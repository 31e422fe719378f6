//! Users who were forgotten after the backup was made: the restored log knows them again, so they are forgotten again,
//! before anybody may use it.

use anyhow::Context as _;
use orbit_domain::{
    Context,
    users::{User, user::Command},
};
use orbit_event_store::{EventStore, Limits, MasterKey, Mode, Origin, Refused, Settings};
use orbit_events::{Actor, Metadata, UserId};
use orbit_platform::{clock::Clock, config::DatabaseArgs, ids, postgres, shutdown::Shutdown};
use uuid::Uuid;

/// How long the batcher may take to end.
const GRACE: std::time::Duration = std::time::Duration::from_secs(10);

/// Erases those whom the draft knows and who have a key; says who they are, and how far the log is then.
pub async fn again(draft: &DatabaseArgs, master_key: MasterKey, users: &[Uuid]) -> anyhow::Result<(Vec<Uuid>, i64)> {
    let role = orbit_command_api::app::ROLE;
    let pool = postgres::connect_as(draft, "orbit restore", None, role).await?;
    let known: Vec<Uuid> = sqlx::query_scalar(
        "SELECT DISTINCT k.user_id FROM vault.keys k JOIN log.streams s ON s.stream_id = k.user_id
         WHERE k.user_id = ANY($1) AND k.destroyed_at IS NULL ORDER BY 1",
    )
    .bind(users)
    .fetch_all(&pool)
    .await
    .context("cannot look for users who were forgotten since")?;
    let life = Shutdown::new();
    let settings = Settings { pool: pool.clone(), master_key, clock: Clock::system(), limits: Limits::default() };
    let store = EventStore::start(settings, &life).await?;
    for user in &known {
        erase(&store, UserId(*user)).await.with_context(|| format!("cannot forget user {user} again"))?;
    }
    let position = store.log().head().await?.position;
    life.finish(GRACE).await?;
    pool.close().await;
    Ok((known, position))
}

async fn erase(store: &EventStore, user_id: UserId) -> anyhow::Result<()> {
    let origin = Origin {
        context: Context { now: store.clock().now(), user_id, actor: Actor::System },
        metadata: Metadata {
            actor: Actor::System,
            correlation_id: ids::new_event_id(),
            causation_id: None,
            session_id: None,
            traceparent: None,
        },
    };
    let decided: Result<_, Refused<_>> = store
        .transact(origin, Mode::default(), |unit| async move {
            // They have had their time of grace already: this is the same wish again, due now.
            let due_at = unit.context().now;
            for command in [Command::CancelErasure, Command::RequestErasure { due_at }, Command::Erase] {
                unit.decide::<User>(user_id.0, command).await?;
            }
            Ok(())
        })
        .await;
    decided?;
    Ok(store.forget(user_id).await?)
}
