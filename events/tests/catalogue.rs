//! `docs/EVENTS.md` is what the code says: made by `catalog::markdown()`, and held to it here.
//!
//! After a new fact: `UPDATE_DOCS=1 cargo test -p orbit-events --test catalogue`.

use std::{env, fs, path::PathBuf};

use orbit_events::catalog;

#[test]
fn the_catalogue_in_the_repository_is_the_one_that_the_code_makes() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/EVENTS.md");
    let page = catalog::markdown();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/EVENTS.md is not what the code says: UPDATE_DOCS=1 cargo test -p orbit-events --test catalogue"
    );
}
