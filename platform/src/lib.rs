//! Plumbing that knows no context: what every process of Orbit stands on, and the next one gets for nothing.
//!
//! In reading order: [`clock`], [`ids`] and [`random`] are the only sources of time, ids and randomness; [`config`] holds
//! the settings; [`telemetry`] logs, traces and metrics; [`shutdown`] starts and stops tasks; [`signing`] signs proofs;
//! [`recent`] remembers for a while; [`postgres`] and [`nats`] connect; [`problem`] is every error answer; [`http`] reads
//! requests and serves; [`auth`] says who calls.

pub mod auth;
pub mod clock;
pub mod config;
pub mod http;
pub mod ids;
pub mod nats;
pub mod postgres;
pub mod problem;
pub mod random;
pub mod recent;
pub mod shutdown;
pub mod signing;
pub mod telemetry;
