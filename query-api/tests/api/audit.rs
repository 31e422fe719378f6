//! Checkpoints and proofs, and that they prove what they say.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use orbit_event_store::proof::{
    Seal, Sealer,
    note::{Checkpoint, VerifierKey},
    tree::{Hash, leaf_hash, proves_consistency, proves_inclusion},
};
use orbit_events::UserId;
use orbit_platform::{shutdown::Shutdown, signing::SigningKey};
use orbit_testing::eventually;
use serde_json::Value;

use crate::world::{ADA, BOB, World};

const SOON: Duration = Duration::from_secs(20);

/// Facts in the log, as if somebody had appended them.
async fn append(world: &World, user: UserId, facts: i64) {
    let sql = "WITH head AS (UPDATE log.head SET position = position + $1 RETURNING position - $1 AS base)
               INSERT INTO log.events (position, event_id, user_id, partition, category, stream_id, version, type,
                                       schema_version, data, metadata, recorded_at)
               SELECT base + n, uuidv7(), $2, $3, 'labels', uuidv7(), 1, 'labels.created', 1, sha512(n::text::bytea),
                      '{\"actor\": {\"type\": \"user\"}, \"correlation_id\": \"00000000-0000-0000-0000-000000000000\"}', now()
               FROM head, generate_series(1, $1) n";
    let query = sqlx::query(sql).bind(facts).bind(user.0).bind(World::partition(user));
    query.execute(world.database.pool()).await.unwrap();
}

/// A sealer, until the life ends.
fn sealer(world: &World) -> Shutdown {
    let life = Shutdown::new();
    seal_until(world, &life);
    life
}

fn seal_until(world: &World, life: &Shutdown) {
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    let sealer = Sealer::new(world.database.pool().into(), key, world.clock.clone());
    life.spawn("sealer", sealer.run(life.clone()));
}

async fn sealed(world: &World, position: i64) {
    eventually(SOON, || async {
        let mut connection = world.database.pool().acquire().await.unwrap();
        Seal::newest(&mut connection).await.unwrap().filter(|seal| seal.size >= position)
    })
    .await;
}

fn hash(value: &Value) -> Hash {
    STANDARD.decode(value.as_str().unwrap()).unwrap().try_into().unwrap()
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().unwrap().iter().map(hash).collect()
}

/// What a signed checkpoint in an answer says, held to the key beside it.
fn opened(checkpoint: &Value) -> Checkpoint {
    let keys: [VerifierKey; 1] = [checkpoint["verifier_key"].as_str().unwrap().parse().unwrap()];
    Checkpoint::open(checkpoint["note"].as_str().unwrap(), &keys).unwrap().0
}

