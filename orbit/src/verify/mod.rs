//! `orbit verify`: the whole log held to its seals, and read models and stream held to the log.

mod findings;
mod keys;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use orbit_event_store::{
    Log,
    proof::verify::{Question, Verdict, verify},
};
use orbit_platform::{
    config::{DatabaseArgs, EnvironmentArgs, NatsArgs, ProofArgs, Secret},
    postgres,
};
use orbit_projector::verify as read_models;
use orbit_query_api::app::ROLE;
use sqlx::Connection;

use self::findings::Findings;
use crate::{
    place::{HomeArgs, addresses},
    print, schema,
};

const EXAMPLES: &str = "\
Examples:
  orbit verify                                   the log of DATABASE_URL, or that of `orbit up`
  orbit verify --key 'orbit/0197…+033de0ae+ARpc…'    … held to a key that you have kept
  orbit verify --checkpoint monday.txt           … and to a checkpoint that you have kept
  orbit verify --from 1000000 --json             the newer part, for a program

Exit code 1 if anything is wrong; the last line names the first bad position.";

/// Arguments of `orbit verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A public key (name+hash+base64) whose checkpoints are believed; without any, that of `ORBIT_PROOF_KEY`
    /// or of `orbit up`
    #[arg(long = "key", value_name = "VERIFIER_KEY")]
    keys: Vec<String>,
    /// A file with a checkpoint (a signed note) that was kept elsewhere: the log must begin with what it says
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<std::path::PathBuf>,
    /// The first position to look at; what is before is believed to be what the tree says
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..))]
    from: i64,
    /// Print one JSON object in place of the table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    home: HomeArgs,
    #[command(flatten)]
    environment: EnvironmentArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    nats: NatsArgs,
    #[command(flatten)]
    proof: ProofArgs,
}

/// Looks at everything, prints what was found, and fails if anything is wrong.
pub async fn run(mut args: Args) -> anyhow::Result<()> {
    let home = args.home.locate()?;
    let own = args.database.database_url.is_empty();
    if own {
        let known = addresses(&home)?;
        args.database.database_url = Secret::new(known.database_url);
        if args.nats.nats_url.is_empty() {
            args.nats.nats_url = Secret::new(known.nats_url);
        }
    }
    let local = own.then_some(&home);
    let trusted = keys::trusted(&args.keys, &args.proof, args.environment.environment, local)?;
    let witnessed = keys::witnessed(&args.checkpoints, &trusted)?;
    let mut connection = schema::connect(&args.database, "orbit verify").await?;
    let state = schema::state(&mut connection).await.context("cannot read which migrations the database has")?;
    let _ = connection.close().await;
    state.require_current()?;

    // Reading is all that this role may do.
    let path = Some(orbit_projector::SEARCH_PATH);
    let pool = postgres::connect_as(&args.database, "orbit verify", path, ROLE).await?;
    let head = Log::new(pool.clone()).head().await?;
    let bar = progress(head.position, args.json)?;
    let mut connection = pool.acquire().await?;
    let question = Question { from: args.from, trusted: trusted.clone(), witnessed };
    let verdict: Verdict =
        verify(&mut connection, &question, |position| bar.set_position(position.unsigned_abs())).await?;
    bar.set_message("read models");
    let compared = read_models::activities(&mut connection, |_| bar.tick()).await?;
    let ahead = read_models::ahead(&mut connection).await?;
    drop(connection);
    let mut findings = Findings::of(&verdict, &question);
    findings.read_models(&compared, &ahead);
    findings.stream(&args.nats, &pool).await;
    bar.finish_and_clear();
    pool.close().await;

    if args.json {
        print::line(&findings.json(&verdict)?)?;
    } else {
        print::text(&findings.table())?;
    }
    if !findings.is_wrong() {
        return Ok(());
    }
    match findings.first_bad() {
        Some(position) => bail!("the first bad position is {position}"),
        None => bail!("something is wrong, and no position is to blame: the table says what"),
    }
}

/// Shown on terminals only, and beside a table only.
fn progress(head: i64, json: bool) -> anyhow::Result<ProgressBar> {
    if json {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {per_sec} {msg} {eta}")?;
    Ok(ProgressBar::new(head.unsigned_abs()).with_style(style))
}
