//! Folding an aggregate of which no more is known than its category: for whoever tells of all of them alike.

use orbit_events::{DecodeError, Fact};

use crate::{
    Aggregate, Fields,
    emails::{Attachment, Draft, Email, Folder, Submission, Thread},
    tasks::{Label, List, Task},
    users::{ApiToken, Connection, Login, User},
};

/// A state in the making. `None` of [`Folding::of`] is a category that this build does not know.
pub struct Folding(Box<dyn Fold>);

impl std::fmt::Debug for Folding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Folding").field(&self.fields()).finish()
    }
}

impl Folding {
    /// The state before the first fact of an aggregate of this category.
    pub fn of(category: &str) -> Option<Self> {
        // One line per aggregate.
        let all = [
            begin::<User>,
            begin::<Login>,
            begin::<ApiToken>,
            begin::<Connection>,
            begin::<List>,
            begin::<Task>,
            begin::<Label>,
            begin::<Email>,
            begin::<Draft>,
            begin::<Submission>,
            begin::<Thread>,
            begin::<Folder>,
            begin::<Attachment>,
        ];
        all.into_iter().find_map(|begin| begin(category)).map(Self)
    }

    /// The state after one more fact, as the log has it.
    pub fn evolve(&mut self, wire_type: &str, schema_version: i16, payload: &[u8]) -> Result<(), DecodeError> {
        self.0.evolve(wire_type, schema_version, payload)
    }

    /// What is known of the aggregate now: [`Aggregate::fields`].
    pub fn fields(&self) -> Fields {
        self.0.fields()
    }
}

trait Fold: Send + Sync {
    fn evolve(&mut self, wire_type: &str, schema_version: i16, payload: &[u8]) -> Result<(), DecodeError>;
    fn fields(&self) -> Fields;
}

struct State<A: Aggregate>(A::State);

impl<A: Aggregate> Fold for State<A> {
    fn evolve(&mut self, wire_type: &str, schema_version: i16, payload: &[u8]) -> Result<(), DecodeError> {
        let event = A::Event::decode(wire_type, schema_version, payload)?;
        self.0 = A::evolve(std::mem::take(&mut self.0), &event);
        Ok(())
    }

    fn fields(&self) -> Fields {
        A::fields(&self.0)
    }
}

fn begin<A: Aggregate>(category: &str) -> Option<Box<dyn Fold>> {
    (category == A::Event::CATEGORY).then(|| Box::new(State::<A>(A::State::default())) as Box<dyn Fold>)
}

#[cfg(test)]
mod tests {
    use orbit_events::Event;

    use super::*;

    #[test]
    fn every_category_can_be_folded_and_no_other() {
        for category in Event::CATEGORIES {
            assert!(Folding::of(category).is_some(), "{category} has no line in Folding::of");
        }
        assert!(Folding::of("dreams").is_none());
    }

    #[test]
    fn a_fold_knows_what_the_aggregate_tells() {
        let mut label = Folding::of("labels").unwrap();
        assert!(label.fields().is_empty());
        let created = Event::types().find(|fact| fact.wire_type == "labels.created").unwrap();
        label.evolve(created.wire_type, created.schema_version, created.example.as_bytes()).unwrap();
        assert!(label.fields().contains_key("name"), "{label:?}");
        assert!(label.evolve("labels.teleported", 1, b"{}").is_err());
    }
}
