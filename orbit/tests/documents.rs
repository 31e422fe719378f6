//! Documents say what the program does: the README's story runs as it is printed, docs/API.md lists the routes that there
//! are, docs/OPERATIONS.md the metrics, and what a document names is there.
//!
//! After a change of routes: `UPDATE_DOCS=1 cargo test -p orbit --test documents`.
#![allow(clippy::unwrap_used, reason = "tests; the helpers too")]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use common::{TestHome, Up};
use serde_json::Value;

/// Between these lines docs/API.md is made from `/openapi.json`.
const BEGIN: &str = "<!-- Made from /openapi.json: UPDATE_DOCS=1 cargo test -p orbit --test documents -->\n";
const END: &str = "<!-- Until here. -->\n";
/// Parameters that docs/API.md explains once for all routes.
const COMMON: [&str; 5] = ["dry_run", "limit", "cursor", "include", "sort"];

fn document(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

#[tokio::test]
async fn the_story_in_the_readme_works_as_it_is_printed() {
    let home = TestHome::new().await;
    let up = Up::start(&home, &[]);
    let readme = fs::read_to_string(document("README.md")).unwrap();
    let (_, story) = readme.split_once("\n## A story\n").unwrap();
    let (story, _) = story.split_once("\n## ").unwrap();
    let blocks: Vec<&str> = story.split("```").skip(1).step_by(2).filter_map(|it| it.strip_prefix("sh\n")).collect();
    assert!(blocks.len() > 5, "the story is gone: {story}");
    // A block that fails ends the script; a refused request does not look like an answer to `field`.
    let script = blocks.join("\n").replace("http://127.0.0.1:8000", &up.address);
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("bash")
        .args(["-e", "-u", "-o", "pipefail", "-c", &script])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    // Everything that is not what the reader was promised is a problem, except for the two that the story shows.
    assert_eq!(said.matches("/problems/").count(), 2, "{said}");
    for (promise, times) in [
        ("Idempotent-Replayed: true", 1),
        ("Plant a tree: done {'done': 2, 'total': 2}", 1),
        ("Completed task “Plant a tree”", 1),
        ("\"missing_scope\"", 1),
        ("\"unknown_field\"", 1),
    ] {
        let plain = said.replace("idempotent-replayed", "Idempotent-Replayed");
        assert_eq!(plain.matches(promise).count(), times, "{promise}: {said}");
    }
    up.stop();
}

#[tokio::test]
async fn the_routes_in_the_documentation_are_those_that_are_served() {
    let home = TestHome::new().await;
    let up = Up::start(&home, &[]);
    let (_, openapi) = up.get("/openapi.json").await;
    up.stop();
    let path = document("docs/API.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}{}{END}{after}", tables(&openapi));
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert!(
        written == expected,
        "docs/API.md is not what is served: UPDATE_DOCS=1 cargo test -p orbit --test documents"
    );
}

#[test]
fn every_metric_is_explained_and_no_other() {
    let operations = fs::read_to_string(document("docs/OPERATIONS.md")).unwrap();
    let explained: BTreeSet<&str> = operations
        .lines()
        .filter_map(|line| line.strip_prefix("| `orbit_").and_then(|rest| rest.split_once('`')))
        .map(|(name, _)| name)
        .collect();
    let mut sources = Vec::new();
    for room in ["platform", "adapters", "event-store", "command-api", "projector", "query-api", "reactor", "orbit"] {
        walk(&document(room).join("src"), &mut sources);
    }
    let recorded: BTreeSet<String> = sources
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .flat_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            // Tests at a file's end record what they like.
            let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
            let names = text.split("!(\"orbit_").skip(1).filter_map(|rest| rest.split_once('"'));
            names.map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
        })
        .collect();
    let recorded: BTreeSet<&str> = recorded.iter().map(String::as_str).collect();
    assert!(recorded.len() > 20, "the metrics are not found any more: {recorded:?}");
    assert_eq!(explained, recorded, "the table in docs/OPERATIONS.md and what the code records");
}

