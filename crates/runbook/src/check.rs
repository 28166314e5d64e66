//! Whether the steps of a runbook fit together.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::Field;
use crate::condition::Condition;
use crate::document::{Fault, Lines, ReadStep, Runbook, Step};
use crate::template::Reference;
use crate::value::Kind;

/// Fills in what each step needs; refuses names that stand twice, needs of what there is not, and
/// circles.
pub(crate) fn order(read: Vec<ReadStep>, lines: Lines<'_>) -> Result<Vec<Step>, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut at = BTreeMap::new();
    for (step, _) in &read {
        if let Some(first) = at.insert(step.id.clone(), step.line) {
            let reason = format!("there are two steps {}; the other is in line {first}", step.id);
            faults.push(Fault { line: step.line, reason });
        }
    }
    let mut steps: Vec<Step> = Vec::new();
    for (mut step, needs) in read {
        step.needs = match needs {
            None => steps.last().map(|step: &Step| step.id.clone()).into_iter().collect(),
            Some(needs) => needs
                .into_iter()
                .map(|need| {
                    if !at.contains_key(need.get_ref()) {
                        let reason = format!(
                            "the step {} needs {:?}, and there is no such step",
                            step.id,
                            need.get_ref()
                        );
                        faults.push(lines.fault(Some(need.span()), reason));
                    }
                    need.into_inner()
                })
                .collect(),
        };
        steps.push(step);
    }
    if faults.is_empty() {
        faults.extend(circle(&steps));
    }
    if faults.is_empty() { Ok(steps) } else { Err(faults) }
}

/// A step that waits for itself, if there is one.
fn circle(steps: &[Step]) -> Option<Fault> {
    let mut open: Vec<&Step> = steps.iter().collect();
    loop {
        let waiting: BTreeSet<&str> = open.iter().map(|step| step.id.as_str()).collect();
        let before = open.len();
        open.retain(|step| step.needs.iter().any(|need| waiting.contains(need.as_str())));
        if open.len() == before {
            break;
        }
    }
    // From any step that is left, its needs lead into a circle.
    let mut step = *open.first()?;
    let mut path = Vec::new();
    let by_id = |id: &str| open.iter().find(|step| step.id == id).copied();
    while !path.contains(&step.id.as_str()) {
        path.push(step.id.as_str());
        step = step.needs.iter().find_map(|need| by_id(need))?;
    }
    let from = path.iter().position(|id| *id == step.id)?;
    let mut names: Vec<&str> = path[from..].to_vec();
    names.push(&step.id);
    Some(Fault {
        line: step.line,
        reason: format!("steps wait for each other in a circle: {}", names.join(" needs ")),
    })
}

/// All steps that come before a step for certain.
fn ancestors<'a>(runbook: &'a Runbook, step: &'a Step) -> BTreeSet<&'a str> {
    let mut all = BTreeSet::new();
    let mut open: Vec<&str> = step.needs.iter().map(String::as_str).collect();
    while let Some(id) = open.pop() {
        if all.insert(id)
            && let Some(step) = runbook.step(id)
        {
            open.extend(step.needs.iter().map(String::as_str));
        }
    }
    all
}

/// Refuses references to what there is not, or not yet, and values of the wrong kind.
pub(crate) fn references(runbook: &Runbook, lines: Lines<'_>) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    for step in &runbook.steps {
        let before = ancestors(runbook, step);
        let undo =
            step.undo.iter().flatten().map(|template| Field::new("undo", template, Kind::Text));
        let conditions = step.preconditions.iter().flat_map(Condition::fields);
        for field in step.action.fields().into_iter().chain(undo).chain(conditions) {
            let own = field.name == "undo";
            for reason in wrong(runbook, step, &before, &field, own) {
                let reason = format!("the step {}, {}: {reason}", step.id, field.name);
                let line = field.template.span().map_or(step.line, |span| lines.at(Some(span)));
                faults.push(Fault { line, reason });
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn wrong(
    runbook: &Runbook,
    step: &Step,
    before: &BTreeSet<&str>,
    field: &Field<'_>,
    own_outputs: bool,
) -> Vec<String> {
    let Field { template, kind: wanted, .. } = field;
    let mut reasons = Vec::new();
    for reference in template.references() {
        match kind_of(runbook, step, before, reference, own_outputs) {
            Err(reason) => reasons.push(reason),
            Ok(kind) if template.as_reference().is_some() && !kind.fits(*wanted) => {
                reasons.push(format!("{reference} is of the kind {kind}, and {wanted} is wanted"));
            }
            Ok(_) => {}
        }
    }
    if let Some(text) = template.as_text()
        && let Err(reason) = wanted.check(text)
    {
        reasons.push(reason);
    }
    reasons
}

fn kind_of(
    runbook: &Runbook,
    step: &Step,
    before: &BTreeSet<&str>,
    reference: &Reference,
    own_outputs: bool,
) -> Result<Kind, String> {
    match reference {
        Reference::Run(_) => Ok(Kind::Text),
        Reference::Input(name) => {
            let input = runbook.inputs.get(name).map(|input| input.kind);
            input.ok_or_else(|| {
                let names: Vec<_> = runbook.inputs.keys().map(String::as_str).collect();
                format!("there is no input {name}; there are: {}", names.join(", "))
            })
        }
        Reference::Output { step: id, name } => {
            let Some(other) = runbook.step(id) else {
                return Err(format!("there is no step {id}"));
            };
            let own = own_outputs && *id == step.id;
            if !(own || before.contains(id.as_str())) {
                return Err(format!(
                    "the step {id} does not come before it; name it among what the step needs"
                ));
            }
            let outputs = other.action.outputs();
            outputs.iter().find(|(output, _)| output == name).map(|(_, kind)| *kind).ok_or_else(
                || {
                    let names: Vec<_> = outputs.iter().map(|(name, _)| *name).collect();
                    match names.as_slice() {
                        [] => format!("the step {id} puts out nothing"),
                        _ => format!("the step {id} puts out no {name}, but {}", names.join(", ")),
                    }
                },
            )
        }
    }
}
