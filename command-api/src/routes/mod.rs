//! Every route that writes, by context.

pub mod admin;
pub mod emails;
pub mod history;
pub mod read;
pub mod tasks;
pub mod users;

use orbit_event_store::Origin;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::state::AppState;

pub use tasks::FirstLists;

/// Routes, by who may call them.
pub struct Routes {
    /// With a token.
    pub guarded: OpenApiRouter<AppState>,
    /// With a token, and only so many times an hour: what takes room on the disk.
    pub uploads: OpenApiRouter<AppState>,
    /// With a token, and only so many times a minute: what makes this process speak with servers that users name.
    pub tests: OpenApiRouter<AppState>,
    /// Everybody, a few times a minute from each address.
    pub entered: OpenApiRouter<AppState>,
    /// Everybody, more often: devices that share an address come here by themselves.
    pub refreshed: OpenApiRouter<AppState>,
}

/// All routes.
pub fn routes() -> Routes {
    // One line per context.
    let guarded = OpenApiRouter::default()
        .merge(users::guarded())
        .merge(tasks::router())
        .merge(emails::router())
        .merge(history::router())
        .merge(admin::router());
    Routes {
        guarded,
        uploads: emails::uploads(),
        tests: users::tests(),
        entered: users::entered(),
        refreshed: users::refreshed(),
    }
}

/// What is left to do once facts were appended that no route of theirs decided: type and object of each.
pub async fn follow_up(app: &AppState, origin: &Origin, appended: &[(String, Uuid)]) {
    // One line per context.
    tasks::follow_up(app, origin, appended).await;
}

/// Whether a claim is on a place in an order: who loses one chooses another place.
pub fn is_place(scope: &str) -> bool {
    // One line per context.
    tasks::is_place(scope)
}
