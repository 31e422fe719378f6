//! Rotation of the master key: while commands go on, cut short and begun again, and what must not be lost with the key.

use std::sync::atomic::{AtomicBool, Ordering};

use orbit_event_store::{EventStore, Fault, Idempotency, Keep, Limits, MasterKey, Mode, Rotation, Settings, Vault};
use orbit_platform::{clock::Clock, ids, postgres::Pool};

use crate::world::{Failure, Person, World, create, pool_as, rename};

const OLD: [u8; 32] = [7; 32];
const NEW: [u8; 32] = [9; 32];

async fn store(world: &World, master_key: MasterKey) -> Result<EventStore, Fault> {
    let pool = pool_as(&world.database, "orbit_command");
    let settings = Settings { pool, master_key, clock: world.clock.clone(), limits: Limits::default() };
    EventStore::start(settings, &world.life).await
}

/// What `orbit keys rotate` works with.
async fn rotating(pool: &Pool) -> Vault {
    let vault = Vault::new(pool.clone(), &MasterKey::new(NEW).accepting(OLD), Clock::system());
    vault.require_fit().await.unwrap();
    vault
}

async fn wrapped_by_others(vault: &Vault) -> i64 {
    vault.key_status().await.unwrap().by_others
}

fn kept(person: &Person) -> Mode {
    let idempotency = Idempotency { scope: person.id.0, key: "k".into(), fingerprint: [1; 32], keep: Keep::Day };
    Mode { idempotency: Some(idempotency), dry_run: false }
}

async fn once(person: &Person) -> Result<(bool, String), Failure> {
    let made = person.store.transact(person.origin(), kept(person), |_| async { Ok::<_, Failure>("first".to_owned()) });
    made.await.map(|answer| (answer.replayed, answer.answer))
}

