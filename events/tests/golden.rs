//! What was once written can be read for ever: every version of every fact has a golden file, and none is ever edited.
//!
//! A new fact, or a new version of one, comes with a file `tests/golden/<type>.v<version>.json` and a line in
//! `tests/golden/RECORD`, which the failing test prints: name, fingerprint of the file, and what it decodes to. The
//! fingerprint of a line never changes; what an older version decodes to may change only with a new version of it.

use std::{collections::BTreeMap, fs, path::PathBuf};

use orbit_events::{Event, Fact, FactType};
use proptest::prelude::*;
use serde_json::Value;

struct Golden {
    name: String,
    wire_type: &'static str,
    version: i16,
    json: String,
}

impl Golden {
    fn decode(&self) -> Event {
        Event::decode(self.wire_type, self.version, self.json.as_bytes())
            .unwrap_or_else(|error| panic!("{}: {error:?}", self.name))
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// A golden file for every version of every type of fact.
fn golden() -> Vec<Golden> {
    let versions = |fact: &'static FactType| (1..=fact.schema_version).map(move |version| (fact.wire_type, version));
    let read = |(wire_type, version)| {
        let name = format!("{wire_type}.v{version}");
        let json = fs::read_to_string(folder().join(format!("{name}.json")));
        Golden { json: json.unwrap_or_else(|error| panic!("{name}: {error}")), name, wire_type, version }
    };
    Event::types().flat_map(versions).map(read).collect()
}

/// FNV-1a (64 bit), to notice that a file was edited.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |print, byte| (print ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[test]
fn every_fact_ever_written_still_decodes() {
    for golden in golden() {
        assert_eq!(golden.decode().wire_type(), golden.wire_type);
    }
}

#[test]
fn a_fact_of_today_encodes_to_the_very_json_that_it_was_read_from() {
    let current: BTreeMap<_, _> = Event::types().map(|fact| (fact.wire_type, fact.schema_version)).collect();
    for golden in golden().into_iter().filter(|golden| current[golden.wire_type] == golden.version) {
        let event = golden.decode();
        let json: Value = serde_json::from_str(&golden.json).unwrap();
        assert_eq!(event.payload(), json, "{}", golden.name);
        assert_eq!(serde_json::from_slice::<Value>(&event.encode()).unwrap(), json, "{}", golden.name);
        let again = Event::decode(golden.wire_type, golden.version, &event.encode()).unwrap();
        assert_eq!(again, event, "{}", golden.name);
    }
}

#[test]
fn a_golden_file_is_never_edited_and_never_reads_as_something_else() {
    let record = fs::read_to_string(folder().join("RECORD")).unwrap_or_default();
    let recorded: Vec<&str> = record.lines().collect();
    let missing: Vec<String> = golden()
        .iter()
        .map(|golden| format!("{} {:016x} {:?}", golden.name, fingerprint(&golden.json), golden.decode()))
        .filter(|line| !recorded.contains(&line.as_str()))
        .collect();
    assert!(missing.is_empty(), "not in tests/golden/RECORD; for a new fact, add:\n{}", missing.join("\n"));
    assert_eq!(recorded.len(), golden().len(), "tests/golden/RECORD has lines for facts that are gone");
}

#[test]
fn no_golden_file_lies_there_for_nothing() {
    let expected: Vec<String> = golden().into_iter().map(|golden| format!("{}.json", golden.name)).collect();
    for file in fs::read_dir(folder()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(name == "RECORD" || expected.contains(&name), "{name} is no version of any fact");
    }
}

#[test]
fn wire_types_are_unique_and_begin_with_their_category() {
    let mut seen = std::collections::BTreeSet::new();
    for fact in Event::types() {
        let (category, name) = fact.wire_type.split_once('.').unwrap();
        assert!(Event::CATEGORIES.contains(&category), "{}", fact.wire_type);
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", fact.wire_type);
        assert!(seen.insert(fact.wire_type), "{} twice", fact.wire_type);
    }
    assert_eq!(Event::CATEGORIES[0], <orbit_events::users::user::Event as Fact>::CATEGORY);
}

#[test]
fn debug_output_holds_no_hash_and_no_secret() {
    for golden in golden() {
        let printed = format!("{:?}", golden.decode());
        for secret in ["argon2", "app-password"] {
            assert!(!printed.contains(secret), "{}: {printed}", golden.name);
        }
    }
}

proptest! {
    #[test]
    fn bytes_that_are_no_fact_are_refused_and_never_panic(
        index in any::<prop::sample::Index>(),
        version in any::<i16>(),
        cut in any::<prop::sample::Index>(),
        garbage in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let golden = golden();
        let golden = &golden[index.index(golden.len())];
        let mut bytes = golden.json.clone().into_bytes();
        bytes.splice(cut.index(bytes.len()).., garbage.clone());
        let _ = Event::decode(golden.wire_type, version, &bytes);
        let _ = Event::decode(golden.wire_type, golden.version, &garbage);
        let _ = Event::decode(&String::from_utf8_lossy(&garbage), version, &bytes);
    }
}
