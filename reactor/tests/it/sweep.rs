//! Blobs of users who were forgotten do not stay, whoever died on the way.

use orbit_platform::shutdown::Shutdown;
use orbit_reactor::sweep::sweep;

use crate::world::{Mailbox, SOON, World, message};

#[tokio::test]
async fn what_forgotten_users_had_stored_is_deleted_and_nothing_of_others() {
    let (world, life) = (World::new().await, Shutdown::new());
    let store = world.store(&life).await;
    let (gone, stays) = (Mailbox::new(&world, &store).await, Mailbox::new(&world, &store).await);
    for mailbox in [&gone, &stays] {
        mailbox.take(&[message("one", "One")]).await;
    }
    assert_eq!(sweep(store.vault(), &world.blobs).await.unwrap(), 0);
    // As if the process had died before it deleted the blobs.
    store.forget(gone.cause.user).await.unwrap();
    assert_eq!(sweep(store.vault(), &world.blobs).await.unwrap(), 1);
    assert_eq!(world.blobs.owners().await.unwrap(), [stays.cause.user.0]);
    life.finish(SOON).await.unwrap();
}
