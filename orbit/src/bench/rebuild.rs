//! Rebuild: tasks and activities filled anew from a million facts by two workers, indexes, comparison and swap included,
//! against one `INSERT … SELECT` inside `PostgreSQL` over as many facts as plain JSON; then what else history does:
//! questions of the past, and sealing.

use std::time::{Duration, Instant};

use orbit_event_store::{
    Log, Vault,
    rebuilds::{self, Reason, Wish},
};
use orbit_platform::{
    ids,
    postgres::{self, Pool},
    shutdown::Shutdown,
};
use orbit_projector::{
    projections,
    rebuild::{self, Deps, Outcome, Progress},
    runner::catch_up,
};
use tokio::sync::watch;

use super::{
    Effort, Report, as_of,
    project::Story,
    report::median,
    scratch::{Scratch, Writer},
    seal,
    work::{count, load},
};

/// Facts to rebuild from.
const FACTS: i64 = 1_000_000;
const USERS: usize = 200;
const WORKERS: i16 = 2;
const REBUILT: [&str; 2] = ["tasks", "activities"];

pub async fn run(effort: Effort) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let scratch = Scratch::start(32).await?;
    let store = scratch.store().await?;
    let users = scratch.users(&store, USERS).await?;
    let mut head = store.log().head().await?.position;
    while head < FACTS {
        load(256, Duration::from_secs(1), |n| Story::new(Writer::new(&store, users[n % USERS]))).await?;
        head = store.log().head().await?.position;
    }
    let path = Some(orbit_projector::SEARCH_PATH);
    let pool = postgres::connect_as(&scratch.database_args(), "bench", path, orbit_projector::ROLE).await?;
    plain(&scratch.pool).await?;
    // What is served is at the head, as it is where a projector runs.
    let vault = Vault::new(pool.clone(), &scratch.master_key, scratch.clock.clone());
    for projection in REBUILT.iter().filter_map(|name| projections::find(name)) {
        catch_up(&pool, &Log::new(pool.clone()), &vault, std::slice::from_ref(projection)).await?;
    }
    let (mut rebuilds, mut ratios, mut yard) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let plain_per_s = yardstick(&scratch.pool, head).await?;
        let per_s = rebuilt(&scratch, &pool, head).await?;
        ratios.push(per_s / plain_per_s);
        rebuilds.push(per_s);
        yard.push(plain_per_s);
    }
    report.add("rebuild_per_s", median(rebuilds));
    report.add("rebuild_ratio", median(ratios));
    report.add("rebuild_plain_per_s", median(yard));
    report.add("rebuild_events", count(usize::try_from(head)?));
    pool.close().await;
    drop(store);
    scratch.stop().await?;
    report.append(as_of::run(effort).await?);
    report.append(seal::run(effort).await?);
    Ok(report)
}

/// One rebuild of both projections, from asking for it to the swap; events a second, each counted once.
async fn rebuilt(scratch: &Scratch, pool: &Pool, head: i64) -> anyhow::Result<f64> {
    // Keys are not cached from the round before: opening is part of the figure.
    let vault = Vault::new(pool.clone(), &scratch.master_key, scratch.clock.clone());
    let deps = Deps { pool: pool.clone(), log: Log::new(pool.clone()), vault, clock: scratch.clock.clone() };
    let wish = Wish {
        id: ids::new_v7(&scratch.clock),
        projections: REBUILT.map(str::to_owned).to_vec(),
        workers: WORKERS,
        verify: false,
        reason: Reason::Asked,
        requested_by: None,
        at: scratch.clock.now(),
    };
    let id = rebuilds::request(&scratch.pool, &wish).await?;
    let (progress, _) = watch::channel(Progress::default());
    let begun = Instant::now();
    let outcome = rebuild::run(&deps, id, &progress, &Shutdown::new().token()).await?;
    let seconds = begun.elapsed().as_secs_f64();
    anyhow::ensure!(matches!(outcome, Outcome::Complete { .. }), "the rebuild came to {outcome:?}");
    let activities: i64 =
        sqlx::query_scalar("SELECT count(*) FROM view.activities LIMIT 1").fetch_one(&scratch.pool).await?;
    anyhow::ensure!(activities == head, "{activities} activities of {head} facts");
    Ok(count(usize::try_from(head)?) / seconds)
}

/// The same facts as plain JSON, as somebody without Orbit would have them.
async fn plain(pool: &Pool) -> anyhow::Result<()> {
    sqlx::raw_sql(
        "CREATE SCHEMA bench;
           CREATE TABLE bench.facts AS
           SELECT e.position, e.event_id, e.user_id, e.stream_id, e.category, e.type, e.recorded_at, e.metadata,
                  jsonb_build_object('title', 'Ask the printer for a second proof', 'priority', 'medium', 'status', 'open',
                      'list_id', e.user_id, 'position', 'V1jmC7aXq0Abcdef', 'description',
                      'The blue of the cover is too dark, and the spine is two millimetres off. Tell them by Thursday.')
                      AS data
           FROM log.events e;
           CREATE TABLE bench.told (id uuid, user_id uuid, position bigint, at timestamptz, actor jsonb, action_type text,
                                    description text, entity_type text, entity_id uuid, metadata jsonb)",
    )
    .execute(pool)
    .await?;
    sqlx::raw_sql("VACUUM ANALYZE bench.facts").execute(pool).await?;
    Ok(())
}

/// One `INSERT … SELECT`; events a second.
async fn yardstick(pool: &Pool, head: i64) -> anyhow::Result<f64> {
    sqlx::raw_sql("TRUNCATE bench.told").execute(pool).await?;
    let begun = Instant::now();
    sqlx::raw_sql(
        "INSERT INTO bench.told
         SELECT event_id, user_id, position, recorded_at, metadata -> 'actor', type,
                format('%s “%s”', split_part(type, '.', 2), data ->> 'title'), category, stream_id, data
         FROM bench.facts",
    )
    .execute(pool)
    .await?;
    Ok(count(usize::try_from(head)?) / begun.elapsed().as_secs_f64())
}
