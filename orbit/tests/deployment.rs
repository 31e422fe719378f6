//! What is deployed is what the program understands: `docker-compose.yml`, `Dockerfile`, the proxy's and the broker's
//! configuration are held to the command line, to its settings and to each other.
#![allow(clippy::unwrap_used, reason = "tests; the helpers too")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use clap::{Command, CommandFactory};
use orbit::cli::Cli;
use serde_json::{Map, Value};

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn compose() -> Value {
    serde_saphyr::from_str(&read("docker-compose.yml")).unwrap()
}

fn services(compose: &Value) -> &Map<String, Value> {
    compose["services"].as_object().unwrap()
}

/// The services that run our program.
fn ours(compose: &Value) -> impl Iterator<Item = (&String, &Value)> {
    services(compose).iter().filter(|(_, service)| service["image"] == "orbit:latest")
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().unwrap_or_else(|| panic!("{list} is no list")).iter().map(|item| item.as_str().unwrap()).collect()
}

/// The subcommand that words lead to.
fn command(words: &[&str]) -> Command {
    let root = Cli::command();
    words.iter().fold(root, |command, word| {
        command.find_subcommand(word).unwrap_or_else(|| panic!("there is no command {word}")).clone()
    })
}

fn variables(command: &Command) -> BTreeSet<String> {
    command.get_arguments().filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned)).collect()
}

/// The `${NAME…}` of a text, with what follows the name.
fn interpolations(text: &str) -> Vec<(String, String)> {
    let found = text.split("${").skip(1).map(|rest| rest.split_once('}').unwrap().0);
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    found
        .map(|inside| inside.split_at(inside.find(|c| !name(c)).unwrap_or(inside.len())))
        .map(|(name, rest)| (name.to_owned(), rest.to_owned()))
        .collect()
}

#[test]
fn every_command_of_compose_is_one_of_the_program() {
    let compose = compose();
    assert_eq!(ours(&compose).count(), 5);
    for (name, service) in ours(&compose) {
        let words = strings(&service["command"]);
        let parsed = Cli::command().try_get_matches_from(["orbit"].iter().chain(&words));
        assert!(parsed.is_ok(), "{name}: {words:?} is not understood");
        if let Some(check) = service["healthcheck"].get("test") {
            let words = strings(check);
            assert_eq!(&words[..2], ["CMD", "orbit"], "{name}");
            assert!(Cli::command().try_get_matches_from(&words[1..]).is_ok(), "{name}: {words:?} is not understood");
        }
    }
}

#[test]
fn every_variable_that_compose_sets_is_a_setting_of_the_process_that_gets_it() {
    let compose = compose();
    for (name, service) in ours(&compose) {
        let known = variables(&command(&strings(&service["command"])));
        for variable in service["environment"].as_object().unwrap().keys() {
            assert!(known.contains(variable), "{name} does not know {variable}");
        }
    }
}

#[test]
fn every_process_is_given_its_servers_and_keys_and_migrate_no_keys() {
    let compose = compose();
    for (name, service) in ours(&compose) {
        let given = service["environment"].as_object().unwrap();
        assert!(given.contains_key("DATABASE_URL"), "{name}");
        let is_process = name != "migrate";
        assert_eq!(given.contains_key("NATS_URL"), is_process, "{name}");
        assert_eq!(given.contains_key("ORBIT_MASTER_KEY"), is_process, "{name}");
        assert_eq!(is_process, given.get("ORBIT_ENV") == Some(&"production".into()), "{name}");
        // Only whoever issues tokens can.
        assert_eq!(given.contains_key("ORBIT_SIGNING_KEY"), name == "command-api", "{name}");
        // Only whoever seals signs checkpoints.
        assert_eq!(given.contains_key("ORBIT_PROOF_KEY"), name == "command-api", "{name}");
    }
}

#[test]
fn no_secret_has_a_default() {
    let text = read("docker-compose.yml");
    for (name, rest) in interpolations(&text) {
        if name.ends_with("_PREVIOUS") {
            // Most of the time there is none.
            assert_eq!(rest, ":-", "${{{name}{rest}}}");
            continue;
        }
        let secret = ["PASSWORD", "KEY", "SECRET", "URL"].iter().any(|sign| name.contains(sign));
        assert_eq!(rest.starts_with(":?set "), secret, "${{{name}{rest}}}");
    }
}

