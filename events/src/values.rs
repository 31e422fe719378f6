//! Values that facts of several contexts are made of.

use serde::{Deserialize, Serialize};

/// Who wrote something down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// The user.
    User,
    /// The user's agent.
    Agent,
}
