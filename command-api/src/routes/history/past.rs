//! What is to be taken back: facts found in the caller's log, folded into what they did, turned into a plan.

use std::collections::{BTreeMap, BTreeSet};

use orbit_domain::{
    Aggregate,
    emails::{Attachment, Draft, Email, Folder, Submission, Thread},
    tasks::{Label, List, Task},
    undo::{self, Reversal},
    users::{ApiToken, Connection, Login, User},
};
use orbit_event_store::{LOOKBACK, Log, Stored, Unit, Wanted};
use orbit_events::{EventId, UserId, entity_type};
use orbit_platform::{
    auth::Caller,
    problem::{ApiError, FieldProblem, kinds},
};
use serde_json::json;
use uuid::Uuid;

use super::{
    plan::{self, Step, of_category},
    set_back::SetBack,
};
use crate::{error::Result, state::AppState};

/// Most facts that one request takes back: as many as it takes to put the largest tree of tasks into the trash.
const MAX_FACTS: usize = 5_001;

/// Facts of one object that are to be taken back.
#[derive(Debug, Clone)]
pub struct Undone {
    category: String,
    id: Uuid,
    versions: BTreeSet<i64>,
    /// Wire types by version, to name those that cannot be taken back.
    types: BTreeMap<i64, String>,
    /// Of the newest.
    cause: EventId,
    position: i64,
    /// Of the oldest.
    begins: i64,
}

/// The facts, by object; 404 if the caller has none like that.
pub async fn find(app: &AppState, user: UserId, wanted: Wanted) -> Result<Vec<Undone>> {
    let facts = app.store.log().find(user, wanted, MAX_FACTS + 1).await?;
    if facts.is_empty() {
        let detail = format!("there is no such fact among your newest {LOOKBACK}");
        return Err(ApiError::of(&kinds::NOT_FOUND, detail).into());
    }
    if facts.len() > MAX_FACTS {
        let detail = format!("these are more than {MAX_FACTS} facts");
        return Err(plan::of_kind("too_many_facts", detail, vec![]).into());
    }
    Ok(by_object(facts))
}

/// Facts come newest first, objects go in the order in which they were first written.
fn by_object(facts: Vec<Stored>) -> Vec<Undone> {
    let mut places: BTreeMap<Uuid, usize> = BTreeMap::new();
    let mut all: Vec<Undone> = vec![];
    for fact in facts.into_iter().map(|stored| stored.envelope) {
        let place = *places.entry(fact.stream_id).or_insert_with(|| {
            all.push(Undone {
                category: fact.category,
                id: fact.stream_id,
                versions: BTreeSet::new(),
                types: BTreeMap::new(),
                cause: fact.event_id,
                position: fact.position,
                begins: fact.position,
            });
            all.len() - 1
        });
        all[place].begins = fact.position;
        all[place].versions.insert(fact.version);
        all[place].types.insert(fact.version, fact.wire_type);
    }
    // Facts are appended in the order in which their objects are touched. What brings a tree of tasks back out of the
    // trash counts on parents coming first, as they did when it was written.
    all.sort_by_key(|undone| undone.begins);
    all
}

/// Refuses (403) an API token that may not write one of the contexts that are touched.
pub fn require(caller: &Caller, undone: &[Undone]) -> Result<()> {
    let categories: BTreeSet<&str> = undone.iter().map(|undone| undone.category.as_str()).collect();
    for category in categories {
        let scope: Result<&str> = of_category!(category, Kind => Ok(Kind::SCOPE));
        caller.require(scope?)?;
    }
    Ok(())
}

/// What every object is to become without these facts; 409 if a fact cannot be taken back, or something was changed
/// since. `pointer` is the field of the body that named the facts.
pub async fn steps(app: &AppState, unit: &Unit, undone: &[Undone], pointer: &str) -> Result<Vec<Step>> {
    let mut never: BTreeMap<String, &'static str> = BTreeMap::new();
    let mut conflicts = vec![];
    let mut steps = Vec::with_capacity(undone.len());
    let lasts: Vec<(Uuid, i64)> =
        undone.iter().map(|one| (one.id, one.versions.last().copied().unwrap_or(0))).collect();
    let short = app.store.log().short(&lasts).await?;
    for one in undone {
        let facts = short.get(&one.id).map(Vec::as_slice);
        let step = of_category!(one.category.as_str(), Kind => one.step::<Kind>(app, unit, facts, &mut never).await)?;
        match step {
            Ok(step) => steps.push(step),
            Err(fields) => conflicts.extend(fields),
        }
    }
    if !never.is_empty() {
        return Err(irreversible(&never, pointer).into());
    }
    if conflicts.is_empty() { Ok(steps) } else { Err(plan::conflict(conflicts).into()) }
}

fn irreversible(never: &BTreeMap<String, &'static str>, pointer: &str) -> ApiError {
    let types: Vec<&str> = never.keys().map(String::as_str).collect();
    let detail = format!("{} cannot be taken back; nothing was undone", types.join(", "));
    let fields =
        never.iter().map(|(wire_type, why)| FieldProblem::new(pointer, "irreversible", format!("{wire_type}: {why}")));
    plan::of_kind("irreversible", detail, fields.collect())
}

impl Undone {
    async fn step<A: Aggregate>(
        &self,
        app: &AppState,
        unit: &Unit,
        facts: Option<&[Stored]>,
        never: &mut BTreeMap<String, &'static str>,
    ) -> Result<Result<Step, Vec<FieldProblem>>> {
        let now = unit.load::<A>(self.id).await?.ok_or_else(ApiError::not_found)?;
        let (version, now) = (now.version, A::fields(&now.state));
        let vault = app.store.vault();
        let done = match facts {
            Some(facts) => Log::done_of::<A>(vault, facts, &self.versions).await?,
            None => app.store.log().done::<A>(vault, self.id, &self.versions).await?,
        };
        for (done, wire_type) in done.iter().zip(self.types.values()) {
            if let Reversal::Never(why) = done.reversal {
                never.insert(wire_type.clone(), why);
            }
        }
        let newest_first: Vec<_> = done.into_iter().rev().map(|done| done.change).collect();
        let entity = json!({ "type": entity_type(&self.category), "id": self.id });
        Ok(match undo::without(&now, &newest_first) {
            Ok(wanted) => Ok(Step {
                category: self.category.clone(),
                id: self.id,
                version,
                now,
                wanted,
                cause: Some(self.cause),
                position: self.position,
            }),
            Err(conflicts) => Err(conflicts
                .into_iter()
                .map(|conflict| {
                    let detail = "was changed since";
                    let field = FieldProblem::new(conflict.pointer, "changed_since", detail);
                    field.of(entity.clone()).between(conflict.expected, conflict.actual)
                })
                .collect()),
        })
    }
}
