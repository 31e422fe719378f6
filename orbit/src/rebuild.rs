//! `orbit rebuild`: fills read models anew, here or by following a projector that was quicker, with a bar to watch.

use std::{convert::Infallible, time::Duration};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use orbit_event_store::rebuilds::{self, Reason, Rebuild, Wish};
use orbit_platform::{ids, shutdown::Shutdown};
use orbit_projector::{
    projections,
    rebuild::{self, Deps, Outcome, Progress},
};
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    place::{Open, Place},
    print,
};

const EXAMPLES: &str = "\
Examples:
  orbit rebuild tasks                        while everything goes on
  orbit rebuild tasks activities --workers 4
  orbit rebuild --all --verify               stop before the swap if anything comes out otherwise
  orbit rebuild --cancel 0190a5c4-…          one that somebody else began

Ctrl-C cancels it. After a crash the same command goes on where it stood; so does any
projector. Only the database user that ran `orbit migrate` can do it.";

/// How often the bar is moved.
const LOOK: Duration = Duration::from_millis(250);

/// Arguments of `orbit rebuild`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The projections to rebuild, together: see `orbit projections`
    #[arg(value_name = "PROJECTION", required_unless_present_any = ["all", "cancel"])]
    projections: Vec<String>,
    /// All of them
    #[arg(long, conflicts_with = "projections")]
    all: bool,
    /// How many workers, each with one batch that is made and one that is written
    #[arg(long, default_value_t = rebuild::WORKERS, value_parser = clap::value_parser!(i16).range(1..=rebuild::MOST_WORKERS.into()))]
    workers: i16,
    /// Leave what is served in place if what is rebuilt is not the same
    #[arg(long)]
    verify: bool,
    /// Cancel this rebuild, wherever it runs
    #[arg(long, value_name = "ID", conflicts_with_all = ["projections", "all", "verify"])]
    cancel: Option<Uuid>,
    #[command(flatten)]
    place: Box<Place>,
}

/// Asks for the rebuild, and does it or watches it done.
pub async fn run(args: Args) -> anyhow::Result<()> {
    if let Some(id) = args.cancel {
        let open = args.place.open("orbit rebuild").await?;
        return cancel(&open, id).await;
    }
    let projections = chosen(&args)?;
    let open = args.place.open("orbit rebuild").await?;
    open.vault.require_fit().await?;
    let wish = Wish {
        id: ids::new_v7(&open.clock),
        projections,
        workers: args.workers,
        verify: args.verify,
        reason: Reason::Asked,
        requested_by: None,
        at: open.clock.now(),
    };
    let id = resumable(&open, &wish).await?;
    let interrupted = Shutdown::new();
    interrupted.on_signals();
    let rebuild = tokio::select! {
        rebuild = see_through(&open, id) => rebuild?,
        () = interrupted.cancelled() => {
            cancel(&open, id).await?;
            bail!("rebuild {id} was cancelled; what is served is what it was");
        }
    };
    report(&rebuild)
}

/// The names that are meant, in the order in which all are listed.
fn chosen(args: &Args) -> anyhow::Result<Vec<String>> {
    let names = projections::ALL.iter().map(|projection| projection.name);
    if let Some(unknown) = args.projections.iter().find(|name| projections::find(name).is_none()) {
        bail!("there is no projection {unknown}: there are {}", names.collect::<Vec<_>>().join(", "));
    }
    Ok(names.filter(|name| args.all || args.projections.iter().any(|asked| asked == name)).map(str::to_owned).collect())
}

/// The open rebuild that is the same as this wish, which somebody has left; or a new one.
async fn resumable(open: &Open, wish: &Wish) -> anyhow::Result<Uuid> {
    let same = |other: &Rebuild| {
        other.finished_at.is_none()
            && !other.cancel
            && other.projections == wish.projections
            && other.verify == wish.verify
    };
    if let Some(left) = rebuilds::newest(&open.pool).await?.into_iter().find(same) {
        eprintln(&format!("going on with rebuild {}, which is {}", left.id, left.state));
        return Ok(left.id);
    }
    Ok(rebuilds::request(&open.pool, wish).await?)
}

