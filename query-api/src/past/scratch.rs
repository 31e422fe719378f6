//! The pool of sessions that have scratch tables. They are empty whenever a connection is taken.

use orbit_platform::postgres::Pool;
use orbit_projector::scratch;
use sqlx::postgres::PgPoolOptions;

/// Where the serving tables lie, which the scratch tables are like.
const SERVING: &str = "view";

/// A pool to the same database in the same role, each of whose connections makes its tables when it begins.
///
/// What a question has left is taken away when its connection comes back, however the request ended: answered, failed, or
/// given up by the client in the midst of it. A connection that cannot be emptied is closed.
pub fn beside(primary: &Pool, connections: u32) -> Pool {
    let (options, limits) = (primary.connect_options().as_ref().clone(), primary.options());
    PgPoolOptions::new()
        .max_connections(connections.max(1))
        .acquire_timeout(limits.get_acquire_timeout())
        .max_lifetime(limits.get_max_lifetime())
        .idle_timeout(limits.get_idle_timeout())
        .test_before_acquire(false)
        .after_connect(|connection, _| Box::pin(scratch::make(connection, SERVING)))
        .after_release(|connection, _| Box::pin(async move { scratch::forget(connection).await.map(|()| true) }))
        .connect_lazy_with(options)
        .into()
}