#[tokio::test]
async fn facts_claims_answers_and_cursors_outlive_the_master_key() {
    let world = World::new().await;
    let before = store(&world, MasterKey::new(OLD)).await.unwrap();
    let person = Person::new(&before).await;
    let label = person.label("red").await.unwrap();
    once(&person).await.unwrap();
    let (hash, cursors) = (before.vault().hash("test", b"x"), before.vault().cursor_secret());

    let done = rotating(&world.pool).await.rotate(|_| {}).await.unwrap();
    assert_eq!(done, Rotation { rewrapped: 1, unreadable: 0 });
    let after = store(&world, MasterKey::new(NEW)).await.unwrap();
    assert_eq!(after.vault().hash("test", b"x"), hash);
    assert_eq!(after.vault().cursor_secret(), cursors);
    let there = person.at(&after);
    assert_eq!(there.name_of(label).await.unwrap(), "red");
    assert_eq!(once(&there).await.unwrap(), (true, "first".to_owned()), "the answer is kept");
    let taken = there.label("red").await;
    assert!(matches!(taken, Err(Failure::Fault(Fault::Taken { .. }))), "the name is found by its hash: {taken:?}");
    there.run::<orbit_domain::tasks::Label>(label, rename("blue")).await.unwrap();

    let refused = store(&world, MasterKey::new(OLD)).await.err();
    assert!(matches!(refused, Some(Fault::WrongMasterKey)), "{refused:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_rotation_goes_on_while_users_come_and_write_and_go() {
    let world = World::new().await;
    // Three pages of keys, and a process that knows both.
    let store = store(&world, MasterKey::new(OLD).accepting(NEW)).await.unwrap();
    let people: Vec<Person> = {
        let mut people = vec![];
        for _ in 0..20 {
            people.push(Person::new(&store).await);
        }
        people
    };
    sqlx::query(
        "INSERT INTO vault.keys (user_id, key_no, wrapped, created_at) SELECT gen_random_uuid(), 0, sha512('x'), now()
         FROM generate_series(1, 5)",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let stop = AtomicBool::new(false);
    let busy = async {
        let mut written = 0;
        while !stop.load(Ordering::SeqCst) || written < 40 {
            let person = &people[written % people.len()];
            person.label(&format!("label {written}")).await.unwrap();
            let newcomer = Person::new(&store).await;
            newcomer.label("theirs").await.unwrap();
            if written == 3 {
                store.forget(people[0].id).await.unwrap();
            }
            written += 1;
            if written % people.len() == 0 {
                written += 1;
            }
        }
    };
    // The keys that are nobody's work are from before, with no id: they open with neither key.
    let rotate = async {
        let vault = Vault::new(world.pool.clone(), &MasterKey::new(NEW).accepting(OLD), Clock::system());
        let done = vault.rotate(|_| {}).await.unwrap();
        stop.store(true, Ordering::SeqCst);
        (vault, done)
    };
    let ((), (vault, done)) = tokio::join!(busy, rotate);
    assert_eq!(done.unreadable, 5);
    assert!(done.rewrapped >= 19, "{done:?}");
    assert_eq!(wrapped_by_others(&vault).await, 5, "and none that was made meanwhile");
    let destroyed: i64 = sqlx::query_scalar("SELECT count(*) FROM vault.keys WHERE user_id = $1 AND wrapped IS NULL")
        .bind(people[0].id.0)
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(destroyed, 1, "what was destroyed meanwhile stays so");
    world.stop().await;
}

#[tokio::test]
async fn a_rotation_that_was_cut_short_goes_on_where_it_was() {
    let world = World::new().await;
    let store = store(&world, MasterKey::new(OLD).accepting(NEW)).await.unwrap();
    let mut people = vec![];
    for _ in 0..1_100 {
        let id = orbit_events::UserId(ids::new_event_id());
        store.vault().create_key(id).await.unwrap();
        people.push(id);
    }
    let vault = rotating(&world.pool).await;
    // It is told of the first page, and dies there.
    let cut = std::panic::AssertUnwindSafe(async { vault.rotate(|_| panic!("killed")).await });
    assert!(futures_util::FutureExt::catch_unwind(cut).await.is_err());
    assert_eq!(wrapped_by_others(&vault).await, 100);
    // Meanwhile everybody can be read by who knows both, and new keys are of the new one.
    let newcomer = Person::new(&store).await;
    newcomer.label("new").await.unwrap();
    let person = Person { store: store.clone(), id: people[1_099] };
    person.label("old").await.unwrap();
    assert_eq!(wrapped_by_others(&vault).await, 100);
    for alone in [OLD, NEW] {
        let refused = self::store(&world, MasterKey::new(alone)).await.err();
        assert!(matches!(refused, Some(Fault::WrongMasterKey)), "{refused:?}");
    }
    let done = rotating(&world.pool).await.rotate(|_| {}).await.unwrap();
    assert_eq!(done, Rotation { rewrapped: 100, unreadable: 0 });
    let again = rotating(&world.pool).await.rotate(|_| {}).await.unwrap();
    assert_eq!(again, Rotation::default(), "nothing is left to do");
    self::store(&world, MasterKey::new(NEW)).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_process_that_knows_only_the_old_key_makes_no_new_ones_and_parks_nothing() {
    let world = World::new().await;
    let store = store(&world, MasterKey::new(OLD)).await.unwrap();
    let person = Person::new(&store).await;
    person.run::<orbit_domain::tasks::Label>(ids::new_event_id(), create("red")).await.unwrap();
    rotating(&world.pool).await.rotate(|_| {}).await.unwrap();
    let refused = store.vault().create_key(orbit_events::UserId(ids::new_event_id())).await;
    assert!(matches!(refused, Err(Fault::WrongMasterKey)), "{refused:?}");
    // Another one with fresh caches, as after a minute.
    let vault = Vault::new(world.pool.clone(), &MasterKey::new(OLD), Clock::system());
    let opened = store.log().at(1).await.unwrap().unwrap().open(&vault).await;
    assert!(matches!(opened, Err(Fault::WrongMasterKey)), "the fact itself is innocent: {opened:?}");
    world.stop().await;
}
