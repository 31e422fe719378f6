//! `orbit projections`: which read models there are, how far and how large they are, and what is being rebuilt.

use orbit_projector::checkpoints::{self, Overview};

use crate::{place::Place, print};

const EXAMPLES: &str = "\
Examples:
  orbit projections
  orbit projections --as-json

They are those of DATABASE_URL, or those of `orbit up`. A version with an arrow (1 → 2) is served
by older code: a projector rebuilds it by itself, or `orbit rebuild` does.";

/// Arguments of `orbit projections`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Print one JSON object per projection
    #[arg(long)]
    as_json: bool,
    #[command(flatten)]
    place: Box<Place>,
}

/// Prints a table.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let open = args.place.open("orbit projections").await?;
    let all = checkpoints::overview(&open.pool).await?;
    if args.as_json {
        return all.iter().try_for_each(|projection| print::line(&serde_json::to_string(projection)?));
    }
    let heading = ["PROJECTION", "VERSION", "POSITION", "LAG", "SIZE", "PARKED", "REBUILD"].map(str::to_owned).to_vec();
    let rows = all.iter().map(row);
    print::text(&print::table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>()))
}

fn row(projection: &Overview) -> Vec<String> {
    let version = match projection.version {
        Some(served) if served == projection.code_version => served.to_string(),
        Some(served) => format!("{served} → {}", projection.code_version),
        None => format!("– → {}", projection.code_version),
    };
    let rebuild = projection.rebuild_id.map_or_else(
        || "–".to_owned(),
        |id| format!("{} ({id})", projection.rebuild_state.as_deref().unwrap_or_default()),
    );
    vec![
        projection.name.clone(),
        version,
        projection.position.to_string(),
        projection.lag.to_string(),
        indicatif::HumanBytes(projection.size_bytes.unsigned_abs()).to_string(),
        projection.parked.to_string(),
        rebuild,
    ]
}
