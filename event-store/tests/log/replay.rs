//! The log is the truth: folded from the beginning, it gives the states that live processes have, whoever wrote what.

use std::collections::HashMap;

use orbit_domain::{
    Aggregate,
    tasks::{Label, label},
};
use orbit_event_store::{Loaded, Mode, Stored, Unit};
use orbit_events::{Event, tasks};
use orbit_testing::database;
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::world::{Failure, Person, World, create, recolour, rename};

const LABELS: u128 = 4;

/// One thing that happens at one of two processes.
#[derive(Debug, Clone)]
enum Op {
    Create(u128, u8),
    Rename(u128, u8),
    Recolour(u128, u8),
    Remove(u128),
    /// Two labels in one command.
    Both(u128, u128, u8),
    Load(u128),
    DryRun(u128, u8),
}

fn ops() -> impl Strategy<Value = Vec<(bool, Op)>> {
    let (label, word) = (0..LABELS, 0..5_u8);
    let op = prop_oneof![
        3 => (label.clone(), word.clone()).prop_map(|(label, word)| Op::Create(label, word)),
        3 => (label.clone(), word.clone()).prop_map(|(label, word)| Op::Rename(label, word)),
        2 => (label.clone(), word.clone()).prop_map(|(label, word)| Op::Recolour(label, word)),
        1 => label.clone().prop_map(Op::Remove),
        2 => (label.clone(), label.clone(), word.clone()).prop_map(|(one, other, word)| Op::Both(one, other, word)),
        1 => label.clone().prop_map(Op::Load),
        1 => (label, word).prop_map(|(label, word)| Op::DryRun(label, word)),
    ];
    vec((any::<bool>(), op), 1..25)
}

struct Replay {
    people: [Person; 2],
    /// Labels of this case: the log goes on from case to case.
    salt: u128,
}

impl Replay {
    fn id(&self, label: u128) -> Uuid {
        Uuid::from_u128(self.salt + label)
    }

    /// The version the command left behind, if it was not refused.
    async fn carry_out(&self, at: bool, op: &Op) -> Option<(Uuid, i64)> {
        let person = &self.people[usize::from(at)];
        let word = |word: &u8| format!("word {word} {}", self.salt);
        let color = |word: &u8| recolour(&format!("#00000{word}"));
        let run = |label: &u128, command: label::Command| {
            let id = self.id(*label);
            async move { person.run::<Label>(id, command).await.ok().map(|answer| (id, answer.answer)) }
        };
        match op {
            Op::Create(label, name) => run(label, create(&word(name))).await,
            Op::Rename(label, name) => run(label, rename(&word(name))).await,
            Op::Recolour(label, shade) => run(label, color(shade)).await,
            Op::Remove(label) => run(label, label::Command::Remove).await,
            Op::Both(one, other, name) => {
                let (one, other) = (self.id(*one), self.id(*other));
                let decide = |unit: Unit| {
                    let (paint, name) = (color(name), rename(&word(name)));
                    async move {
                        unit.decide::<Label>(one, paint).await?;
                        Ok::<_, Failure>(unit.decide::<Label>(other, name).await?.version)
                    }
                };
                let told = person.store.transact(person.origin(), Mode::default(), decide).await;
                told.ok().map(|answer| (other, answer.answer))
            }
            Op::Load(label) => {
                person.store.load::<Label>(self.id(*label)).await.unwrap();
                None
            }
            Op::DryRun(label, name) => {
                let mode = Mode { dry_run: true, idempotency: None };
                drop(person.run_as::<Label>(mode, self.id(*label), create(&word(name))).await);
                None
            }
        }
    }

    /// Every label as the log alone tells it.
    async fn fold(&self) -> HashMap<Uuid, (i64, label::State)> {
        let log = self.people[0].store.log();
        let head = log.head().await.unwrap().position;
        let mut labels: HashMap<Uuid, (i64, label::State)> = HashMap::new();
        for position in 1..=head {
            let stored: Stored = log.at(position).await.unwrap().unwrap();
            let id = stored.envelope.stream_id;
            if (self.salt..self.salt + LABELS).contains(&id.as_u128()) {
                let recorded = stored.open(self.people[0].store.vault()).await.unwrap().unwrap();
                let Some(Event::Label(event)) = recorded.event() else { panic!("{recorded:?}") };
                let event: &tasks::label::Event = event;
                let (version, state) = labels.remove(&id).unwrap_or_default();
                labels.insert(id, (version + 1, Label::evolve(state, event)));
            }
        }
        labels
    }

    async fn check(&self, ops: &[(bool, Op)]) {
        let mut newest: HashMap<Uuid, i64> = HashMap::new();
        for (at, op) in ops {
            if let Some((id, version)) = self.carry_out(*at, op).await {
                let before = newest.insert(id, version).unwrap_or(0);
                assert!(version >= before, "versions do not go back");
            }
        }
        let replayed = self.fold().await;
        for label in 0..LABELS {
            let id = self.id(label);
            let expected = replayed.get(&id);
            for person in &self.people {
                let live: Option<Loaded<Label>> = person.store.load(id).await.unwrap();
                assert_eq!(live.map(|live| (live.version, live.state)).as_ref(), expected);
            }
            if let Some(version) = newest.get(&id) {
                assert!(expected.is_some_and(|(newest, _)| newest >= version), "what was told is in the log");
            }
            // Whoever is called something holds the claim on it, and nobody else is called so.
            if let Some(present) = expected.and_then(|(_, state)| state.present()) {
                let claim = label::name_claim(self.people[0].id, &present.name);
                assert_eq!(self.people[0].store.holder(&claim).await.unwrap(), Some(id));
            }
        }
        let claims: i64 = sqlx::query_scalar("SELECT count(*) FROM log.claims WHERE stream_id = ANY($1)")
            .bind((0..LABELS).map(|label| self.id(label)).collect::<Vec<_>>())
            .fetch_one(self.people[0].store.log().pool())
            .await
            .unwrap();
        let present = replayed.values().filter(|(_, state)| state.present().is_some()).count();
        assert_eq!(claims, i64::try_from(present).unwrap(), "as many claims as labels in use");
    }
}

#[test]
fn the_log_replayed_is_the_state_of_every_process_after_any_list_of_commands() {
    let runtime = Runtime::new().unwrap();
    let (world, people) = runtime.block_on(async {
        let world = World::on(database().await);
        let here = Person::new(&world.store().await).await;
        let there = here.at(&world.store().await);
        (world, [here, there])
    });
    let case = std::cell::Cell::new(0_u128);
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&ops(), |ops| {
        case.set(case.get() + 1);
        let replay = Replay { people: people.clone(), salt: case.get() * 1_000 };
        runtime.block_on(replay.check(&ops));
        Ok(())
    });
    runtime.block_on(async {
        world.assert_sound().await;
        world.stop().await;
    });
    drop((people, world));
    outcome.unwrap();
}
