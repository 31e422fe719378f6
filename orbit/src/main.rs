//! The program `orbit`; everything is in the library beside it.

use std::process::ExitCode;

/// A command is a few dozen small allocations; this allocator makes them cheaper (`docs/PERFORMANCE.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    orbit::main()
}
