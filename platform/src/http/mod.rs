//! HTTP: reading requests so that every fault is named, and serving so that every answer looks the same.
//!
//! A route reads its input with [`extract`] (bodies), [`query`], [`path`] and [`headers`], answers with a [`page`] or a
//! `problem`, and gets everything else from [`layers`], [`limits`], [`docs`] and [`health`] without asking.

pub mod address;
pub mod cursor;
pub mod docs;
pub mod extract;
pub mod headers;
pub mod health;
pub mod layers;
pub mod limits;
pub mod openapi;
pub mod page;
pub mod path;
pub mod query;
pub mod serve;
mod sort;
