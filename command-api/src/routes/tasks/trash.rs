//! What comes back with a task: the sub-tasks that went into the trash with it, and no others.
//!
//! Tasks in the trash hold no claims, so nothing lists them by parent. But what one unit of work deletes lies in one
//! stretch of the log, those further up first: positions are contiguous, and an append is not interrupted (invariant 1).
//! So the facts behind the task's own `deleted` that come from the same request and the same moment are those of its
//! sub-tasks. The moment tells the operations of a batch apart, and requests to which a client gave one id.

use std::collections::HashSet;

use orbit_domain::tasks::Task;
use orbit_event_store::{Loaded, Log, Unit};
use orbit_events::TaskId;

use super::tree::MAX_SUBTREE;
use crate::error::Result;

/// Positions that are read at once.
const PAGE: i64 = 500;

/// The sub-tasks that were deleted with this task and are still in the trash, those further up first.
pub async fn deleted_with(log: &Log, unit: &Unit, task: &Loaded<Task>) -> Result<Vec<TaskId>> {
    let in_trash = task.state.present().is_some_and(|task| task.deleted_at.is_some());
    // Nothing follows a `deleted` but a `restored`: it is the newest fact of the stream.
    let Some(deleted) = log.stream(task.id, task.version - 1, 1).await?.pop().filter(|_| in_trash) else {
        return Ok(vec![]);
    };
    let (user, moment) = (deleted.envelope.user_id, deleted.envelope.recorded_at);
    let mut at = deleted.envelope.position;
    let end = at.saturating_add(i64::try_from(MAX_SUBTREE).unwrap_or(i64::MAX));
    let mut waiting = vec![];
    // What came late (see `Operation::follow_up`) follows at a small distance: a page without any ends it.
    while at < end {
        let upto = at + PAGE;
        let page = log.partition(deleted.partition, at, upto, PAGE).await?;
        let same = page.into_iter().map(|stored| stored.envelope).filter(|e| {
            e.user_id == user
                && e.recorded_at == moment
                && e.wire_type == deleted.envelope.wire_type
                && e.metadata.correlation_id == deleted.envelope.metadata.correlation_id
        });
        let same: Vec<_> = same.map(|e| (e.stream_id, e.version)).collect();
        if same.is_empty() {
            break;
        }
        for (id, version) in same {
            let Some(found) = unit.load::<Task>(id).await? else { continue };
            // Restored since, and perhaps deleted again at another time: then it did not go with this one.
            let state = found.state.present().filter(|task| task.deleted_at.is_some() && found.version == version);
            waiting.extend(state.map(|task| (TaskId(id), task.parent_id)));
        }
        at = upto;
    }
    Ok(below(TaskId(task.id), waiting))
}

/// Those that hang below the root, directly or through others of them; parents before their children.
fn below(root: TaskId, mut waiting: Vec<(TaskId, Option<TaskId>)>) -> Vec<TaskId> {
    let mut above = HashSet::from([root]);
    let mut found = vec![];
    loop {
        let (next, rest): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|(id, parent)| *id != root && parent.is_some_and(|parent| above.contains(&parent)));
        if next.is_empty() {
            return found;
        }
        above = next.iter().map(|(id, _)| *id).collect();
        found.extend(next.into_iter().map(|(id, _)| id));
        waiting = rest;
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_what_hangs_below_comes_back_and_parents_come_first() {
        let id = |n| TaskId(Uuid::from_u128(n));
        let waiting =
            vec![(id(4), Some(id(3))), (id(1), None), (id(3), Some(id(1))), (id(9), Some(id(8))), (id(2), Some(id(1)))];
        assert_eq!(below(id(1), waiting), [id(3), id(2), id(4)]);
        assert_eq!(below(id(1), vec![]), []);
    }
}
