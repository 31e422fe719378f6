//! The projections: one file (or folder) per context, and their list.

mod activities;
mod copy;
mod emails;
mod rows;
mod tasks;
mod users;

pub use activities::Activities;
pub use emails::Emails;
pub use tasks::Tasks;
pub use users::Users;

pub(crate) use rows::ERASED;

use crate::projection::Registered;

/// Every projection. A new context adds its line here. A static, not a constant: each crate that names a constant compiles
/// all of them once more.
pub static ALL: &[Registered] =
    &[Registered::of::<Users>(), Registered::of::<Tasks>(), Registered::of::<Emails>(), Registered::of::<Activities>()];

/// The projection of this name.
pub fn find(name: &str) -> Option<&'static Registered> {
    ALL.iter().find(|projection| projection.name == name)
}
