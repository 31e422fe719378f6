//! Mail: a mailbox from the file into all read models, and then what is asked of it over HTTP: searches and lists.

mod mailbox;

use std::{
    io::BufWriter,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::stream;
use orbit_adapters::blobs::{Blobs, Key};
use orbit_event_store::imports::{Status, Wanted};
use orbit_events::{UserId, emails::BlobRef};
use orbit_platform::ids;
use orbit_projector::projections::ALL;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use uuid::Uuid;

use self::mailbox::{Dice, Vocabulary};
use super::{
    Report,
    client::Client,
    scratch::Scratch,
    server::{Roles, Server, User},
    work::{count, percentile},
};

/// Searches of each kind, and lists of each kind.
const QUESTIONS: u64 = 40;
/// How often it is looked whether all is there.
const LOOK: Duration = Duration::from_millis(50);
/// The longest import.
const PATIENCE: Duration = Duration::from_hours(1);
/// What is read from the file at a time.
const PIECE: usize = 256 * 1024;

pub async fn run(messages: usize) -> anyhow::Result<Report> {
    let scratch = Scratch::start(8).await?;
    let server = Server::start(&scratch, Roles::All).await?;
    let user = server.register(0).await?;
    let (words, path) = (Vocabulary::new(), scratch.directory().join("bench.mbox"));
    let now = scratch.clock.now();
    let (words, bytes) = {
        let path = path.clone();
        let writing = move || -> anyhow::Result<(Vocabulary, u64)> {
            let mut file = BufWriter::new(std::fs::File::create(path)?);
            let bytes = mailbox::write(messages, &words, now, &mut file)?;
            file.into_inner().context("write the mailbox")?.sync_all()?;
            Ok((words, bytes))
        };
        tokio::task::spawn_blocking(writing).await??
    };
    let mut report = Report::default();
    let took = import(&scratch, &server, &user, &path, messages).await?;
    report.add("import_per_s", count(messages) / took.as_secs_f64());
    report.add("import_rss_mb", peak_mb()?);
    report.add("import_message_bytes", count(usize::try_from(bytes)?) / count(messages.max(1)));
    sqlx::raw_sql("VACUUM ANALYZE").execute(&scratch.pool).await?;
    let mut client = Client::connect(server.address, Some(&user.token)).await?;
    let mut searched = vec![];
    for (figure, paths) in searches(&words) {
        let took = asked(&mut client, &paths).await?;
        report.add(figure, percentile(&took, 0.95));
        searched.extend(took);
    }
    searched.sort_unstable();
    report.add("search_p50_ms", percentile(&searched, 0.5));
    report.add("search_p95_ms", percentile(&searched, 0.95));
    let pages = lists(&mut client).await?;
    let lists = asked(&mut client, &pages).await?;
    report.add("list_p95_ms", percentile(&lists, 0.95));
    drop((client, server));
    scratch.stop().await?;
    Ok(report)
}

/// From the first byte until every projection has folded everything.
async fn import(
    scratch: &Scratch,
    server: &Server,
    user: &User,
    path: &Path,
    messages: usize,
) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let imports = server.store.imports();
    let upload = upload(&server.store.vault().blob_key(UserId(user.id)).await?, &server.blobs, user.id, path).await?;
    let id = ids::new_v7(server.store.clock());
    let wanted = Wanted {
        id,
        user_id: user.id,
        name: None,
        format: Some("mbox".to_owned()),
        folder: None,
        bytes: upload.length,
    };
    imports.request(&wanted, &upload).await?.context("the import was refused")?;
    loop {
        anyhow::ensure!(begun.elapsed() < PATIENCE, "the import takes longer than an hour");
        let import = imports.find(user.id, id).await?.context("the import is gone")?;
        match import.status {
            Status::Complete if import.progress.counts.created == i64::try_from(messages)? => break,
            Status::Queued | Status::Running => tokio::time::sleep(LOOK).await,
            Status::Complete | Status::Failed | Status::Cancelled => anyhow::bail!("the import ended as {import:?}"),
        }
    }
    let head = server.store.log().head().await?;
    let behind = "SELECT count(*) FILTER (WHERE position >= $1) FROM view.checkpoints";
    let all = i64::try_from(ALL.len())? * i64::from(head.partitions.0);
    while sqlx::query_scalar::<_, i64>(behind).bind(head.position).fetch_one(&scratch.pool).await? < all {
        anyhow::ensure!(begun.elapsed() < PATIENCE, "the read models take longer than an hour");
        tokio::time::sleep(LOOK).await;
    }
    Ok(begun.elapsed())
}

