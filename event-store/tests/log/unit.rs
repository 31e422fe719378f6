//! The unit of work: all of it or nothing, as if commands came one after the other.

use std::sync::atomic::{AtomicU32, Ordering};

use orbit_domain::{
    Aggregate,
    tasks::{Label, List, ListName, label, list, order::Slot},
};
use orbit_event_store::{Fault, Mode, Unit};
use orbit_platform::ids;

use crate::world::{Failure, Person, World, create, recolour, rename};

/// A place on the board behind another one.
fn place(after: Option<&str>, person: &Person) -> Slot {
    Slot::between(after, None, person.store.clock().now(), 0).unwrap()
}

async fn present(unit: &Unit, id: uuid::Uuid) -> Result<label::Present, Failure> {
    Ok(unit.load::<Label>(id).await?.unwrap().state.present().unwrap().clone())
}

#[tokio::test]
async fn a_stream_that_was_only_read_and_has_moved_forces_a_new_decision() {
    let world = World::new().await;
    let (here, there) = (Person::new(&world.store().await).await, world.store().await);
    let there = here.at(&there);
    let (read, written) = (here.label("read").await.unwrap(), here.label("written").await.unwrap());
    let rounds = AtomicU32::new(0);
    let decide = |unit: Unit| {
        let (there, round) = (there.clone(), rounds.fetch_add(1, Ordering::SeqCst));
        async move {
            let seen = present(&unit, read).await?.name;
            if round == 0 {
                there.run::<Label>(read, rename("moved")).await?;
            }
            unit.decide::<Label>(written, rename(&format!("saw {seen}"))).await?;
            Ok::<_, Failure>(seen)
        }
    };
    let answer = here.store.transact(here.origin(), Mode::default(), decide).await.unwrap();
    assert_eq!((answer.answer.as_str(), rounds.into_inner()), ("moved", 2));
    assert_eq!(here.name_of(written).await.unwrap(), "saw moved");
    assert_eq!(answer.position, world.assert_sound().await);
    world.stop().await;
}

#[tokio::test]
async fn what_a_stale_cache_says_is_already_so_is_looked_at_again() {
    let world = World::new().await;
    let here = Person::new(&world.store().await).await;
    let there = here.at(&world.store().await);
    let id = here.label("red").await.unwrap();
    there.run::<Label>(id, rename("blue")).await.unwrap();
    // This process still believes that the label is called red.
    let answer = here.run::<Label>(id, rename("red")).await.unwrap();
    assert_eq!((answer.answer, answer.position), (3, 3));
    // And a no is looked at again as well.
    there.run::<Label>(id, label::Command::Remove).await.unwrap();
    let told = here.run::<Label>(id, rename("green")).await;
    assert!(matches!(told, Err(Failure::Rejected("label_removed"))), "{told:?}");
    world.stop().await;
}

#[tokio::test]
async fn asking_for_what_is_so_appends_nothing_and_answers_where_it_can_be_seen() {
    let world = World::new().await;
    let person = Person::new(&world.store().await).await;
    let id = person.label("red").await.unwrap();
    person.label("another").await.unwrap();
    let answer = person.run::<Label>(id, rename("red")).await.unwrap();
    assert_eq!((answer.answer, answer.position, answer.replayed), (1, 1, false));
    assert_eq!(world.assert_sound().await, 2);
    world.stop().await;
}

#[tokio::test]
async fn a_dry_run_shows_the_facts_and_appends_nothing() {
    let world = World::new().await;
    let person = Person::new(&world.store().await).await;
    let id = ids::new_event_id();
    let mode = || Mode { dry_run: true, idempotency: None };
    let answer = person.run_as::<Label>(mode(), id, create("red")).await.unwrap();
    let preview = answer.preview.unwrap();
    assert_eq!(preview.len(), 1);
    assert_eq!(preview[0]["type"], "labels.created");
    assert_eq!((&preview[0]["version"], &preview[0]["data"]["name"]), (&1.into(), &"red".into()));
    assert_eq!(preview[0]["entity"], serde_json::json!({ "type": "label", "id": id }));
    assert_eq!(world.assert_sound().await, 0);
    assert!(person.store.load::<Label>(id).await.unwrap().is_none(), "nor does any cache believe it");
    let claims: i64 = sqlx::query_scalar("SELECT count(*) FROM log.claims").fetch_one(&world.pool).await.unwrap();
    assert_eq!(claims, 0);
    world.stop().await;
}

