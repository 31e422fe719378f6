//! The catalogue of facts: what `docs/EVENTS.md` says, made from the code so that it cannot lie.

use crate::{Event, FactType};

const INTRODUCTION: &str = "\
# Events

Generated from the code by `orbit_events::catalog::markdown()`; do not edit.

Every fact in Orbit's log, by aggregate. A fact says what happened, in the past tense, and never changes. The payloads
below are what is sealed with the user's key; who did it, when and to what is in the envelope.
";

/// `docs/EVENTS.md`: every fact with its version, its meaning, and an example of its payload.
pub fn markdown() -> String {
    let contents = Event::CATEGORIES.iter().map(|category| {
        let names: Vec<&str> =
            facts_of(category).filter_map(|fact| fact.wire_type.split_once('.')).map(|it| it.1).collect();
        format!("- [{category}](#{category}): {}", names.join(", "))
    });
    let sections = Event::CATEGORIES.iter().flat_map(|category| {
        let heading = std::iter::once(format!("\n## {category}"));
        heading.chain(facts_of(category).map(section))
    });
    let lines: Vec<String> = std::iter::once(INTRODUCTION.to_owned()).chain(contents).chain(sections).collect();
    lines.join("\n") + "\n"
}

fn facts_of(category: &str) -> impl Iterator<Item = &'static FactType> {
    Event::types().filter(move |fact| category_of(fact) == category)
}

fn section(fact: &FactType) -> String {
    let FactType { wire_type, schema_version, meaning, example } = fact;
    format!("\n### `{wire_type}` version {schema_version}\n\n{meaning}\n\n```json\n{}\n```", example.trim())
}

fn category_of(fact: &FactType) -> &'static str {
    fact.wire_type.split_once('.').map_or(fact.wire_type, |(category, _)| category)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_is_told_with_version_meaning_and_example() {
        let page = markdown();
        for fact in Event::types() {
            let section = format!(
                "\n### `{}` version {}\n\n{}\n\n```json\n{}\n```\n",
                fact.wire_type,
                fact.schema_version,
                fact.meaning,
                fact.example.trim()
            );
            assert_eq!(page.matches(&section).count(), 1, "{}", fact.wire_type);
        }
    }
}
