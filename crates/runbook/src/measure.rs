//! What a run has measured: how long recovery took (RTO), how much was lost (RPO), and each step.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::document::Runbook;
use crate::error::Result;
use crate::journal::Outcome;
use crate::state::{RunState, Standing};
use crate::world::World;

/// What a run has measured. Times are milliseconds since the disaster was declared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The run.
    pub run: String,
    /// The runbook.
    pub runbook: String,
    /// What it is for.
    pub title: String,
    /// The drill that it belongs to.
    pub drill: Option<String>,
    /// When the disaster was declared.
    pub declared: Timestamp,
    /// When it happened.
    pub disaster: Timestamp,
    /// How it ended; `None` when it has not.
    pub outcome: Option<Outcome>,
    /// Its steps that were begun, in the order in which they began.
    pub steps: Vec<MeasuredStep>,
    /// From its declaration until the application was verified and healthy; `None` when that was
    /// not reached.
    pub rto_ms: Option<u64>,
    /// How long that may take.
    pub rto_objective_ms: Option<u64>,
    /// How long it was predicted to take.
    pub predicted_ms: Option<u64>,
    /// The backup that was restored.
    pub backup: Option<String>,
    /// The moment up to which nothing was lost.
    pub reaches: Option<Timestamp>,
    /// How much was lost: from there to the last write before the disaster, or to the disaster when
    /// no write is known.
    pub rpo_ms: Option<u64>,
    /// Whether the last write is known; else `rpo_ms` is what may have been lost at most.
    pub rpo_exact: bool,
    /// How much may be lost.
    pub rpo_objective_ms: Option<u64>,
}

/// What was measured of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasuredStep {
    /// Its id.
    pub id: String,
    /// What it does.
    pub title: String,
    /// When it began.
    pub began_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether it was done.
    pub done: bool,
    /// Why it failed, when it did.
    pub error: Option<String>,
}

fn since(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Measured {
    /// What a run has measured.
    ///
    /// # Errors
    /// When the runbook in its journal cannot be read.
    pub fn of(world: &World, state: &RunState) -> Result<Self> {
        let runbook = Runbook::parse(&state.runbook, &state.run, &state.source)?;
        let declared = state.declared;
        let mut steps: Vec<(Timestamp, MeasuredStep)> = Vec::new();
        let (mut healthy, mut reaches, mut backup) = (None, None, None);
        for step in &runbook.steps {
            let known = state.step(&step.id);
            let done = known.standing == Standing::Done;
            if done && step.action.proves_health() {
                healthy = healthy.max(known.ended);
            }
            if let Some(moment) = known.outputs.get("reaches") {
                reaches = reaches.or_else(|| moment.parse::<Timestamp>().ok());
                backup = backup.or_else(|| known.outputs.get("backup").cloned());
            }
            let Some(began) = known.began else { continue };
            let error = match &known.standing {
                Standing::Failed { error } => Some(error.clone()),
                _ if done => None,
                _ => known.error.clone(),
            };
            steps.push((
                began,
                MeasuredStep {
                    id: step.id.clone(),
                    title: step.title.clone(),
                    began_ms: since(declared, began),
                    ended_ms: known.ended.map(|ended| since(declared, ended)),
                    attempts: known.attempts,
                    done,
                    error,
                },
            ));
        }
        steps.sort_by_key(|(began, _)| *began);
        let disaster = state.disaster.unwrap_or(declared);
        let last = state.last_write.map_or(disaster, |write| write.min(disaster));
        let objectives = &world.config.objectives;
        Ok(Self {
            run: state.run.clone(),
            runbook: runbook.name,
            title: runbook.title,
            drill: state.drill.as_ref().map(|drill| drill.id.clone()),
            declared,
            disaster,
            outcome: state.outcome,
            steps: steps.into_iter().map(|(_, step)| step).collect(),
            rto_ms: healthy.map(|healthy| since(declared, healthy)),
            rto_objective_ms: objectives.rto.map(ms),
            predicted_ms: state.predicted_ms,
            backup,
            reaches,
            rpo_ms: reaches.map(|reaches| since(reaches, last)),
            rpo_exact: state.last_write.is_some(),
            rpo_objective_ms: objectives.rpo.map(ms),
        })
    }

    /// The objectives that are missed, in words.
    pub fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        let words = |ms: u64| format!("{:.1} s", ms as f64 / 1000.0);
        match (self.rto_ms, self.rto_objective_ms) {
            (Some(rto), Some(objective)) if rto > objective => missed.push(format!(
                "recovery took {}, and may take {} (RTO)",
                words(rto),
                words(objective)
            )),
            (None, Some(objective)) => missed.push(format!(
                "the application was not verified and healthy, and should be after {} (RTO)",
                words(objective)
            )),
            _ => {}
        }
        match (self.rpo_ms, self.rpo_objective_ms) {
            (Some(rpo), Some(objective)) if rpo > objective => missed.push(format!(
                "{} were lost, and {} may be (RPO)",
                words(rpo),
                words(objective)
            )),
            _ => {}
        }
        missed
    }

    /// How far the prediction was off: 0.25 when recovery took a quarter longer.
    pub fn prediction_error(&self) -> Option<f64> {
        let (measured, predicted) = (self.rto_ms?, self.predicted_ms.filter(|ms| *ms > 0)?);
        Some(measured as f64 / predicted as f64 - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use lifeboat::config::Config;

    use super::*;
    use crate::journal::{Event, Record};
    use crate::library::built_in;
    use crate::sites::Sites;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn a_run_is_measured_from_its_declaration() {
        let text = built_in("corruption").unwrap();
        let event = Event::Declared {
            runbook: "corruption".to_owned(),
            source: text.to_owned(),
            inputs: std::collections::BTreeMap::new(),
            declared: at(-60),
            disaster: Some(at(-100)),
            last_write: Some(at(-110)),
            drill: None,
            predicted_ms: Some(80_000),
        };
        let done = |step: &str, outputs: &[(&str, String)]| Event::Done {
            step: step.to_owned(),
            outputs: outputs.iter().map(|(a, b)| ((*a).to_owned(), b.clone())).collect(),
        };
        let begun = |step: &str| Event::Begun { step: step.to_owned(), attempt: 1 };
        let events = [
            (0, event),
            (1, begun("choose")),
            (2, done("choose", &[("backup", "b".to_owned()), ("reaches", at(-115).to_string())])),
            (30, begun("verify-application")),
            (40, done("verify-application", &[])),
            (50, Event::Finished { outcome: Outcome::Succeeded }),
        ];
        let records: Vec<Record> = events
            .into_iter()
            .zip(1..)
            .map(|((second, event), number)| Record {
                number,
                at: at(second),
                by: "x".to_owned(),
                event,
            })
            .collect();
        let state = RunState::of("r", &records).unwrap();
        let mut config = Config::default();
        config.objectives.rto = Some(Duration::from_secs(90));
        config.objectives.rpo = Some(Duration::from_secs(5));
        let world = World::new(config, Sites::default());
        let measured = Measured::of(&world, &state).unwrap();
        assert_eq!(measured.rto_ms, Some(100_000));
        assert_eq!((measured.rpo_ms, measured.rpo_exact), (Some(5000), true));
        assert_eq!(measured.missed().len(), 1, "{:?}", measured.missed());
        assert!((measured.prediction_error().unwrap() - 0.25).abs() < 1e-9);
        let ids: Vec<_> = measured.steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["choose", "verify-application"]);
    }
}
