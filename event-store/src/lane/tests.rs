//! Single batches against a real database. Invariant 1, and that nobody fails for a neighbour's sake.

use chrono::{DateTime, Utc};
use orbit_platform::{postgres::Pool, shutdown::Shutdown};
use orbit_testing::{TestDatabase, database, eventually};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
};
use uuid::Uuid;

use super::*;
use crate::batch::{Grip, KeptAnswer, SealedFact, Write};

const AT: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn fact() -> SealedFact {
    SealedFact {
        event_id: orbit_platform::ids::new_event_id(),
        wire_type: "labels.created",
        schema_version: 1,
        data: vec![1, 2, 3],
        metadata: r#"{"actor":{"type":"user"},"correlation_id":"00000000-0000-0000-0000-000000000000"}"#.into(),
        at: AT,
    }
}

fn write(stream: u128, expected: i64, facts: usize) -> Write {
    Write {
        stream_id: Uuid::from_u128(stream),
        category: "labels",
        user_id: Uuid::from_u128(1),
        partition: 0,
        expected,
        facts: (0..facts).map(|_| fact()).collect(),
    }
}

fn creation(stream: u128) -> Request {
    Request { writes: vec![write(stream, 0, 1)], ..Request::default() }
}

fn grip(stream: u128, key: &[u8]) -> Grip {
    Grip { scope: "labels.name", key: key.to_vec(), stream_id: Uuid::from_u128(stream) }
}

fn claiming(stream: u128, key: &[u8]) -> Request {
    Request { taken: vec![grip(stream, key)], ..creation(stream) }
}

fn answering(request: Request, key: &str) -> Request {
    let answer = KeptAnswer {
        scope: Uuid::from_u128(1),
        key: key.into(),
        fingerprint: [0; 32],
        sealed: orbit_platform::random::bytes::<8>().to_vec(),
        position: 0,
        at: AT,
        until: AT + Duration::from_hours(24),
    };
    Request { answer: Some(answer), ..request }
}

struct Rig {
    database: TestDatabase,
    lane: Option<Lane>,
}

impl Rig {
    async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        let database = database().await;
        let lane = Some(Lane::new(0, &database.pool().into(), limits, &Appended::new(0)));
        Self { database, lane }
    }

    /// Sends one batch; the verdicts in order.
    async fn send(&mut self, batch: Vec<Request>) -> Vec<Verdict> {
        let (queued, verdicts): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|request| {
                let (reply, verdict) = oneshot::channel();
                (Queued { request: Box::new(request), reply, since: Instant::now() }, verdict)
            })
            .unzip();
        let lane = self.lane.take().unwrap().commit(queued);
        self.lane = Some(timeout(Duration::from_secs(30), lane).await.expect("the lane is stuck"));
        futures_util::future::join_all(verdicts).await.into_iter().map(|verdict| verdict.unwrap()).collect()
    }

    /// `(count, newest position, head)`
    async fn log(&self) -> (i64, i64, i64) {
        sqlx::query_as("SELECT count(*), coalesce(max(position), 0), (SELECT position FROM log.head) FROM log.events")
            .fetch_one(self.database.pool())
            .await
            .unwrap()
    }
}

fn told(verdicts: &[Verdict]) -> Vec<String> {
    let tell = |verdict: &Verdict| match verdict {
        Verdict::Appended { base } => base.to_string(),
        Verdict::Conflict => "conflict".into(),
        Verdict::Taken(scope) => scope.clone(),
        Verdict::Answered => "answered".into(),
        Verdict::Failed(fault) => format!("{fault:?}"),
    };
    verdicts.iter().map(tell).collect()
}

#[tokio::test]
async fn every_loser_is_turned_away_for_its_own_reason_and_no_neighbour_fails() {
    let mut rig = Rig::new().await;
    let before = answering(claiming(1, b"red"), "once");
    assert_eq!(told(&rig.send(vec![before]).await), ["0"]);
    let stale = Request { writes: vec![write(1, 5, 1)], ..Request::default() };
    let guarding = Request { guards: vec![(Uuid::from_u128(1), 2)], ..creation(12) };
    let batch = vec![
        creation(10),
        claiming(11, b"red"),
        stale,
        guarding,
        answering(creation(13), "once"),
        creation(1),
        Request { writes: vec![write(14, 0, 3)], ..Request::default() },
    ];
    let verdicts = rig.send(batch).await;
    assert_eq!(told(&verdicts), ["1", "labels.name", "conflict", "conflict", "answered", "conflict", "2"]);
    assert_eq!(rig.log().await, (5, 5, 5));
}