/// Links to files, and in code marks whatever begins with the name of a folder of ours.
#[test]
fn what_documents_name_is_there() {
    let root = document(".");
    let mut documents: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(document).to_vec();
    walk(&document("docs"), &mut documents);
    for path in documents.iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(path).unwrap();
        for (at, _) in text.match_indices("](") {
            let link = text[at + 2..].split(')').next().unwrap_or_default();
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            if link.contains("://") || place.is_empty() && file.is_empty() {
                continue;
            }
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{} links to {link}", path.display());
            let headings = || fs::read_to_string(&target).unwrap_or_default();
            let there = place.is_empty() || headings().lines().any(|line| anchor(line).as_deref() == Some(place));
            assert!(there, "{} links to {link}, which is no heading", path.display());
        }
        for mark in text.split('`').skip(1).step_by(2) {
            let folder = mark.split_once('/').map_or("", |(folder, _)| folder);
            let plain = mark.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
            // CONTEXT and TYPE stand for many; what starts with a dot may be made at run time.
            let one = plain && !mark.chars().any(|c| c.is_ascii_uppercase()) && !folder.starts_with('.');
            if one && !folder.is_empty() && root.join(folder).join("Cargo.toml").exists() {
                assert!(root.join(mark).exists(), "{} names {mark}", path.display());
            }
        }
    }
}

/// A heading as links spell it.
fn anchor(line: &str) -> Option<String> {
    let heading = line.starts_with('#').then(|| line.trim_start_matches('#').trim().to_lowercase())?;
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    Some(kept.map(|c| if c == ' ' { '-' } else { c }).collect())
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

/// A table for each first segment of the paths.
fn tables(openapi: &Value) -> String {
    let mut sections: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, item) in openapi["paths"].as_object().unwrap() {
        let route = path.strip_prefix("/api/v1/").unwrap_or_else(|| panic!("{path} is not below /api/v1"));
        let section = route.split('/').next().unwrap_or_default().to_owned();
        for method in ["get", "post", "patch", "put", "delete"] {
            if let Some(operation) = item.get(method) {
                sections.entry(section.clone()).or_default().push(row(route, method, operation));
            }
        }
    }
    let table = |(section, rows): (&String, &Vec<String>)| {
        format!(
            "\n### {section}\n\n| Route | What it does | Body | Parameters | Answers |\n|---|---|---|---|---|\n{}",
            rows.concat()
        )
    };
    sections.iter().map(table).collect::<String>() + "\n"
}

fn row(route: &str, method: &str, operation: &Value) -> String {
    let text =
        |name: &str| operation[name].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let summary = text("summary").trim_end_matches('.').to_owned();
    let what = [summary, text("description").trim_end_matches('.').to_owned()];
    let what = what.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(". ").replace('|', "\\|");
    let who = if operation["security"].as_array().is_some_and(Vec::is_empty) { " (no token)" } else { "" };
    let answers: Vec<&str> = operation["responses"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        // A dry run's 200 is explained once for all writes.
        .filter(|status| status.starts_with(['2', '3']))
        .filter(|status| {
            *status != "200" || operation["responses"].get("201").or(operation["responses"].get("204")).is_none()
        })
        .collect();
    format!(
        "| `{} /{route}`{who} | {what} | {} | {} | {} |\n",
        method.to_uppercase(),
        body(operation),
        parameters(operation),
        answers.join(", ")
    )
}

/// The name of the body's schema, as `/openapi.json` and `/docs` have it.
fn body(operation: &Value) -> String {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let either = schema["oneOf"].as_array().and_then(|all| all.iter().find(|one| one.get("$ref").is_some()));
    let reference = either.unwrap_or(schema)["$ref"].as_str();
    let name = reference.and_then(|it| it.rsplit('/').next()).map(|name| format!("`{name}`"));
    let optional = if either.is_some() { " or none" } else { "" };
    name.map_or_else(String::new, |name| name + optional)
}

/// What a route's query may hold; `due_date[gte]` counts as `due_date`.
fn parameters(operation: &Value) -> String {
    let mut names: Vec<String> = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten().filter(|it| it["in"] == "query") {
        let name = parameter["name"].as_str().unwrap();
        let name = name.split('[').next().unwrap_or(name);
        let shown = format!("`{name}`");
        if !COMMON.contains(&name) && !names.contains(&shown) {
            names.push(shown);
        }
    }
    let pages = operation["parameters"].as_array().into_iter().flatten().any(|it| it["name"] == "cursor");
    if pages {
        names.push("pages".to_owned());
    }
    names.join(" ")
}