#[tokio::test]
async fn a_checkpoint_is_a_signed_note_with_the_key_to_it() {
    let world = World::new().await;
    append(&world, ADA, 7).await;
    let life = sealer(&world);
    sealed(&world, 7).await;
    let reply = world.get_with(ADA, "/audit/checkpoint", &[("orbit-min-position", "7")]).await;
    assert_eq!(reply.header("orbit-as-of"), Some("7"));
    let body = reply.ok();
    let said = opened(&body);
    assert_eq!((said.size, said.root), (7, hash(&body["root"])));
    assert_eq!((body["size"].as_i64(), body["origin"].as_str()), (Some(7), Some(said.origin.as_str())));
    assert!(said.origin.starts_with("orbit/"));
    assert_eq!(world.get(BOB, "/audit/checkpoint").await.ok(), body, "it is everybody's");

    let plain = world.get_with(ADA, "/audit/checkpoint", &[("accept", "text/plain")]).await;
    assert_eq!((plain.status, plain.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    assert_eq!(plain.text, body["note"].as_str().unwrap());
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn a_proof_leads_from_the_fact_to_the_signed_root() {
    let world = World::new().await;
    append(&world, BOB, 4).await;
    let life = sealer(&world);
    sealed(&world, 4).await;
    append(&world, ADA, 300).await;
    sealed(&world, 304).await;
    for (position, size) in [(5, None), (304, None), (257, Some(280))] {
        let size_asked = size.map_or(String::new(), |size: i64| format!("&size={size}"));
        let body = world.get(ADA, &format!("/audit/proof/inclusion?position={position}{size_asked}")).await.ok();
        let size = body["tree_size"].as_u64().unwrap();
        let index = body["leaf_index"].as_u64().unwrap();
        let leaf = hash(&body["leaf_hash"]);
        assert_eq!(
            (index, leaf),
            (position - 1, leaf_hash(&STANDARD.decode(body["entry"].as_str().unwrap()).unwrap()))
        );
        let root = match &body["checkpoint"] {
            // None was signed of this size: its owner would have it.
            Value::Null => {
                hash(&world.get(ADA, &format!("/audit/proof/consistency?from={size}")).await.ok()["from_root"])
            }
            checkpoint => opened(checkpoint).root,
        };
        assert!(proves_inclusion(index, size, &leaf, &hashes(&body["hashes"]), &root), "{body}");
    }
    // A fact that was changed no longer is its leaf.
    let change = "ALTER TABLE log.events DISABLE TRIGGER ALL; UPDATE log.events SET version = 2 WHERE position = 9";
    sqlx::raw_sql(change).execute(world.database.pool()).await.unwrap();
    let body = world.get(ADA, "/audit/proof/inclusion?position=9").await.ok();
    assert_ne!(hash(&body["leaf_hash"]), leaf_hash(&STANDARD.decode(body["entry"].as_str().unwrap()).unwrap()));
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn the_log_of_a_later_checkpoint_begins_with_that_of_an_earlier_one() {
    let world = World::new().await;
    let life = sealer(&world);
    append(&world, ADA, 300).await;
    sealed(&world, 300).await;
    let earlier = opened(&world.get(ADA, "/audit/checkpoint").await.ok());
    append(&world, BOB, 300).await;
    sealed(&world, 600).await;
    let later = opened(&world.get(ADA, "/audit/checkpoint").await.ok());
    for question in [format!("from={}", earlier.size), format!("from={}&to={}", earlier.size, later.size)] {
        let body = world.get(ADA, &format!("/audit/proof/consistency?{question}")).await.ok();
        assert_eq!((hash(&body["from_root"]), hash(&body["to_root"])), (earlier.root, later.root));
        let proof = hashes(&body["hashes"]);
        assert!(proves_consistency(earlier.size, later.size, &earlier.root, &later.root, &proof), "{body}");
        assert!(!proves_consistency(earlier.size, later.size, &later.root, &later.root, &proof), "{body}");
    }
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn somebody_elses_position_and_one_that_is_not_there_are_not_told_apart() {
    let world = World::new().await;
    append(&world, ADA, 3).await;
    let life = sealer(&world);
    sealed(&world, 3).await;
    assert_eq!(world.get(ADA, "/audit/proof/inclusion?position=2").await.status, 200);
    let theirs = world.get(BOB, "/audit/proof/inclusion?position=2").await;
    let nobodys = world.get(BOB, "/audit/proof/inclusion?position=4").await;
    let what =
        |reply: &crate::world::Reply| (reply.status, reply.json()["code"].clone(), reply.json()["detail"].clone());
    assert_eq!((theirs.status, what(&theirs)), (404, what(&nobodys)));
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn what_is_not_sealed_yet_is_waited_for() {
    // Asked before there is a sealer, and answered by what it does; on a busy machine maybe not the first time.
    for _ in 0..5 {
        let (world, life) = (World::new().await, Shutdown::new());
        append(&world, ADA, 3).await;
        let late = async {
            // Once the request has looked in vain.
            eventually(SOON, || async {
                let looked = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                              AND query LIKE 'SELECT size, verifier, root, note, signed_at FROM log.seals%')";
                sqlx::query_scalar::<_, bool>(looked).fetch_one(world.database.pool()).await.unwrap()
            })
            .await;
            seal_until(&world, &life);
        };
        let (reply, ()) = tokio::join!(world.get(ADA, "/audit/proof/inclusion?position=3"), late);
        sealed(&world, 3).await;
        life.finish(SOON).await.unwrap();
        if reply.status == 200 {
            return;
        }
    }
    panic!("nobody waited");
}

#[tokio::test]
async fn nonsense_is_named_and_what_is_not_sealed_is_said() {
    let world = World::new().await;
    append(&world, ADA, 3).await;
    let refused = async |path: &str| {
        let reply = world.get(ADA, path).await;
        let names: Vec<String> = reply.json()["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|error| error["pointer"].as_str().unwrap().to_owned())
            .collect();
        (reply.status, reply.json()["code"].as_str().unwrap().to_owned(), names.join(" "))
    };
    let not_sealed = (503, "not_sealed".to_owned(), String::new());
    assert_eq!(refused("/audit/proof/inclusion?position=3").await, not_sealed);
    assert_eq!(refused("/audit/checkpoint").await, not_sealed);
    let life = sealer(&world);
    sealed(&world, 3).await;
    for (path, names) in [
        ("/audit/proof/inclusion", "?position"),
        ("/audit/proof/inclusion?position=0", "?position"),
        ("/audit/proof/inclusion?position=first&size=-1", "?position ?size"),
        ("/audit/proof/inclusion?position=3&size=2", "?size"),
        ("/audit/proof/inclusion?position=3&size=4", "?size"),
        ("/audit/proof/inclusion?position=9223372036854775808", "?position"),
        ("/audit/proof/consistency", "?from"),
        ("/audit/proof/consistency?from=0", "?from"),
        ("/audit/proof/consistency?from=3&to=2", "?from"),
        ("/audit/proof/consistency?from=4", "?from"),
        ("/audit/proof/consistency?from=1&to=9223372036854775807", "?to"),
        ("/audit/checkpoint?size=3", "?size"),
    ] {
        assert_eq!(refused(path).await, (400, "invalid_query".to_owned(), names.to_owned()), "{path}");
    }
    let ahead = world.get_with(ADA, "/audit/checkpoint", &[("orbit-min-position", "4")]).await;
    assert_eq!((ahead.status, ahead.header("retry-after")), (503, Some("1")));
    life.finish(SOON).await.unwrap();
}