#[test]
fn every_variable_that_compose_reads_is_in_the_example() {
    let example = read(".env.example");
    let known: BTreeSet<&str> =
        example.lines().filter_map(|line| Some(line.trim_start_matches('#').split_once('=')?.0)).collect();
    for (name, _) in interpolations(&read("docker-compose.yml")) {
        assert!(known.contains(name.as_str()), "{name} is not in .env.example");
    }
}

#[test]
fn every_service_is_watched_restarted_and_no_root() {
    let compose = compose();
    for (name, service) in services(&compose) {
        let once = name == "migrate";
        assert_eq!(service["restart"], if once { "no" } else { "unless-stopped" }, "{name}");
        assert_eq!(service["healthcheck"]["disable"] == true, once, "{name}");
        assert!(once || service["healthcheck"]["test"].is_array(), "{name} has no health check");
        let image = service["image"].as_str().unwrap();
        // Our image and the proxy's have a user of their own.
        let own_user = image.starts_with("orbit:") || image.contains("unprivileged");
        assert!(own_user || service["user"].as_str().is_some_and(|user| user != "root" && user != "0"), "{name}");
        for (other, _) in service["depends_on"].as_object().into_iter().flatten() {
            assert!(services(&compose).contains_key(other), "{name} depends on {other}, which is not there");
        }
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let (source, _) = volume.as_str().unwrap().split_once(':').unwrap();
            if let Some(file) = source.strip_prefix("./") {
                read(file);
            } else {
                assert!(compose["volumes"].get(source).is_some(), "{name}: volume {source} is not declared");
            }
        }
    }
}

#[test]
fn the_ports_of_processes_proxy_and_broker_fit_together() {
    let compose = compose();
    let proxy = read("deploy/proxy.conf");
    let port = "8000";
    for (name, service) in ours(&compose).filter(|(name, _)| *name != "migrate") {
        assert_eq!(service["environment"]["ORBIT_PORT"], port, "{name}");
    }
    for upstream in proxy.lines().filter_map(|line| line.trim().strip_prefix("proxy_pass http://")) {
        let (host, rest) = upstream.split_once(':').unwrap();
        assert!(host == "$process" || services(&compose).contains_key(host), "{host} is no service");
        assert_eq!(rest.trim_end_matches(';').trim_end_matches("$request_uri"), port);
    }
    for process in ["default command-api;", "GET     query-api;", "HEAD    query-api;"] {
        assert!(proxy.contains(process), "{process}");
    }
    let published = compose["services"]["proxy"]["ports"][0].as_str().unwrap().rsplit_once(':').unwrap().1;
    assert!(proxy.contains(&format!("listen {published};")), "the proxy does not listen on {published}");

    let broker = read("deploy/nats.conf");
    let environment = &compose["services"]["projector"]["environment"];
    let nats_url = environment["NATS_URL"].as_str().unwrap();
    assert!(broker.contains(&format!("\nport: {}\n", nats_url.rsplit_once(':').unwrap().1)));
    let check = strings(&compose["services"]["nats"]["healthcheck"]["test"]).concat();
    let watched = broker.lines().find_map(|line| line.strip_prefix("http_port: ")).unwrap();
    assert!(check.contains(&format!("127.0.0.1:{watched}/healthz")), "{check}");
}

#[test]
fn the_image_has_every_manifest_the_default_port_and_settings_that_exist() {
    let dockerfile = read("Dockerfile");
    let manifest = read("Cargo.toml");
    let members = manifest.split_once("members = [").unwrap().1.split_once(']').unwrap().0;
    for member in members.split(',').map(|member| member.trim().trim_matches('"')).filter(|member| !member.is_empty()) {
        assert!(dockerfile.contains(&format!("COPY {member}/Cargo.toml {member}/\n")), "{member}'s manifest");
        assert!(read(".dockerignore").contains(&format!("\n!{member}\n")), "{member} is ignored");
    }
    let up = command(&["serve", "command-api"]);
    let port = up.get_arguments().find(|arg| arg.get_env().is_some_and(|name| name == "ORBIT_PORT")).unwrap();
    assert!(dockerfile.contains(&format!("\nEXPOSE {}\n", port.get_default_values()[0].to_str().unwrap())));
    let settings = dockerfile.lines().rev().find_map(|line| line.strip_prefix("ENV ")).unwrap();
    for setting in settings.split(' ') {
        let (name, _) = setting.split_once('=').unwrap();
        assert!(variables(&up).contains(name), "{name} is no setting");
    }
    let user = dockerfile.lines().rev().find_map(|line| line.strip_prefix("USER ")).unwrap();
    assert!(!user.starts_with('0') && user != "root");
}