#[tokio::test]
async fn facts_of_several_streams_stand_in_the_order_in_which_the_streams_were_touched() {
    let world = World::new().await;
    let person = Person::new(&world.store().await).await;
    let old = person.label("old").await.unwrap();
    let (first, last) = (ids::new_event_id(), ids::new_event_id());
    let decide = |unit: Unit| async move {
        unit.create::<Label>(last, create("last to the log by id, first by touch"))?;
        unit.decide::<Label>(old, rename("renamed")).await?;
        unit.create::<Label>(first, create("first by id"))?;
        unit.decide::<Label>(last, recolour("#000000")).await?;
        Ok::<_, Failure>(())
    };
    let answer = person.store.transact(person.origin(), Mode::default(), decide).await.unwrap();
    let mut facts = Vec::new();
    for position in 2..=answer.position {
        let envelope = person.store.log().at(position).await.unwrap().unwrap().envelope;
        facts.push((envelope.stream_id, envelope.version, envelope.wire_type));
    }
    let fact = |id, version, kind: &str| (id, version, kind.to_owned());
    assert_eq!(
        facts,
        [
            fact(last, 1, "labels.created"),
            fact(last, 2, "labels.recoloured"),
            fact(old, 2, "labels.renamed"),
            fact(first, 1, "labels.created"),
        ]
    );
    world.stop().await;
}

#[tokio::test]
async fn a_refusal_anywhere_in_a_unit_appends_nothing_of_it() {
    let world = World::new().await;
    let person = Person::new(&world.store().await).await;
    let decide = |unit: Unit| async move {
        unit.create::<Label>(ids::new_event_id(), create("red"))?;
        unit.decide::<Label>(ids::new_event_id(), rename("nobody")).await?;
        Ok::<_, Failure>(())
    };
    let told = person.store.transact(person.origin(), Mode::default(), decide).await;
    assert!(matches!(told, Err(Failure::Rejected("label_not_found"))), "{told:?}");
    assert_eq!(world.assert_sound().await, 0);
    world.stop().await;
}

#[tokio::test]
async fn claims_are_taken_and_released_with_the_facts() {
    let world = World::new().await;
    let person = Person::new(&world.store().await).await;
    let claim = |name: &str| label::name_claim(person.id, name);
    let red = person.label("Red").await.unwrap();
    assert_eq!(person.store.holder(&claim("rED")).await.unwrap(), Some(red), "without regard to case");
    let told = person.label("RED").await;
    assert!(matches!(&told, Err(Failure::Fault(Fault::Taken { scope })) if scope == label::NAME), "{told:?}");
    person.run::<Label>(red, rename("blue")).await.unwrap();
    assert_eq!(person.store.holder(&claim("red")).await.unwrap(), None);
    let other = person.label("red").await.unwrap();
    person.run::<Label>(other, label::Command::Remove).await.unwrap();
    assert_eq!(person.store.holder(&claim("red")).await.unwrap(), None);
    // Two labels exchange their names in one unit.
    let green = person.label("green").await.unwrap();
    let exchange = |unit: Unit| async move {
        unit.decide::<Label>(red, rename("green")).await?;
        unit.decide::<Label>(green, rename("blue")).await?;
        Ok::<_, Failure>(())
    };
    person.store.transact(person.origin(), Mode::default(), exchange).await.unwrap();
    assert_eq!(person.store.holder(&claim("green")).await.unwrap(), Some(red));
    assert_eq!(person.store.holder(&claim("blue")).await.unwrap(), Some(green));
    // Somebody else may call theirs the same.
    Person::new(&person.store).await.label("green").await.unwrap();
    world.assert_sound().await;
    world.stop().await;
}

