//! How far long work is: a bar on a terminal, lines of JSON for a program.
//!
//! A thread of its own looks at the engine's counters ten times a second, so the work knows
//! nothing of it and a busy runtime does not make it stutter.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use lifeboat::neo4j::progress::Snapshot;
use lifeboat::{Phase, Progress};
use serde::Serialize;

use crate::output::Output;
use crate::units;

/// Time between two looks.
const TICK: Duration = Duration::from_millis(100);

/// Looks between two lines of JSON: a second.
const LINE_EVERY: u32 = 10;

static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// Does something to the terminal while no bar is in the way.
pub(crate) fn beside_bar(work: impl FnOnce()) {
    match BARS.get() {
        Some(bars) => bars.suspend(work),
        None => work(),
    }
}

/// What the watcher has seen, for whoever must say what an interruption would mean.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    cleared: AtomicBool,
}

impl Seen {
    /// Whether the old content of a database has begun to go.
    pub(crate) fn has_cleared(&self) -> bool {
        self.cleared.load(Ordering::Relaxed)
    }
}

/// Shows progress until it is dropped.
#[derive(Debug)]
pub(crate) struct Display {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Display {
    pub(crate) fn start(output: Output, progress: Arc<Progress>, seen: Arc<Seen>) -> Self {
        let (stop, stopped) = mpsc::channel();
        let watcher = Watcher::new(output, seen);
        let thread = std::thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || watcher.watch(&progress, &stopped));
        // Without a thread there is no bar; the work goes on all the same.
        Self { stop: Some(stop), thread: thread.ok() }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One line of progress.
#[derive(Debug, Serialize)]
struct Line {
    message_type: &'static str,
    phase: &'static str,
    unit: &'static str,
    done: u64,
    total: Option<u64>,
    seconds_elapsed: f64,
    seconds_remaining: Option<f64>,
}

struct Watcher {
    output: Output,
    seen: Arc<Seen>,
    bar: Option<ProgressBar>,
    phase: Option<Phase>,
    began: Instant,
    phase_began: Instant,
    phase_from: u64,
}

impl Watcher {
    fn new(output: Output, seen: Arc<Seen>) -> Self {
        let bar = (output.progress && !output.json)
            .then(|| BARS.get_or_init(MultiProgress::new).add(ProgressBar::no_length()));
        let now = Instant::now();
        Self { output, seen, bar, phase: None, began: now, phase_began: now, phase_from: 0 }
    }

