//! `orbit parked`: facts that a projection could not apply, and everything later of their streams.

use anyhow::bail;
use clap::Subcommand;
use orbit_platform::postgres::Pool;
use orbit_projector::parked::{self, Parked, Retried};
use uuid::Uuid;

use crate::{
    place::{Open, Place},
    print,
};

const EXAMPLES: &str = "\
Examples:
  orbit parked list
  orbit parked retry                                   everything, after what was wrong was mended
  orbit parked retry --stream 0190a5c4-…               one stream
  orbit parked discard --projection tasks --stream 0190a5c4-…

They look at the database of DATABASE_URL, or at that of `orbit up`.";

/// Facts fetched at once.
const PAGE: i64 = 1_000;

/// Arguments of `orbit parked`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print a table of parked facts
    #[command(after_help = "Example:\n  orbit parked list --projection tasks")]
    List {
        #[command(flatten)]
        choice: Choice,
        #[command(flatten)]
        place: Box<Place>,
    },
    /// Apply parked facts again; what still cannot be applied stays parked, and the exit code is 1
    #[command(after_help = "Example:\n  orbit parked retry --projection tasks")]
    Retry {
        #[command(flatten)]
        choice: Choice,
        #[command(flatten)]
        place: Box<Place>,
    },
    /// Give up on the parked facts of a stream: that projection never applies them (the log keeps them)
    #[command(
        after_help = "Example:\n  orbit parked discard --projection tasks --stream 0190a5c4-6f7e-7c1a-8f55-0d2f5e1b2c3d"
    )]
    Discard {
        /// The projection that is to forget about them
        #[arg(long)]
        projection: String,
        /// The stream
        #[arg(long)]
        stream: Uuid,
        #[command(flatten)]
        place: Box<Place>,
    },
}

/// Which parked facts.
#[derive(Debug, clap::Args)]
struct Choice {
    /// Only those of this projection
    #[arg(long)]
    projection: Option<String>,
    /// Only those of this stream
    #[arg(long)]
    stream: Option<Uuid>,
}

impl Choice {
    fn fits(&self, parked: &Parked) -> bool {
        self.projection.as_ref().is_none_or(|name| *name == parked.projection)
            && self.stream.is_none_or(|stream| stream == parked.stream_id)
    }
}

/// Does what the words say.
pub async fn run(args: Args) -> anyhow::Result<()> {
    match args.action {
        Action::List { choice, place } => list(&place.open("orbit parked").await?.pool, &choice).await,
        Action::Retry { choice, place } => retry(&place.open("orbit parked").await?, &choice).await,
        Action::Discard { projection, stream, place } => {
            match parked::discard(&place.open("orbit parked").await?.pool, &projection, stream).await? {
                0 => bail!("nothing of stream {stream} is parked in {projection}: see `orbit parked list`"),
                given_up => {
                    print::line(&format!("Discarded {given_up} facts; later ones of the stream are applied again."))
                }
            }
        }
    }
}

async fn list(pool: &Pool, choice: &Choice) -> anyhow::Result<()> {
    let parked = all(pool, choice).await?;
    if parked.is_empty() {
        return print::line("Nothing is parked.");
    }
    let heading = ["PROJECTION", "POSITION", "STREAM", "TYPE", "SINCE", "WHY"].map(str::to_owned).to_vec();
    let rows = parked.into_iter().map(|fact| {
        let since = fact.parked_at.format("%Y-%m-%d %H:%M:%S").to_string();
        vec![fact.projection, fact.position.to_string(), fact.stream_id.to_string(), fact.wire_type, since, fact.reason]
    });
    print::text(&print::table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>()))
}

async fn retry(open: &Open, choice: &Choice) -> anyhow::Result<()> {
    // Each stream of each projection once, the one with the oldest fact first.
    let mut streams: Vec<(String, Uuid)> = Vec::new();
    for fact in all(&open.pool, choice).await? {
        let stream = (fact.projection, fact.stream_id);
        if !streams.contains(&stream) {
            streams.push(stream);
        }
    }
    let (mut applied, mut stuck) = (0, 0);
    for (projection, stream) in &streams {
        match parked::retry(&open.pool, &open.log, &open.vault, projection, *stream).await? {
            Retried::Applied(facts) => applied += facts,
            // Somebody else was quicker.
            Retried::Nothing => {}
            Retried::StillParked { position, reason } => {
                stuck += 1;
                print::line(&format!("{projection}: stream {stream} is stuck at position {position}: {reason}"))?;
            }
        }
    }
    print::line(&format!("Applied {applied} facts of {} streams.", streams.len() - stuck))?;
    if stuck > 0 {
        bail!("{stuck} streams still cannot be applied: mend what is said above, or discard them");
    }
    Ok(())
}

async fn all(pool: &Pool, choice: &Choice) -> anyhow::Result<Vec<Parked>> {
    let (mut chosen, mut after) = (Vec::new(), 0);
    loop {
        let page = parked::list(pool, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(chosen) };
        // A page may end in the middle of a position that several projections have parked: look at it again.
        let whole = page.len() < usize::try_from(PAGE)?;
        let next = if whole { last.position } else { last.position - 1 };
        chosen.extend(page.into_iter().filter(|fact| fact.position <= next && choice.fits(fact)));
        if whole {
            return Ok(chosen);
        }
        after = next;
    }
}
