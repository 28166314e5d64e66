//! How far a long operation is, for whoever wants to show it.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Counters that an operation moves and a display reads; totals of zero are not known.
#[derive(Debug, Default)]
pub struct Progress {
    phase: AtomicU8,
    entered: Mutex<Vec<(Phase, Instant)>>,
    nodes: AtomicU64,
    relationships: AtomicU64,
    total_nodes: AtomicU64,
    total_relationships: AtomicU64,
    bytes: AtomicU64,
    total_bytes: AtomicU64,
}

/// What an operation is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Looking at what there is.
    Preparing,
    /// Checking an archive.
    Verifying,
    /// Taking the old graph away.
    Clearing,
    /// Reading or writing nodes.
    Nodes,
    /// Reading or writing relationships.
    Relationships,
    /// Neo4j's own importer is at work.
    Importing,
    /// Constraints and indexes.
    Schema,
    /// Reading the restored graph back.
    Comparing,
    /// Copying store files.
    Copying,
    /// A server starts on the restored files.
    Recovering,
}

const PHASES: [Phase; 10] = [
    Phase::Preparing,
    Phase::Verifying,
    Phase::Clearing,
    Phase::Nodes,
    Phase::Relationships,
    Phase::Importing,
    Phase::Schema,
    Phase::Comparing,
    Phase::Copying,
    Phase::Recovering,
];

/// A look at a [`Progress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// What is being done.
    pub phase: Phase,
    /// Nodes and relationships done in this phase; while verifying or copying, bytes.
    pub done: u64,
    /// What this phase will do, in the same unit; 0 when that is not known.
    pub total: u64,
}

impl Progress {
    /// A look at it now.
    pub fn snapshot(&self) -> Snapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let phase = PHASES[usize::from(self.phase.load(Ordering::Relaxed)).min(PHASES.len() - 1)];
        let (nodes, relationships) = (get(&self.nodes), get(&self.relationships));
        let (all_nodes, all_relationships) =
            (get(&self.total_nodes), get(&self.total_relationships));
        let (done, total) = match phase {
            Phase::Nodes => (nodes, all_nodes),
            Phase::Relationships => (relationships, all_relationships),
            Phase::Comparing | Phase::Clearing => {
                (nodes + relationships, all_nodes + all_relationships)
            }
            Phase::Verifying | Phase::Copying => (get(&self.bytes), get(&self.total_bytes)),
            Phase::Preparing | Phase::Importing | Phase::Schema | Phase::Recovering => (0, 0),
        };
        Snapshot { phase, done, total }
    }

    /// Begins a phase.
    pub fn enter(&self, phase: Phase) {
        if !matches!(phase, Phase::Relationships) {
            self.nodes.store(0, Ordering::Relaxed);
            self.relationships.store(0, Ordering::Relaxed);
        }
        self.phase.store(phase as u8, Ordering::Relaxed);
        let mut entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
        if entered.last().is_none_or(|(last, _)| *last != phase) {
            entered.push((phase, Instant::now()));
        }
    }

    /// The phases so far and when each began, in order; one that was entered twice in a row is one.
    pub fn entered(&self) -> Vec<(Phase, Instant)> {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says how much there will be.
    pub fn expect(&self, nodes: u64, relationships: u64) {
        self.total_nodes.store(nodes, Ordering::Relaxed);
        self.total_relationships.store(relationships, Ordering::Relaxed);
    }

    /// Says how many bytes are done, and of how many.
    pub fn bytes(&self, done: u64, total: u64) {
        self.bytes.store(done, Ordering::Relaxed);
        self.total_bytes.store(total, Ordering::Relaxed);
    }

    pub(crate) fn add_nodes(&self, count: u64) {
        self.nodes.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn add_relationships(&self, count: u64) {
        self.relationships.fetch_add(count, Ordering::Relaxed);
    }
}