    fn watch(mut self, progress: &Progress, stopped: &mpsc::Receiver<()>) {
        let mut looks = 0;
        loop {
            let snapshot = progress.snapshot();
            self.look(snapshot, looks);
            looks += 1;
            match stopped.recv_timeout(TICK) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => break,
            }
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn look(&mut self, snapshot: Snapshot, looks: u32) {
        if snapshot.phase == Phase::Clearing {
            self.seen.cleared.store(true, Ordering::Relaxed);
        }
        let changed = self.phase != Some(snapshot.phase) || snapshot.done < self.phase_from;
        if changed {
            self.phase = Some(snapshot.phase);
            self.phase_began = Instant::now();
            self.phase_from = snapshot.done;
        }
        if let Some(bar) = &self.bar {
            if changed {
                bar.reset();
                bar.set_style(style(snapshot));
                bar.set_message(name(snapshot.phase));
            }
            if snapshot.total == 0 {
                bar.unset_length();
            } else {
                bar.set_length(snapshot.total);
            }
            bar.set_position(snapshot.done);
            bar.tick();
        } else if self.output.json && self.output.progress && looks % LINE_EVERY == LINE_EVERY - 1 {
            // A reader that has gone away is noticed by the work itself.
            let _ = self.output.message(&self.line(snapshot));
        }
    }

    fn line(&self, snapshot: Snapshot) -> Line {
        let total = (snapshot.total > 0).then_some(snapshot.total);
        let elapsed = self.phase_began.elapsed().as_secs_f64();
        let done = snapshot.done.saturating_sub(self.phase_from);
        let remaining = total
            .filter(|_| done > 0 && elapsed > 0.0)
            .map(|total| total.saturating_sub(snapshot.done) as f64 * elapsed / done as f64);
        Line {
            message_type: "progress",
            phase: key(snapshot.phase),
            unit: unit(snapshot.phase),
            done: snapshot.done,
            total,
            seconds_elapsed: tenths(self.began.elapsed().as_secs_f64()),
            seconds_remaining: remaining.map(tenths),
        }
    }
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

/// What a person reads.
fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Preparing => "looking",
        Phase::Verifying => "verifying the backup",
        Phase::Clearing => "clearing the database",
        Phase::Nodes => "nodes",
        Phase::Relationships => "relationships",
        Phase::Importing => "importing",
        Phase::Schema => "constraints and indexes",
        Phase::Comparing => "comparing",
        Phase::Copying => "copying the store",
        Phase::Recovering => "recovering",
    }
}

/// What a program reads; part of the interface.
fn key(phase: Phase) -> &'static str {
    match phase {
        Phase::Preparing => "preparing",
        Phase::Verifying => "verifying",
        Phase::Clearing => "clearing",
        Phase::Nodes => "nodes",
        Phase::Relationships => "relationships",
        Phase::Importing => "importing",
        Phase::Schema => "schema",
        Phase::Comparing => "comparing",
        Phase::Copying => "copying",
        Phase::Recovering => "recovering",
    }
}

fn unit(phase: Phase) -> &'static str {
    match phase {
        Phase::Verifying | Phase::Copying => "bytes",
        Phase::Nodes => "nodes",
        Phase::Relationships => "relationships",
        _ => "nodes and relationships",
    }
}

fn style(snapshot: Snapshot) -> ProgressStyle {
    let bytes = matches!(snapshot.phase, Phase::Verifying | Phase::Copying);
    let template = match (snapshot.total > 0, bytes) {
        (true, _) => "{msg:<24} {bar:24} {now}/{all}  {speed}  {left}",
        (false, _) if snapshot.done > 0 => "{msg:<24} {spinner} {now}  {speed}",
        (false, _) => "{msg:<24} {spinner} {elapsed}",
    };
    let number = move |value: u64| if bytes { units::size(value) } else { units::count(value) };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("##-")
        .with_key("now", move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = out.write_str(&number(state.pos()));
        })
        .with_key("all", move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = out.write_str(&number(state.len().unwrap_or(0)));
        })
        .with_key("speed", move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{}/s", number(state.per_sec() as u64));
        })
        .with_key("left", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            if state.pos() > 0 {
                let _ = write!(out, "{} left", units::took(state.eta()));
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_phase_and_remaining_time() {
        let output = Output {
            json: true,
            quiet: false,
            progress: false,
            colour: false,
            error_colour: false,
        };
        let seen = Arc::new(Seen::default());
        let mut watcher = Watcher::new(output, Arc::clone(&seen));
        watcher.look(Snapshot { phase: Phase::Nodes, done: 0, total: 100 }, 0);
        assert!(!seen.has_cleared());
        let line = watcher.line(Snapshot { phase: Phase::Nodes, done: 50, total: 100 });
        assert_eq!((line.phase, line.done, line.total), ("nodes", 50, Some(100)));
        assert!(line.seconds_remaining.is_some());
        let line = watcher.line(Snapshot { phase: Phase::Schema, done: 0, total: 0 });
        assert_eq!((line.total, line.seconds_remaining), (None, None));
        watcher.look(Snapshot { phase: Phase::Clearing, done: 0, total: 0 }, 1);
        assert!(seen.has_cleared());
    }

    #[test]
    fn every_style_is_sound() {
        for (done, total) in [(0, 0), (5, 0), (5, 10)] {
            for phase in [Phase::Verifying, Phase::Nodes, Phase::Copying] {
                let bar = ProgressBar::hidden();
                bar.set_style(style(Snapshot { phase, done, total }));
                bar.set_position(done);
                bar.tick();
            }
        }
    }
}
