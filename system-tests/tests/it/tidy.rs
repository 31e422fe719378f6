//! Looks at the sources: arrows between packages, rooms that are complete, purity where it was promised.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Which of our packages each package may use, outside of its tests. An arrow that is not here is drawn in
/// docs/ARCHITECTURE.md first.
const ARROWS: [(&str, &[&str]); 14] = [
    ("orbit-events", &[]),
    ("orbit-domain", &["orbit-events"]),
    ("orbit-platform", &[]),
    ("orbit-adapters", &["orbit-platform"]),
    ("orbit-migrations", &[]),
    ("orbit-runtime", &[]),
    ("orbit-testing", &["orbit-migrations", "orbit-runtime"]),
    ("orbit-event-store", &["orbit-domain", "orbit-events", "orbit-platform"]),
    ("orbit-command-api", &["orbit-adapters", "orbit-domain", "orbit-event-store", "orbit-events", "orbit-platform"]),
    ("orbit-projector", &["orbit-domain", "orbit-event-store", "orbit-events", "orbit-platform"]),
    (
        "orbit-query-api",
        &["orbit-adapters", "orbit-domain", "orbit-event-store", "orbit-events", "orbit-platform", "orbit-projector"],
    ),
    ("orbit-reactor", &["orbit-adapters", "orbit-domain", "orbit-event-store", "orbit-events", "orbit-platform"]),
    (
        "orbit",
        &[
            "orbit-adapters",
            "orbit-command-api",
            "orbit-domain",
            "orbit-event-store",
            "orbit-events",
            "orbit-migrations",
            "orbit-platform",
            "orbit-projector",
            "orbit-query-api",
            "orbit-reactor",
            "orbit-runtime",
        ],
    ),
    ("orbit-system-tests", &[]),
];

/// What a pure package may be made of: values, their shapes and their checks.
const PURE: [&str; 11] = [
    "chrono",
    "chrono-tz",
    "email_address",
    "foldhash",
    "orbit-events",
    "rust-stemmers",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
    "uuid",
];

/// Contexts and the rooms that each has a file or folder in.
const CONTEXTS: [(&str, &[&str]); 3] = [
    (
        "users",
        &["events/src", "domain/src", "command-api/src/routes", "projector/src/projections", "query-api/src/routes"],
    ),
    (
        "tasks",
        &["events/src", "domain/src", "command-api/src/routes", "projector/src/projections", "query-api/src/routes"],
    ),
    // Facts of its own it has none: it tells those of the others.
    ("activities", &["projector/src/projections", "query-api/src/routes"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Our packages, as cargo sees them.
fn packages() -> Vec<Value> {
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["packages"].as_array().unwrap().clone()
}

fn name(package: &Value) -> &str {
    package["name"].as_str().unwrap()
}

/// What a package is built with, tests aside.
fn dependencies(package: &Value) -> BTreeSet<&str> {
    let all = package["dependencies"].as_array().unwrap().iter();
    all.filter(|dependency| dependency["kind"] != "dev").map(name).collect()
}

/// Every file that is ours and kept: what git knows, and what it would take.
fn files() -> Vec<PathBuf> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    match Command::new("git").args(arguments).current_dir(root()).output() {
        Ok(output) if output.status.success() => {
            let names = String::from_utf8(output.stdout).unwrap();
            names
                .split('\0')
                .filter(|name| !name.is_empty())
                .map(|name| root().join(name))
                .filter(|p| p.is_file())
                .collect()
        }
        // A copy without its history: everything but what builds and runs leave behind.
        _ => walk(&root()),
    }
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| !["target", ".git", ".orbit"].iter().any(|name| path.ends_with(name)))
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .collect()
}

fn sources() -> Vec<(PathBuf, String)> {
    let sources = files().into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    // One that is being renamed meanwhile is somebody else's.
    sources.filter_map(|path| fs::read_to_string(&path).ok().map(|text| (path, text))).collect()
}

#[test]
fn arrows_between_packages_point_one_way() {
    let arrows = BTreeMap::from(ARROWS);
    let packages = packages();
    let ours: BTreeSet<_> = packages.iter().map(name).collect();
    assert_eq!(ours, arrows.keys().copied().collect::<BTreeSet<_>>(), "a package came or went: draw its arrows");
    for package in &packages {
        let used: BTreeSet<_> = dependencies(package).intersection(&ours).copied().collect();
        let allowed = arrows[name(package)].iter().copied().collect();
        let astray: Vec<_> = used.difference(&allowed).collect();
        assert!(astray.is_empty(), "{} may not use {astray:?}", name(package));
        assert!(!used.contains("orbit-testing"), "{} uses orbit-testing outside of its tests", name(package));
    }
}

#[test]
fn events_and_domain_know_no_clock_no_randomness_and_no_waiting() {
    for package in packages().iter().filter(|package| ["orbit-events", "orbit-domain"].contains(&name(package))) {
        let impure: Vec<_> = dependencies(package).into_iter().filter(|used| !PURE.contains(used)).collect();
        assert!(impure.is_empty(), "{} uses {impure:?}", name(package));
    }
    let forbidden = [
        "async fn",
        ".await",
        "Utc::now",
        "Local::now",
        "Instant::now",
        "SystemTime",
        "now_v7",
        "new_v4",
        "std::fs",
        "std::net",
        "std::env",
        "std::thread",
        "std::process",
    ];
    let pure = ["events/src", "domain/src"].map(|folder| root().join(folder));
    let mut seen = 0;
    for (path, text) in sources().iter().filter(|(path, _)| pure.iter().any(|folder| path.starts_with(folder))) {
        seen += 1;
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let found: Vec<_> = forbidden.iter().filter(|word| line.contains(**word)).collect();
            assert!(found.is_empty(), "{}: {line}", path.display());
        }
    }
    assert!(seen > 20, "only {seen} files were looked at");
}