#[tokio::test]
async fn a_claim_passes_from_hand_to_hand_within_one_request() {
    let mut rig = Rig::new().await;
    rig.send(vec![claiming(1, b"red"), claiming(2, b"blue")]).await;
    let swap = Request {
        writes: vec![write(1, 1, 1), write(2, 1, 1)],
        released: vec![grip(1, b"red"), grip(2, b"blue")],
        taken: vec![grip(1, b"blue"), grip(2, b"red")],
        ..Request::default()
    };
    assert_eq!(told(&rig.send(vec![swap]).await), ["2"]);
}

#[tokio::test]
async fn a_request_in_its_own_way_does_not_keep_the_lane_for_ever() {
    let mut rig = Rig::new().await;
    let twice = Request { taken: vec![grip(1, b"red"), grip(1, b"red")], ..creation(1) };
    let verdicts = rig.send(vec![creation(2), twice, creation(3)]).await;
    assert_eq!(told(&verdicts), ["0", "conflict", "1"]);
    assert_eq!(rig.log().await, (2, 2, 2));
}

#[tokio::test]
async fn a_request_that_the_database_cannot_take_fails_alone() {
    let mut rig = Rig::new().await;
    // An index key may have about 2,700 bytes; random ones do not compress.
    let long: Vec<u8> = (0..125).flat_map(|_| orbit_platform::random::bytes::<32>()).collect();
    let verdicts = rig.send(vec![creation(1), claiming(2, &long), creation(3)]).await;
    let told = told(&verdicts);
    assert!(told[1].contains("index row"), "{}", told[1]);
    assert_eq!([&told[0], &told[2]], ["0", "1"]);
    assert_eq!(rig.log().await, (2, 2, 2));
}

/// Backends that are appending and wait for a lock that somebody else holds.
async fn waiting(pool: &Pool) -> Vec<i32> {
    let query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                 AND starts_with(query, 'SELECT log.append')";
    sqlx::query_scalar(query).fetch_all(pool).await.unwrap()
}

/// Ends the lane's backend and says whether there was one.
async fn end(pool: &Pool, seat: i64) -> bool {
    let query = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND granted
                 AND objsubid = 1 AND ((classid::bigint << 32) | objid::bigint) = $1";
    sqlx::query_scalar::<_, i64>(query).bind(seat).fetch_one(pool).await.unwrap() > 0
}

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_batch_whose_connection_ends_before_the_commit_is_appended_once() {
    let mut rig = Rig::new().await;
    rig.send(vec![creation(1)]).await;
    let (pool, seat) = (Pool::from(rig.database.pool()), rig.lane.as_ref().unwrap().seat);
    let mut holder = pool.begin().await.unwrap();
    sqlx::query("SELECT FROM log.head FOR UPDATE").execute(&mut *holder).await.unwrap();
    let meanwhile = async {
        for _ in 0..3 {
            eventually(SOON, || async { waiting(&pool).await.len() == 1 && end(&pool, seat).await }).await;
        }
        eventually(SOON, || async { waiting(&pool).await.len() == 1 }).await;
        holder.rollback().await.unwrap();
    };
    let (verdicts, ()) = tokio::join!(rig.send(vec![creation(2), answering(claiming(3, b"red"), "once")]), meanwhile);
    assert_eq!(told(&verdicts), ["1", "2"]);
    assert_eq!(rig.log().await, (3, 3, 3));
}

/// Between a lane and its database: loses the client, or the server's words, as bad networks do.
struct Proxy {
    options: sqlx::postgres::PgConnectOptions,
    /// Whether what the server says is lost.
    deaf: watch::Sender<bool>,
    /// Told of a loss, connections that are open lose their client; the server does not hear of it.
    lost: watch::Sender<()>,
}

impl Proxy {
    async fn start(pool: &Pool, life: &Shutdown) -> Self {
        let options = pool.connect_options();
        let to = format!("{}:{}", options.get_host(), options.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = (*options).clone().host("127.0.0.1").port(listener.local_addr().unwrap().port());
        let (deaf, lost) = (watch::Sender::new(false), watch::Sender::new(()));
        let (is_deaf, is_lost, owner) = (deaf.clone(), lost.clone(), life.clone());
        life.spawn("proxy", async move {
            while let Some(Ok((client, _))) = owner.token().run_until_cancelled(listener.accept()).await {
                let server = TcpStream::connect(&to).await.unwrap();
                owner.spawn("pipe", pipe(client, server, is_deaf.subscribe(), is_lost.subscribe(), owner.clone()));
            }
        });
        Self { options, deaf, lost }
    }
}

async fn pipe(
    mut client: TcpStream,
    mut server: TcpStream,
    mut deaf: watch::Receiver<bool>,
    mut lost: watch::Receiver<()>,
    life: Shutdown,
) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) = (client.split(), server.split());
    let deafened = async { drop(deaf.wait_for(|deaf| *deaf).await) };
    let down = async {
        let heard_all = tokio::select! {
            _ = tokio::io::copy(&mut from_server, &mut to_client) => true,
            () = deafened => false,
        };
        if !heard_all {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => return,
        () = down => return,
        _ = lost.changed() => {}
    }
    // The client sees the end, the server sees nothing.
    drop(client);
    life.cancelled().await;
    drop(server);
}