/// As `POST /emails/import` stores it.
async fn upload(key: &orbit_event_store::BlobKey, blobs: &Blobs, owner: Uuid, path: &Path) -> anyhow::Result<BlobRef> {
    let key = Key { number: key.number, bytes: key.bytes.clone() };
    let file = tokio::fs::File::open(path).await?;
    let content = stream::try_unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE];
        let read = file.read(&mut piece).await?;
        piece.truncate(read);
        Ok((read > 0).then(|| (Bytes::from(piece), file)))
    });
    let place = blobs.put(owner, &key, content, u64::MAX).await?;
    Ok(BlobRef {
        pack: place.pack.simple().to_string(),
        key: place.key,
        offset: place.offset,
        length: place.length,
        chunk: place.chunk,
        sha256: BlobRef::written(&place.sha256),
    })
}

/// Rare and common words, two, a phrase, a sender, marks, the beginning of a word: what each kind is reported as, and
/// what is asked.
fn searches(words: &Vocabulary) -> [(&'static str, Vec<String>); 7] {
    let mut dice = Dice(3);
    let mut one =
        |from: u64, upto: u64| words.nth(usize::try_from(from + dice.roll(upto - from)).unwrap_or(0)).to_owned();
    let mut kinds = [
        "search_rare_p95_ms",
        "search_common_p95_ms",
        "search_two_p95_ms",
        "search_phrase_p95_ms",
        "search_from_p95_ms",
        "search_unread_p95_ms",
        "search_prefix_p95_ms",
    ]
    .map(|figure| (figure, vec![]));
    for n in 0..QUESTIONS {
        let queries = [
            one(5_000, mailbox::WORDS as u64),
            one(20, 200),
            format!("{}+{}", one(50, 500), one(50, 500)),
            format!("%22{}+{}%22", one(0, 30), one(0, 30)),
            format!("from:{}", mailbox::person(n)),
            format!("in:inbox+is:unread+{}", one(100, 1_000)),
            one(500, 5_000).chars().take(4).collect(),
        ];
        for ((_, paths), query) in kinds.iter_mut().zip(queries) {
            paths.push(format!("/api/v1/emails/search?q={query}"));
        }
    }
    kinds
}

/// The inbox and its second page, what is unread, and a label: each as often.
async fn lists(client: &mut Client) -> anyhow::Result<Vec<String>> {
    let inbox = "/api/v1/emails?folder=inbox";
    let answer = client.send("GET", inbox, &[], None).await?;
    anyhow::ensure!(answer.status == 200, "{inbox} answered {}: {}", answer.status, answer.text());
    let page: Value = serde_json::from_slice(&answer.body)?;
    let mut all =
        vec![inbox.to_owned(), "/api/v1/emails/unread".to_owned(), "/api/v1/emails?label=label%203".to_owned()];
    all.extend(page["next_cursor"].as_str().map(|cursor| format!("{inbox}&cursor={cursor}")));
    let times = usize::try_from(QUESTIONS)?;
    Ok(all.into_iter().flat_map(|page| std::iter::repeat_n(page, times)).collect())
}

/// How long each answer took, the shortest first.
async fn asked(client: &mut Client, paths: &[String]) -> anyhow::Result<Vec<Duration>> {
    let mut took = Vec::with_capacity(paths.len());
    for path in paths {
        let begun = Instant::now();
        let answer = client.send("GET", path, &[], None).await?;
        took.push(begun.elapsed());
        anyhow::ensure!(answer.status == 200, "{path} answered {}: {}", answer.status, answer.text());
    }
    took.sort_unstable();
    Ok(took)
}

/// The most memory that this process ever had, load and all roles included.
fn peak_mb() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("how much memory this takes is not known")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<f64>().ok());
    Ok(kilobytes.context("how much memory this takes is not known")? / 1024.0)
}