#[tokio::test]
async fn who_is_only_read_keeps_what_it_holds_and_who_writes_may_let_go() {
    let world = World::new().await;
    let person = Person::new(&world.store().await).await;
    let (red, green) = (person.label("red").await.unwrap(), person.label("green").await.unwrap());
    let (id, first) = (ids::new_event_id(), place(None, &person));
    let second = place(Some(first.position()), &person);
    let command = list::Command::Create { name: ListName::parse("Home").unwrap(), color: None, slot: first };
    person.run::<List>(id, command).await.unwrap();
    let (user, second) = (person.id, &second);
    let look = |unit: Unit| async move {
        let holder = async |name: &str| unit.holder_then(&label::name_claim(user, name)).await;
        let mut told = vec![holder("red").await?];
        // Read, or decided without a fact that would follow.
        unit.load::<Label>(red).await?;
        told.push(holder("red").await?);
        unit.decide::<Label>(red, rename("red")).await?;
        told.push(holder("red").await?);
        unit.decide::<Label>(red, rename("blue")).await?;
        told.extend([holder("red").await?, holder("blue").await?]);
        unit.decide::<Label>(green, rename("red")).await?;
        told.push(holder("red").await?);
        // The same by the key as it is stored.
        let held = unit.scan(list::ORDER, user.0.as_bytes(), 1).await?.pop().unwrap();
        let mut lets_go = vec![unit.lets_go(id, list::ORDER, &held.key)];
        unit.load::<List>(id).await?;
        lets_go.push(unit.lets_go(id, list::ORDER, &held.key));
        let edit = list::Edit { slot: Some(second.clone()), ..list::Edit::default() };
        unit.decide::<List>(id, list::Command::Edit(edit)).await?;
        lets_go.push(unit.lets_go(id, list::ORDER, &held.key));
        Ok::<_, Failure>((told, lets_go))
    };
    let (told, lets_go) = person.store.transact(person.origin(), Mode::default(), look).await.unwrap().answer;
    assert_eq!(told, [Some(red), Some(red), Some(red), None, Some(red), Some(green)]);
    assert_eq!(lets_go, [false, false, true]);
    world.assert_sound().await;
    world.stop().await;
}

#[tokio::test]
async fn claims_on_places_are_scanned_in_order() {
    let world = World::new().await;
    let person = Person::new(&world.store().await).await;
    let mut lists = Vec::new();
    let mut places: Vec<String> = Vec::new();
    for name in ["one", "two", "three"] {
        let slot = Slot::between(places.last().map(String::as_str), None, person.store.clock().now(), 0).unwrap();
        places.push(slot.position().to_owned());
        let id = ids::new_event_id();
        let command = list::Command::Create { name: ListName::parse(name).unwrap(), color: None, slot };
        person.run::<List>(id, command).await.unwrap();
        lists.push(id);
    }
    let (prefix, user) = (*person.id.0.as_bytes(), person.id.0);
    let places = &places;
    let look = |unit: Unit| async move {
        let ids = |held: Vec<orbit_event_store::Held>| held.into_iter().map(|held| held.stream_id).collect::<Vec<_>>();
        let key = |n: usize| [user.as_bytes(), places[n].as_bytes()].concat();
        let all = ids(unit.scan(list::ORDER, &prefix, 10).await?);
        let two = ids(unit.scan(list::ORDER, &prefix, 2).await?);
        let next = unit.next(list::ORDER, &prefix, &key(0)).await?.map(|held| held.stream_id);
        let previous = unit.previous(list::ORDER, &prefix, Some(&key(1))).await?.map(|held| held.stream_id);
        let none = unit.next(list::ORDER, &prefix, &key(2)).await?.map(|held| held.stream_id);
        let last = unit.previous(list::ORDER, &prefix, None).await?.map(|held| held.stream_id);
        Ok::<_, Failure>((all, two, [next, previous, none, last]))
    };
    let (all, two, near) = person.store.transact(person.origin(), Mode::default(), look).await.unwrap().answer;
    assert_eq!((all, two), (lists.clone(), lists[..2].to_vec()));
    assert_eq!(near, [Some(lists[1]), Some(lists[0]), None, Some(lists[2])]);
    world.stop().await;
}