/// A draft has no way to a mail server: what is sent is a submission, which somebody asked for.
#[test]
fn a_draft_knows_no_way_to_be_sent() {
    let of_drafts = |path: &Path| {
        path.components().any(|part| {
            let name = part.as_os_str().to_string_lossy();
            name == "drafts"
                || name == "draft"
                || name.strip_suffix(".rs").is_some_and(|name| name.starts_with("draft"))
        })
    };
    let mut seen = 0;
    for (path, text) in sources().iter().filter(|(path, _)| of_drafts(path.strip_prefix(root()).unwrap_or(path))) {
        seen += 1;
        let text = text.to_lowercase();
        for word in ["smtp", "lettre"] {
            assert!(!text.contains(word), "{} speaks of {word}", path.display());
        }
    }
    assert!(seen >= 2, "only {seen} files of drafts were looked at");
    let sending = root().join("reactor/src/submissions");
    for (path, text) in sources().iter().filter(|(path, _)| path.starts_with(&sending)) {
        for way in ["Draft>", "emails::Draft", "emails::draft"] {
            assert!(!text.contains(way), "{} loads drafts", path.display());
        }
    }
}

/// Settings come in through the command line's parser, which knows their names, documents them and shows them.
#[test]
fn nobody_reads_a_setting_past_the_command_line() {
    // The platform holds the settings, the runtime its home; tests have switches of their own.
    let may = ["platform", "runtime", "testing", "system-tests"].map(|folder| root().join(folder));
    let mut seen = 0;
    for (path, text) in sources() {
        let of_tests = path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("build.rs");
        if of_tests || may.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        seen += 1;
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let found = ["env::var(", "env::var_os(", "env::vars"].iter().find(|word| line.contains(**word));
            assert!(found.is_none(), "{}: {line}", path.display());
        }
    }
    assert!(seen > 100, "only {seen} files were looked at");
}

#[test]
fn every_context_has_its_file_in_every_room() {
    for (context, rooms) in CONTEXTS {
        for room in rooms {
            let place = root().join(room);
            let found = place.join(format!("{context}.rs")).is_file() || place.join(context).join("mod.rs").is_file();
            assert!(found, "{room} has no {context}");
        }
        let migrations: Vec<_> = fs::read_dir(root().join("migrations/sql")).unwrap().flatten().collect();
        let named = |end: &str| migrations.iter().any(|entry| entry.file_name().to_string_lossy().ends_with(end));
        assert!(named(&format!("_{context}.sql")), "migrations have no {context}");
    }
}

#[test]
fn no_source_is_too_long_to_read() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 700, "{} has {lines} lines: make a folder of it", path.display());
    }
}

#[test]
fn every_source_says_first_what_it_is_for() {
    // Tests in a file beside their module are under the module's own first line.
    for (path, text) in sources().into_iter().filter(|(path, _)| !path.ends_with("tests.rs")) {
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//!"), "{} begins with {first:?}", path.display());
    }
}

#[test]
fn every_package_inherits_the_lints() {
    for package in packages() {
        let manifest = fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        let lints = manifest.split("[lints]").nth(1).unwrap_or_default();
        assert!(lints.trim_start().starts_with("workspace = true"), "{} has lints of its own", name(&package));
    }
}

#[test]
fn nothing_is_left_to_be_done_later() {
    // Put together here, so that this file does not find itself.
    let marks = ["todo", "unimplemented"].map(|word| format!("{word}!("));
    let notes = ["TO", "FIX"].map(|begin| format!("{begin}{}", if begin == "TO" { "DO" } else { "ME" }));
    for (path, text) in sources() {
        for mark in marks.iter().chain(&notes) {
            assert!(!text.contains(mark.as_str()), "{} holds {mark}", path.display());
        }
    }
}

#[test]
fn no_registry_is_named() {
    // Where packages come from is a setting of the machine. Put together here, so that this file does not find itself.
    let hosts = [
        ["crates", "io"],
        ["pypi", "org"],
        ["pythonhosted", "org"],
        ["npmjs", "org"],
        ["npmjs", "com"],
        ["docker", "io"],
        ["ghcr", "io"],
        ["quay", "io"],
        ["docker", "com"],
    ];
    for path in files() {
        // Cargo writes the lock file, and names the index in it.
        let Some(text) = fs::read_to_string(&path).ok().filter(|_| !path.ends_with("Cargo.lock")) else { continue };
        for host in hosts.map(|parts| parts.join(".")) {
            assert!(!text.contains(&host), "{} names {host}", path.display());
        }
    }
}
