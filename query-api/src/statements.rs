//! The texts of the statements that the benches compare with `pgbench`: exactly what the routes send.

use crate::routes::tasks;

/// `GET /tasks/{id}`: `$1` partition (smallint), `$2` user (uuid), `$3` task (uuid).
pub fn one_task() -> String {
    tasks::one_statement()
}

/// `GET /tasks` without filters, its first page of 50: `$1` partition (smallint), `$2` user (uuid).
pub fn list_of_tasks() -> String {
    tasks::list_statement()
}