/// Does it, or follows who does, until it has ended.
async fn see_through(open: &Open, id: Uuid) -> anyhow::Result<Rebuild> {
    let bar = bar();
    let deps =
        Deps { pool: open.pool.clone(), log: open.log.clone(), vault: open.vault.clone(), clock: open.clock.clone() };
    let (progress, mut moved) = watch::channel(Progress::default());
    let never = Shutdown::new().token();
    loop {
        let outcome = tokio::select! {
            outcome = rebuild::run(&deps, id, &progress, &never) => outcome,
            never = show(&bar, &mut moved) => match never {},
        };
        match outcome {
            Ok(Outcome::Busy) => {
                let rebuild = find(open, id).await?;
                bar.set_length(rebuild.target.unsigned_abs());
                bar.set_position(rebuild.position.unsigned_abs());
                bar.set_message(rebuild.state.clone());
                if rebuild.finished_at.is_some() {
                    bar.finish_and_clear();
                    return Ok(rebuild);
                }
                tokio::time::sleep(LOOK).await;
            }
            Ok(Outcome::Complete { .. } | Outcome::Cancelled) | Err(rebuild::Fault::NoSuchRebuild(_)) => {
                bar.finish_and_clear();
                return find(open, id).await;
            }
            Err(fault) => {
                bar.finish_and_clear();
                return Err(fault.into());
            }
        }
    }
}

async fn find(open: &Open, id: Uuid) -> anyhow::Result<Rebuild> {
    rebuilds::find(&open.pool, id).await?.with_context(|| format!("there is no rebuild {id}"))
}

/// Moves the bar for as long as it is polled.
async fn show(bar: &ProgressBar, moved: &mut watch::Receiver<Progress>) -> Infallible {
    loop {
        let now = *moved.borrow_and_update();
        bar.set_length(now.target.unsigned_abs());
        bar.set_position(now.position.unsigned_abs());
        bar.set_message(now.step.name());
        tokio::time::sleep(LOOK).await;
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:>10} {bar:30} {human_pos}/{human_len} {per_sec} ETA {eta}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Says what came of it; a failure is one.
fn report(rebuild: &Rebuild) -> anyhow::Result<()> {
    let names = rebuild.projections.join(", ");
    match rebuild.state.as_str() {
        "complete" => {}
        "cancelled" => bail!("rebuild {} was cancelled; what is served is what it was", rebuild.id),
        _ => bail!("rebuild {} failed: {}", rebuild.id, rebuild.error.as_deref().unwrap_or("nobody said why")),
    }
    let took = rebuild.finished_at.zip(rebuild.started_at).map(|(end, start)| (end - start).num_milliseconds());
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a rebuild are few")]
    let seconds = took.unwrap_or(0) as f64 / 1_000.0;
    print::line(&format!(
        "Rebuilt {names} up to position {}: {} facts applied in {seconds:.1} s.",
        rebuild.position, rebuild.facts
    ))?;
    match rebuild.differences.as_ref().and_then(|differences| differences.as_array()) {
        None => print::line("What was served stood behind the log, so it was not compared."),
        Some(none) if none.is_empty() => print::line("It is what was served before, row by row."),
        Some(found) => found.iter().try_for_each(difference),
    }
}

fn difference(difference: &Value) -> anyhow::Result<()> {
    let examples = difference["examples"].as_array().map(Vec::as_slice).unwrap_or_default();
    let examples: Vec<&str> = examples.iter().filter_map(Value::as_str).collect();
    print::line(&format!(
        "{} came out otherwise: {} rows were served, {} were rebuilt; first of those that differ: {}",
        difference["table"].as_str().unwrap_or_default(),
        difference["served"],
        difference["rebuilt"],
        examples.join(", ")
    ))
}

async fn cancel(open: &Open, id: Uuid) -> anyhow::Result<()> {
    if !rebuilds::cancel(&open.pool, id, open.clock.now()).await? {
        let state = rebuilds::find(&open.pool, id).await?.map(|rebuild| rebuild.state);
        match state {
            Some(state) => bail!("rebuild {id} has ended: it is {state}"),
            None => bail!("there is no rebuild {id}: see `orbit projections`"),
        }
    }
    print::line(&format!("Rebuild {id} is to stop."))
}

/// A line beside the result.
fn eprintln(text: &str) {
    use std::io::Write;
    // Who does not listen misses nothing of the result.
    let _ = writeln!(std::io::stderr(), "{text}");
}