#[tokio::test]
async fn streams_that_keep_moving_end_a_command_after_five_attempts() {
    let world = World::new().await;
    let here = Person::new(&world.store().await).await;
    let there = here.at(&world.store().await);
    let id = here.label("hot").await.unwrap();
    let rounds = AtomicU32::new(0);
    let decide = |unit: Unit| {
        let (there, round) = (there.clone(), rounds.fetch_add(1, Ordering::SeqCst));
        async move {
            unit.decide::<Label>(id, recolour("#000000")).await?;
            there.run::<Label>(id, rename(&format!("hotter {round}"))).await?;
            Ok::<_, Failure>(())
        }
    };
    let told = here.store.transact(here.origin(), Mode::default(), decide).await;
    assert!(matches!(told, Err(Failure::Fault(Fault::Contended(5)))), "{told:?}");
    assert_eq!(rounds.into_inner(), 5);
    assert_eq!(world.assert_sound().await, 6);
    world.stop().await;
}

#[tokio::test]
async fn a_stream_of_somebody_else_is_as_good_as_none_and_cannot_be_written() {
    let world = World::new().await;
    let owner = Person::new(&world.store().await).await;
    let (same, other) = (Person::new(&owner.store).await, Person::new(&world.store().await).await);
    let id = owner.label("mine").await.unwrap();
    for stranger in [&same, &other] {
        let told = stranger.run::<Label>(id, rename("stolen")).await;
        assert!(matches!(told, Err(Failure::Rejected("label_not_found"))), "{told:?}");
        let told = stranger.run::<Label>(id, create("stolen")).await;
        assert!(matches!(told, Err(Failure::Fault(Fault::Contended(_)))), "{told:?}");
        let told = stranger.store.transact(stranger.origin(), Mode::default(), |unit: Unit| async move {
            Ok::<_, Failure>(unit.load::<Label>(id).await?.is_none())
        });
        assert!(told.await.unwrap().answer);
    }
    assert_eq!((owner.name_of(id).await.unwrap().as_str(), world.assert_sound().await), ("mine", 1));
    world.stop().await;
}

#[tokio::test]
async fn an_id_of_an_aggregate_of_another_kind_is_not_taken_for_ours() {
    let world = World::new().await;
    let person = Person::new(&world.store().await).await;
    let id = person.label("a label").await.unwrap();
    let told = person.run::<List>(id, list::Command::Edit(list::Edit::default())).await;
    assert!(matches!(told, Err(Failure::Rejected("list_not_found"))), "{told:?}");
    assert!(person.store.load::<List>(id).await.unwrap().is_none());
    world.stop().await;
}

#[tokio::test]
async fn a_loaded_aggregate_is_the_newest_whatever_the_cache_holds() {
    let world = World::new().await;
    let here = Person::new(&world.store().await).await;
    let there = here.at(&world.store().await);
    let id = here.label("red").await.unwrap();
    there.run::<Label>(id, rename("blue")).await.unwrap();
    let loaded = here.store.load::<Label>(id).await.unwrap().unwrap();
    assert_eq!((loaded.version, &loaded.state), (2, &there.store.load::<Label>(id).await.unwrap().unwrap().state));
    assert_eq!(loaded.state, fold(&here, id).await);
    world.stop().await;
}

/// The state that the facts alone make.
async fn fold(person: &Person, id: uuid::Uuid) -> <Label as Aggregate>::State {
    person.store.log().load::<Label>(person.store.vault(), id).await.unwrap().unwrap().state
}
