//! The whole stack under test, from HTTP to the log and back. There is no code here: everything is in `tests/it`.
//!
//! `world` puts all roles together on port 0 over a database and a NATS prefix of the test's own · `journeys` tells a
//! newcomer's story · `outages` takes servers away · `two_users` asks for what is somebody else's · `arbitrary` sends
//! anything to every route of the document · `simulation` breaks things in a seeded order · `tidy` looks at the sources.
