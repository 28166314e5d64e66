//! Drawings for reports: the steps of a run on a line of time, and the drills one after another.

use std::fmt::Write as _;

use super::page::escape;
use super::time;
use crate::measure::Measured;

const WIDTH: u64 = 900;
const LABEL: u64 = 170;
const ROW: u64 = 24;

const DONE: &str = "#2f7d4f";
const FAILED: &str = "#b3261e";
const OPEN: &str = "#8a6d00";
const LINE: &str = "#57606a";

/// The steps of a run: each a bar from its beginning to its end, and the objective as a line.
pub(super) fn svg(measured: &Measured) -> String {
    let ends = measured.steps.iter().map(|step| step.ended_ms.unwrap_or(step.began_ms));
    let end = ends.chain(measured.rto_ms).chain(measured.rto_objective_ms).max().unwrap_or(1);
    let end = end.max(1);
    let x = |ms: u64| LABEL + (WIDTH - LABEL - 60) * ms.min(end) / end;
    let rows = measured.steps.len() as u64;
    let height = rows * ROW + 60;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         font-family=\"system-ui,sans-serif\" font-size=\"12\">\n<title>Timeline of {}</title>\n",
        escape(&measured.run)
    );
    for tick in 0..=4 {
        let ms = end * tick / 4;
        let _ = writeln!(
            svg,
            "<line x1=\"{0}\" y1=\"20\" x2=\"{0}\" y2=\"{1}\" stroke=\"#d0d7de\"/><text \
             x=\"{0}\" y=\"14\" text-anchor=\"middle\" fill=\"{LINE}\">{2}</text>",
            x(ms),
            height - 30,
            time(Some(ms))
        );
    }
    for (row, step) in measured.steps.iter().enumerate() {
        let y = 26 + row as u64 * ROW;
        let (from, to) = (x(step.began_ms), x(step.ended_ms.unwrap_or(end)));
        let colour = match (step.done, &step.error) {
            (true, _) => DONE,
            (false, Some(_)) => FAILED,
            (false, None) => OPEN,
        };
        let took = step.ended_ms.map(|ended| ended.saturating_sub(step.began_ms));
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><rect x=\"{from}\" y=\"{y}\" \
             width=\"{}\" height=\"16\" rx=\"2\" fill=\"{colour}\"><title>{}: {}</title></rect>",
            LABEL - 8,
            y + 13,
            escape(&step.id),
            (to - from).max(2),
            escape(&step.title),
            time(took)
        );
    }
    let mut mark = |ms: Option<u64>, words: &str, colour: &str, dash: &str, y: u64| {
        let Some(ms) = ms else { return };
        let _ = writeln!(
            svg,
            "<line x1=\"{0}\" y1=\"20\" x2=\"{0}\" y2=\"{y}\" stroke=\"{colour}\" \
             stroke-width=\"2\" stroke-dasharray=\"{dash}\"/><text x=\"{0}\" y=\"{1}\" \
             text-anchor=\"end\" fill=\"{colour}\">{words} {2}</text>",
            x(ms),
            y + 12,
            time(Some(ms))
        );
    };
    mark(measured.rto_ms, "healthy", DONE, "none", height - 30);
    mark(measured.rto_objective_ms, "objective", FAILED, "5 4", height - 16);
    svg.push_str("</svg>\n");
    svg
}

/// The recovery times of drills, one bar each; `None` when there is none.
pub(super) fn trend(drills: &[Measured]) -> Option<String> {
    let shown: Vec<&Measured> = drills.iter().rev().take(30).rev().collect();
    let most = shown.iter().filter_map(|one| one.rto_ms.max(one.rto_objective_ms)).max()?.max(1);
    let (height, base) = (220, 180);
    let step = (WIDTH - 80) / (shown.len() as u64).max(4);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         font-family=\"system-ui,sans-serif\" font-size=\"11\">\n<title>Recovery times of \
         drills</title>\n"
    );
    for (index, one) in shown.iter().enumerate() {
        let x = 60 + index as u64 * step;
        let tall = one.rto_ms.map_or(2, |ms| (150 * ms / most).max(2));
        let colour = if one.missed().is_empty() { DONE } else { FAILED };
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{}\" width=\"{}\" height=\"{tall}\" fill=\"{colour}\"><title>{}: \
             {}</title></rect><text x=\"{x}\" y=\"{}\">{}</text>",
            base - tall,
            (step * 3 / 5).max(2),
            escape(&one.run),
            time(one.rto_ms),
            base + 14,
            one.declared.strftime("%m-%d")
        );
        if let Some(objective) = one.rto_objective_ms {
            let y = base - 150 * objective / most;
            let _ = writeln!(
                svg,
                "<line x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"{LINE}\" \
                 stroke-dasharray=\"4 3\"/>",
                x + step
            );
        }
    }
    let _ = writeln!(svg, "<text x=\"4\" y=\"34\" fill=\"{LINE}\">{}</text>", time(Some(most)));
    svg.push_str("</svg>\n");
    Some(svg)
}
