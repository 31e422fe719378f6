//! `sort=-due_date,created_at`.

/// The order of a list: the columns asked for, then the id, so that no two rows are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The columns in order of weight. The id at the end is not among them.
    pub keys: Vec<SortKey>,
}

/// One column of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// Its name, one of those allowed.
    pub column: &'static str,
    /// Whether the greatest comes first.
    pub descending: bool,
}

impl Sort {
    /// Reads an order over `allowed` columns. Empty steps, unknown columns and columns given twice are refused.
    pub fn parse(text: &str, allowed: &[&'static str]) -> Result<Self, String> {
        let mut keys: Vec<SortKey> = Vec::new();
        for step in text.split(',') {
            let (name, descending) = step.strip_prefix('-').map_or((step, false), |name| (name, true));
            let Some(column) = allowed.iter().find(|column| **column == name) else {
                return Err(format!("one or more of {} is expected, each with - for descending", allowed.join(", ")));
            };
            if keys.iter().any(|key| key.column == *column) {
                return Err(format!("{column} is given twice"));
            }
            keys.push(SortKey { column, descending });
        }
        Ok(Self { keys })
    }

    /// The order as it would be asked for.
    pub fn canonical(&self) -> String {
        let step = |key: &SortKey| format!("{}{}", if key.descending { "-" } else { "" }, key.column);
        self.keys.iter().map(step).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_reads_back_and_garbage_is_refused() {
        let allowed = ["due_date", "created_at"];
        assert_eq!(Sort::parse("-due_date,created_at", &allowed).unwrap().canonical(), "-due_date,created_at");
        for bad in ["", "title", "due_date,-due_date", "due_date,", "--due_date", "due_date; DROP TABLE tasks"] {
            assert!(Sort::parse(bad, &allowed).is_err(), "{bad}");
        }
    }
}
