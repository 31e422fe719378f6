//! Places in an order: of tasks in their list, of lists on the board. Claims on places, scanned, tell who stands where.

use axum::http::StatusCode;
use orbit_domain::tasks::{
    List, Task, list,
    order::Slot,
    task::{self, Place},
};
use orbit_event_store::{Held, Unit};
use orbit_events::ListId;
use orbit_platform::{problem::ApiError, random};
use uuid::Uuid;

use super::{
    bodies::{Anchor, Target},
    first_list::is_present,
};
use crate::error::{Result, broken, refusal, rejected};

/// The end of a list, for what has no place in it yet.
pub fn anywhere(unit: &Unit, list_id: ListId) -> Place {
    Place { list_id, slot: Slot::anywhere(unit.context().now, jitter()) }
}

/// Where a task goes: the list is checked, the neighbour too. `moved` is the task, `home` the list it stands in.
pub async fn of_task(unit: &Unit, target: Target, moved: Uuid, home: Option<ListId>) -> Result<Place> {
    let Some(anchor) = target.anchor else {
        let list_id = target.list_id.or(home).ok_or_else(|| ApiError::internal("a place without a list"))?;
        let list_id = known(unit, list_id).await?;
        return if home == Some(list_id) { last(unit, list_id, moved).await } else { Ok(anywhere(unit, list_id)) };
    };
    if anchor.id() == moved {
        return Err(broken("own_neighbour", anchor.field(), "a task is not its own neighbour"));
    }
    let unknown = || broken("unknown_task", anchor.field(), "there is no such task");
    let neighbour = unit.load::<Task>(anchor.id()).await?.ok_or_else(unknown)?;
    let neighbour = neighbour.state.live().ok_or_else(unknown)?;
    let list_id = known(unit, target.list_id.unwrap_or(neighbour.list_id)).await?;
    if list_id != neighbour.list_id {
        return Err(broken("not_in_list", anchor.field(), "the task stands in another list"));
    }
    let slot = beside(unit, task::ORDER, list_id.0, anchor, &neighbour.position, moved).await?;
    Ok(Place { list_id, slot })
}

/// The end of the list that a task stands in already; where it is, if it stands last.
async fn last(unit: &Unit, list_id: ListId, moved: Uuid) -> Result<Place> {
    match unit.previous(task::ORDER, list_id.0.as_bytes(), None).await? {
        Some(held) if held.stream_id != moved => behind(unit, list_id, &place(&held)?),
        _ => Ok(anywhere(unit, list_id)),
    }
}

/// Where a list goes among the user's lists.
pub async fn of_list(unit: &Unit, anchor: Option<Anchor>, moved: Uuid) -> Result<Slot> {
    let Some(anchor) = anchor else { return Ok(Slot::anywhere(unit.context().now, jitter())) };
    if anchor.id() == moved {
        return Err(broken("own_neighbour", anchor.field(), "a list is not its own neighbour"));
    }
    let unknown = || broken("unknown_list", anchor.field(), "there is no such list");
    let neighbour = unit.load::<List>(anchor.id()).await?.ok_or_else(unknown)?;
    let neighbour = neighbour.state.present().ok_or_else(unknown)?;
    beside(unit, list::ORDER, unit.context().user_id.0, anchor, &neighbour.position, moved).await
}

/// The list, if it is on the board; from here on the unit of work guards it.
pub async fn known(unit: &Unit, list_id: ListId) -> Result<ListId> {
    if is_present(unit, list_id).await? {
        return Ok(list_id);
    }
    Err(broken("unknown_list", "list_id", "there is no such list"))
}

/// Behind a place that somebody else has, in the same list.
pub fn behind(unit: &Unit, list_id: ListId, position: &str) -> Result<Place> {
    let slot = Slot::between(Some(position), None, unit.context().now, jitter());
    Ok(Place { list_id, slot: slot.map_err(|rejection| rejected(&rejection))? })
}

/// Right beside a neighbour. What is moved does not count as standing there.
async fn beside(unit: &Unit, scope: &str, order: Uuid, anchor: Anchor, position: &str, moved: Uuid) -> Result<Slot> {
    let prefix = order.as_bytes();
    let mut key = [&prefix[..], position.as_bytes()].concat();
    let other = loop {
        let next = match anchor {
            Anchor::After(_) => unit.next(scope, prefix, &key).await?,
            Anchor::Before(_) => unit.previous(scope, prefix, Some(&key)).await?,
        };
        match next {
            Some(held) if held.stream_id == moved => key = held.key,
            next => break next.map(|held| place(&held)).transpose()?,
        }
    };
    let (before, after) = match anchor {
        Anchor::After(_) => (Some(position), other.as_deref()),
        Anchor::Before(_) => (other.as_deref(), Some(position)),
    };
    let slot = Slot::between(before, after, unit.context().now, jitter());
    slot.map_err(|rejection| match rejection {
        // The neighbours were read one after the other and have passed each other meanwhile.
        orbit_domain::tasks::order::Rejection::NotAscending => {
            refusal(StatusCode::CONFLICT, "position_taken", None, "the neighbours are being moved; try again").into()
        }
        rejection => rejected(&rejection).into(),
    })
}

/// The position in the key of a claim: what follows the id of the order.
fn place(held: &Held) -> Result<String> {
    let position = held.key.get(size_of::<Uuid>()..).and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    position.ok_or_else(|| ApiError::internal("a claim on a place without a place").into())
}

/// What tells two callers apart who choose a place at the same spot.
pub fn jitter() -> u32 {
    u32::from_ne_bytes(random::nonce())
}
