//! Fills scratch tables: the caller's facts up to a moment, folded by the projection that the question reads.

use orbit_event_store::{Kinds, Selection};
use orbit_platform::problem::ApiError;
use orbit_projector::{
    projection::{ApplyFault, Interest, Registered},
    scratch,
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Facts, Moment, feed::Feed};
use crate::{freshness, reader::Whose};

/// Folds into the tables of this session and leaves its transaction open, for the question. Gives how many facts it read.
///
/// `streams` narrows it to what the question needs; `None` is everything of the caller's.
pub(super) async fn fold(
    facts: &Facts,
    db: &mut PgConnection,
    projection: &'static Registered,
    moment: Moment,
    whose: Whose,
    streams: Option<&[Uuid]>,
) -> Result<u64, ApiError> {
    let selection =
        Selection { user_id: whose.user_id, kinds: kinds(projection), streams, after: 0, upto: moment.position };
    let mut feed = Feed::new(facts, selection);
    let (opened, first) = tokio::join!(scratch::open(db), feed.next());
    opened.map_err(freshness::explain)?;
    let (mut fold, mut batch, mut count) = (scratch::Fold::new(projection), first?, 0);
    while !batch.is_empty() {
        count += batch.len() as u64;
        // The database folds while the next facts are opened here.
        let (folded, next) = tokio::join!(fold.apply(db, &batch), feed.next());
        folded.map_err(explain)?;
        batch = next?;
    }
    scratch::close(db, projection, whose.partition, moment.position).await.map_err(freshness::explain)?;
    Ok(count)
}

fn kinds(projection: &Registered) -> Option<Kinds> {
    match projection.interest {
        Interest::All => None,
        Interest::Some { categories, types } => Some(Kinds { categories, types }),
    }
}

fn explain(fault: ApplyFault) -> ApiError {
    if fault.is_outage() { ApiError::unavailable("the database").with_source(fault) } else { ApiError::internal(fault) }
}
