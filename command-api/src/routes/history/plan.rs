//! The plan: which objects become what, in which order, all in one unit of work.
//!
//! Objects depend on each other: a task comes back into a list that has to come back first, a list goes once its tasks
//! have gone. Nobody writes such an order down. What comes back goes first, oldest first, everything else after it,
//! newest first; and what something stands in the way of is tried again when the others have moved.

use std::cmp::Reverse;

use orbit_domain::{
    Fields,
    emails::{Attachment, Draft, Email, Folder, Submission, Thread},
    tasks::{Label, List, Task},
    users::{ApiToken, Connection, Login, User},
};
use orbit_event_store::Unit;
use orbit_events::{EventId, entity_type};
use orbit_platform::problem::{ApiError, FieldProblem};
use serde_json::json;
use uuid::Uuid;

use super::set_back::{SetBack, Stopped, with_values};
use crate::{
    error::{Error, Result},
    problems, routes,
    state::AppState,
};

/// How often what was in the way of something is looked at again: more often than objects depend on objects that depend
/// on others (a list, and five levels of tasks).
const PASSES: usize = 8;

/// Most facts that one request appends. Twice as many as it takes back are always enough, but for sub-tasks that came
/// below a task since: they go with it, and there may be any number of them.
const MAX_APPENDED: usize = 10_002;

/// The aggregates by their categories, one line each.
macro_rules! of_category {
    ($category:expr, $aggregate:ident => $then:expr) => {
        of_category!(
            $category, $aggregate => $then,
            User Login ApiToken Connection List Task Label Email Draft Submission Thread Folder Attachment
        )
    };
    ($category:expr, $aggregate:ident => $then:expr, $($known:ident)+) => {
        match $category {
            $(category if category == $crate::routes::history::plan::category_of::<$known>() => {
                type $aggregate = $known;
                $then
            })+
            _ => Err(ApiError::internal("a fact of an aggregate that undo does not know").into()),
        }
    };
}
pub(super) use of_category;

/// The category of an aggregate's facts.
pub(super) const fn category_of<A: orbit_domain::Aggregate>() -> &'static str {
    <A::Event as orbit_events::Fact>::CATEGORY
}

/// An object that is to become something else.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which aggregate it is.
    pub category: String,
    /// The object.
    pub id: Uuid,
    /// Its version now.
    pub version: i64,
    /// Its fields now.
    pub now: Fields,
    /// What they are to become; none, if it is to end.
    pub wanted: Fields,
    /// The fact that is taken back, the newest if there are several.
    pub cause: Option<EventId>,
    /// The position of that fact.
    pub position: i64,
}

impl Step {
    fn comes_back(&self) -> bool {
        let is_there =
            |fields: &Fields| !fields.is_empty() && fields.get("deleted_at").is_none_or(serde_json::Value::is_null);
        !is_there(&self.now) && is_there(&self.wanted)
    }

    fn refused(&self, problem: FieldProblem) -> FieldProblem {
        let entity = json!({ "type": entity_type(&self.category), "id": self.id });
        with_values(problem, &self.wanted, &self.now).of(entity)
    }

    async fn take(&self, app: &AppState, unit: &Unit) -> Result<(), Stopped> {
        unit.because(self.cause);
        of_category!(self.category.as_str(), Kind => {
            let now = unit.load::<Kind>(self.id).await?.ok_or_else(ApiError::not_found)?;
            Kind::set_back(app, unit, now, &self.wanted).await
        })
    }
}

/// Makes every object what it is to become, or refuses (409) with all that stands in the way.
pub async fn carry_out(app: &AppState, unit: &Unit, steps: &[Step]) -> Result<()> {
    let (mut first, mut then): (Vec<&Step>, Vec<&Step>) =
        steps.iter().filter(|step| step.now != step.wanted).partition(|step| step.comes_back());
    first.sort_by_key(|step| step.position);
    then.sort_by_key(|step| Reverse(step.position));
    let mut waiting = [first, then].concat();
    let mut refused = vec![];
    for _ in 0..PASSES {
        let asked = waiting.len();
        refused.clear();
        let mut still = vec![];
        for step in waiting {
            match step.take(app, unit).await {
                Ok(()) if unit.decided() > MAX_APPENDED => return Err(too_many()),
                Ok(()) => {}
                Err(Stopped::InTheWay(problem)) => {
                    refused.push(step.refused(problem));
                    still.push(step);
                }
                Err(Stopped::Error(error)) => return Err(error),
            }
        }
        waiting = still;
        if waiting.is_empty() || waiting.len() == asked {
            break;
        }
    }
    unit.because(None);
    refused.extend(taken(unit, steps).await?);
    if refused.is_empty() { Ok(()) } else { Err(conflict(refused).into()) }
}

/// Names that others have taken meanwhile. A place that was taken this very moment is chosen anew by the next attempt.
async fn taken(unit: &Unit, steps: &[Step]) -> Result<Vec<FieldProblem>> {
    let contested = unit.contested().await?;
    let named = contested.into_iter().filter(|contested| !routes::is_place(contested.scope)).filter_map(|contested| {
        let step = steps.iter().find(|step| step.id == contested.stream_id)?;
        let taken = orbit_domain::taken(contested.scope);
        let pointer = taken.field.map(|field| format!("/{field}")).unwrap_or_default();
        Some(step.refused(FieldProblem::new(pointer, taken.code, taken.detail)))
    });
    Ok(named.collect())
}

fn too_many() -> Error {
    of_kind("too_many_facts", format!("this would take more than {MAX_APPENDED} facts"), vec![]).into()
}

/// 409: something stands in the way.
pub fn conflict(fields: Vec<FieldProblem>) -> ApiError {
    let detail = match fields.len() {
        1 => "a later change stands in the way; nothing was undone".to_owned(),
        count => format!("{count} later changes stand in the way; nothing was undone"),
    };
    of_kind("undo_conflict", detail, fields)
}

/// A problem of one of this context's kinds.
pub fn of_kind(code: &str, detail: impl Into<String>, fields: Vec<FieldProblem>) -> ApiError {
    match problems::find(code) {
        Some(kind) => ApiError::of(kind, detail).with_fields(fields.into_iter().take(CONFLICTS_SHOWN)),
        None => ApiError::internal("a problem without a page"),
    }
}

/// Most fields that one answer names.
const CONFLICTS_SHOWN: usize = 100;

#[cfg(test)]
mod tests {
    use orbit_events::Event;

    use super::*;

    #[test]
    fn every_aggregate_can_be_asked_about_undo() {
        for category in Event::CATEGORIES {
            let scope: Result<&str, Error> = of_category!(*category, Kind => Ok(Kind::SCOPE));
            assert!(scope.is_ok_and(|scope| scope.ends_with(":write")), "{category}");
        }
    }
}
