//! What a bench found: figures by name, in the order in which they were measured.

use std::io::{Write, stdout};

/// Figures of one bench.
#[derive(Debug, Default)]
pub struct Report {
    figures: Vec<(String, f64)>,
}

impl Report {
    /// Adds a figure; its name says its unit.
    pub fn add(&mut self, name: impl Into<String>, value: f64) {
        self.figures.push((name.into(), value));
    }

    /// Adds those of another bench.
    pub fn append(&mut self, other: Self) {
        self.figures.extend(other.figures);
    }

    /// The figures as a table (unless `json` alone is wanted) and as one line of JSON.
    pub fn print(&self, json: bool) -> anyhow::Result<()> {
        let mut out = stdout().lock();
        if !json {
            for (name, value) in &self.figures {
                writeln!(out, "{name:<28} {}", plain(*value))?;
            }
        }
        let fields: Vec<String> =
            self.figures.iter().map(|(name, value)| format!("\"{name}\":{}", plain(*value))).collect();
        writeln!(out, "{{{}}}", fields.join(","))?;
        Ok(())
    }
}

/// Three significant digits are more than a shared machine can vouch for.
fn plain(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
