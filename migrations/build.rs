//! Tells Cargo that a new SQL file is a change.
fn main() {
    println!("cargo:rerun-if-changed=sql");
}
