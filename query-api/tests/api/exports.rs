//! Archives of everything about a user: theirs alone, and whole.

use http_body_util::BodyExt;
use orbit_event_store::{
    MasterKey, Vault,
    exports::{Export, Exports},
};
use orbit_platform::ids;

use crate::world::{ADA, BOB, World};

/// Pieces of Ada's archive, complete or not.
async fn archive(world: &World, pieces: &[&[u8]], complete: bool) -> Export {
    let vault = Vault::new(world.database.pool().into(), &MasterKey::new([7; 32]), world.clock.clone());
    vault.create_key(ADA).await.unwrap();
    let exports = Exports::new(world.database.pool().into(), vault, world.clock.clone());
    exports.request(ADA.0, ids::new_event_id()).await.unwrap();
    let export = exports.take(ADA.0).await.unwrap().unwrap();
    for (number, piece) in (0..).zip(pieces) {
        assert!(exports.write(&export, ADA.0, number, piece).await.unwrap());
    }
    if complete {
        assert!(exports.complete(&export, ADA.0).await.unwrap());
    }
    export
}

#[tokio::test]
async fn an_archive_is_listed_told_and_downloaded_piece_by_piece() {
    let world = World::new().await.with_ada().await;
    let export = archive(&world, &[b"PK one ", b"two"], true).await;
    let path = format!("/auth/me/exports/{}", export.id);
    let all = world.get(ADA, "/auth/me/exports").await.ok();
    assert_eq!(all["data"].as_array().unwrap().len(), 1);
    let one = world.get(ADA, &path).await.ok();
    assert_eq!(one, all["data"][0]);
    assert_eq!((&one["status"], &one["progress"], &one["bytes"]), (&"complete".into(), &100.into(), &10.into()));
    let token = format!("Bearer {}", world.token(ADA));
    let download = world.open(&format!("{path}/download"), &[("authorization", token.as_str())]).await;
    assert_eq!(download.status(), 200);
    assert_eq!(download.headers()["content-type"], "application/zip");
    assert_eq!(download.headers()["content-length"], "10");
    let bytes = download.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(&bytes[..], b"PK one two");
}

#[tokio::test]
async fn an_archive_of_somebody_else_is_not_found_nor_is_one_in_the_making() {
    let world = World::new().await.with_ada().await;
    world.register(BOB, "Bob", "UTC").await;
    let export = archive(&world, &[b"PK"], false).await;
    let path = format!("/auth/me/exports/{}", export.id);
    assert_eq!(world.get(ADA, &path).await.ok()["status"], "running");
    assert_eq!(world.get(ADA, &format!("{path}/download")).await.status, 404, "it is not complete");
    for path in [path.clone(), format!("{path}/download"), "/auth/me/exports/x".to_owned()] {
        assert_eq!(world.get(BOB, &path).await.status, 404, "{path}");
    }
    assert_eq!(world.get(BOB, "/auth/me/exports").await.ok()["data"].as_array().unwrap().len(), 0);
}