async fn proxied() -> (Rig, Proxy, Shutdown) {
    let mut rig = Rig::new().await;
    let life = Shutdown::new();
    let proxy = Proxy::start(&rig.database.pool().into(), &life).await;
    let pool = sqlx::PgPool::connect_lazy_with(proxy.options.clone()).into();
    rig.lane = Some(Lane::new(0, &pool, Limits::default(), &Appended::new(0)));
    (rig, proxy, life)
}

#[tokio::test]
async fn a_batch_that_goes_on_without_its_client_is_not_appended_a_second_time() {
    let (mut rig, proxy, life) = proxied().await;
    rig.send(vec![creation(1)]).await;
    let pool: Pool = rig.database.pool().into();
    // The batch waits for a stream, far from the head.
    let mut holder = pool.begin().await.unwrap();
    sqlx::query("SELECT FROM log.streams FOR UPDATE").execute(&mut *holder).await.unwrap();
    let meanwhile = async {
        let first = eventually(SOON, || async { waiting(&pool).await.pop() }).await;
        proxy.lost.send_replace(());
        // The second one waits for the stream too; had the first not ended, it would be before it.
        let second = || async { waiting(&pool).await.into_iter().find(|pid| *pid != first) };
        eventually(SOON, second).await;
        holder.rollback().await.unwrap();
    };
    let batch = vec![Request { writes: vec![write(1, 1, 1)], ..Request::default() }];
    let (verdicts, ()) = tokio::join!(rig.send(batch), meanwhile);
    assert_eq!(told(&verdicts), ["1"]);
    assert_eq!(rig.log().await, (2, 2, 2));
    life.trigger();
}

#[tokio::test]
async fn a_batch_whose_commit_nobody_heard_of_is_found_in_the_log() {
    let (mut rig, proxy, life) = proxied().await;
    rig.send(vec![creation(1)]).await;
    let pool: Pool = rig.database.pool().into();
    proxy.deaf.send_replace(true);
    let meanwhile = async {
        let head =
            || async { sqlx::query_scalar::<_, i64>("SELECT position FROM log.head").fetch_one(&pool).await.unwrap() };
        eventually(SOON, || async { head().await == 4 }).await;
        proxy.deaf.send_replace(false);
        proxy.lost.send_replace(());
    };
    let nothing = answering(Request::default(), "nothing");
    let three = vec![Request { writes: vec![write(2, 0, 2)], ..Request::default() }, creation(3), nothing];
    let (verdicts, ()) = tokio::join!(rig.send(three), meanwhile);
    assert_eq!(told(&verdicts), ["1", "3", "0"]);
    assert_eq!(rig.log().await, (4, 4, 4));
    assert_eq!(*rig.lane.as_ref().unwrap().appended.subscribe().borrow(), 4, "others are told of what was found");
    life.trigger();
}

#[tokio::test]
async fn a_database_that_is_silent_for_too_long_leaves_no_caller_waiting() {
    let mut rig = Rig::new().await;
    // Connected, with time for it: what is cut short is to be the batch.
    assert_eq!(told(&rig.send(vec![creation(0)]).await), ["0"]);
    rig.lane.as_mut().unwrap().limits.outage = Duration::from_millis(200);
    let mut holder = rig.database.pool().begin().await.unwrap();
    sqlx::query("SELECT FROM log.head FOR UPDATE").execute(&mut *holder).await.unwrap();
    assert_eq!(told(&rig.send(vec![creation(1)]).await), ["OutcomeUnknown"]);
    holder.rollback().await.unwrap();
    rig.lane.as_mut().unwrap().limits.outage = Limits::default().outage;
    // Whatever became of it, the next batch goes through.
    assert_eq!(told(&rig.send(vec![creation(2)]).await).len(), 1);
    let (count, newest, head) = rig.log().await;
    assert_eq!((count, newest), (head, head));
}

#[tokio::test]
async fn what_was_never_sent_is_known_not_to_be_in_the_log() {
    let mut rig = Rig::with(Limits { outage: Duration::from_millis(200), ..Limits::default() }).await;
    let nowhere = rig.database.pool().connect_options().as_ref().clone().port(1);
    rig.lane.as_mut().unwrap().pool = sqlx::PgPool::connect_lazy_with(nowhere).into();
    let verdicts = rig.send(vec![creation(1), creation(2)]).await;
    for verdict in verdicts {
        assert!(matches!(verdict, Verdict::Failed(Fault::Database { .. })), "{verdict:?}");
    }
}
