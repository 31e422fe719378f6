//! The event store on a real `PostgreSQL` and a real NATS. Each test names what it tries to break.
#![allow(clippy::unwrap_used, reason = "tests; the helpers too")]

mod attempts;
mod exports;
mod facts;
mod idempotency;
mod imports;
mod outage;
mod positions;
mod relay;
mod replay;
mod rotation;
mod seal;
mod secrecy;
mod unit;
mod world;
