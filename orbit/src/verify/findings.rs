//! What `orbit verify` found, as a table and as JSON.

use std::time::Duration;

use async_nats::jetstream;
use orbit_event_store::{
    Log,
    proof::verify::{Check, Question, Verdict},
};
use orbit_events::subjects;
use orbit_platform::{
    config::NatsArgs,
    nats::{self, FirstConnection},
    postgres::Pool,
};
use orbit_projector::verify::{Ahead, Compared};
use serde::Serialize;
use serde_json::json;

use crate::print;

/// How long the broker may take to say where its stream ends.
const PATIENCE: Duration = Duration::from_secs(5);
/// Sentences shown of each check; JSON has more.
const SHOWN: usize = 5;

/// One line of the table.
#[derive(Debug, Serialize)]
pub struct Finding {
    check: &'static str,
    wrong: bool,
    says: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<i64>,
}

/// All of them.
#[derive(Debug)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// What is in the log.
    pub fn of(verdict: &Verdict, question: &Question) -> Self {
        let Verdict { from, head, facts, streams, sealed, checkpoints, .. } = verdict;
        let whose = match question.trusted.len() {
            0 => "each held to the key beside it, which proves little: name one with --key",
            _ => "signed with a trusted key",
        };
        let open = match head - sealed {
            open if open > 0 => format!("; {open} are not sealed yet"),
            _ => String::new(),
        };
        let mut lines = vec![
            ("positions", Check::Positions, format!("{facts} facts, {from} to {head}, without a gap")),
            ("streams", Check::Streams, format!("{streams}, each with all of its versions in order")),
            ("facts", Check::Facts, format!("those up to {sealed} are the ones that were sealed{open}")),
            ("tree", Check::Tree, "tiles are what the facts make of them".to_owned()),
            ("checkpoints", Check::Checkpoints, format!("{checkpoints}, {whose}")),
        ];
        if !question.witnessed.is_empty() {
            let says = format!("{} of them, and the log begins with what each says", question.witnessed.len());
            lines.push(("witness", Check::Witness, says));
        }
        let finding = |(name, check, well): (&'static str, Check, String)| {
            let wrong: Vec<_> = verdict.defects.iter().filter(|defect| defect.check == check).collect();
            let position = wrong.iter().filter_map(|defect| defect.position).min();
            let mut says: Vec<String> = wrong.iter().take(SHOWN).map(|defect| defect.says.clone()).collect();
            if wrong.len() > SHOWN {
                says.push(format!("… and {} more", wrong.len() - SHOWN));
            }
            Finding {
                check: name,
                wrong: !wrong.is_empty(),
                says: if wrong.is_empty() { vec![well] } else { says },
                position,
            }
        };
        let mut findings: Vec<_> = lines.into_iter().map(finding).collect();
        if verdict.more_defects > 0 {
            findings.push(Finding::wrong("more", vec![format!("{} defects beyond those", verdict.more_defects)], None));
        }
        Self(findings)
    }

    /// What follows the log.
    pub fn read_models(&mut self, compared: &Compared, ahead: &[Ahead]) {
        let mut wrong: Vec<String> = ahead
            .iter()
            .map(|one| {
                format!(
                    "{} says to be at {} in partition {}, ahead of the log",
                    one.projection, one.position, one.partition
                )
            })
            .collect();
        wrong.extend(compared.different.iter().map(|one| {
            let at = one.position.map_or(String::new(), |position| format!(", first at position {position}"));
            format!("user {} has {} facts and {} activities{at}", one.user_id, one.facts, one.activities)
        }));
        if compared.more > 0 {
            wrong.push(format!("… and {} more users", compared.more));
        }
        let position = compared.different.iter().filter_map(|one| one.position).min();
        let well = format!(
            "{} activities, one for each fact of {} users; none ahead of the log",
            compared.activities, compared.users
        );
        self.0.push(if wrong.is_empty() {
            Finding { check: "read models", wrong: false, says: vec![well], position: None }
        } else {
            Finding::wrong("read models", wrong, position)
        });
    }

    /// The stream does not know more than the log. A broker that is away is nothing wrong here: the doctor tells of it.
    pub async fn stream(&mut self, nats: &NatsArgs, pool: &Pool) {
        if nats.nats_url.is_empty() {
            return;
        }
        let looked = async {
            let client = nats::connect(nats, "orbit verify", FirstConnection::Required).await.ok()?;
            let head = Log::new(pool.clone()).head().await.ok()?;
            let name = subjects::stream_name(&nats.nats_prefix, head.epoch);
            let stream = jetstream::new(client).get_stream(&name).await.ok()?;
            let last = i64::try_from(stream.cached_info().state.last_sequence).unwrap_or(i64::MAX);
            // The head is looked at again: what came meanwhile is in the log before it is in the stream.
            Some((last, Log::new(pool.clone()).head().await.ok()?.position))
        };
        let finding = match tokio::time::timeout(PATIENCE, looked).await {
            Ok(Some((last, head))) if last > head => Finding::wrong(
                "JetStream",
                vec![format!("the stream ends at {last}, the log at {head}")],
                Some(head + 1),
            ),
            Ok(Some((last, head))) => Finding::well("JetStream", format!("ends at {last}; the log at {head}")),
            _ => Finding::well("JetStream", "not looked at: no answer, or no stream yet".to_owned()),
        };
        self.0.push(finding);
    }

    /// Whether anything is wrong.
    pub fn is_wrong(&self) -> bool {
        self.0.iter().any(|finding| finding.wrong)
    }

    /// The lowest position at which something is wrong.
    pub fn first_bad(&self) -> Option<i64> {
        self.0.iter().filter_map(|finding| finding.position).min()
    }

    /// For eyes.
    pub fn table(&self) -> String {
        let heading = ["", "CHECK", "FOUND"].map(str::to_owned).to_vec();
        let rows = self.0.iter().flat_map(|finding| {
            let mark = if finding.wrong { "✗" } else { "✓" };
            finding.says.iter().enumerate().map(move |(n, says)| {
                let (mark, check) = if n == 0 { (mark, finding.check) } else { ("", "") };
                vec![mark.to_owned(), check.to_owned(), says.clone()]
            })
        });
        print::table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
    }

    /// For programs.
    pub fn json(&self, verdict: &Verdict) -> anyhow::Result<String> {
        let page = json!({
            "sound": !self.is_wrong(), "first_bad_position": self.first_bad(), "checks": self.0, "log": verdict,
        });
        Ok(serde_json::to_string(&page)?)
    }
}

impl Finding {
    fn wrong(check: &'static str, says: Vec<String>, position: Option<i64>) -> Self {
        Self { check, wrong: true, says, position }
    }

    fn well(check: &'static str, says: String) -> Self {
        Self { check, wrong: false, says: vec![says], position: None }
    }
}
