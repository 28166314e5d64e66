//! Whether two graphs of equal rows are also wired alike.
//!
//! Nodes get colours from their content, and new ones from the colours around them until no class
//! of equal colours splits any more (Weisfeiler and Leman). Where a class is left of nodes that
//! are not interchangeable, one of them is marked and matched with each candidate of the other
//! side in turn. So the answer is a proof either way, not a likelihood.

use std::collections::HashMap;

use super::{Snapshot, canon};

/// Marked nodes tried before giving up, which no graph of the tests comes near.
const MAX_TRIES: usize = 20_000;

/// A graph and the hashes of its nodes' contents.
pub(super) type Coloured<'a> = (&'a Snapshot, &'a [u128]);

/// A difference in the wiring, if there is one.
pub(super) fn difference(left: Coloured<'_>, right: Coloured<'_>) -> Option<String> {
    let left_wires = Wires::of(left.0);
    let right_wires = Wires::of(right.0);
    let mut tries = 0;
    let sides = [&left_wires, &right_wires];
    match matches(sides, [left.1.to_vec(), right.1.to_vec()], &mut tries) {
        Some(true) => None,
        Some(false) => Some(
            "every node and every relationship has an equal on the other side, \
             but they are not joined alike"
                .to_owned(),
        ),
        None => Some(format!("cannot tell whether the graphs are alike after {tries} tries")),
    }
}

struct Wires {
    /// For each node: direction, hash of type and properties, the other end.
    around: Vec<Vec<(u8, u128, usize)>>,
}

impl Wires {
    fn of(snapshot: &Snapshot) -> Self {
        let mut around = vec![Vec::new(); snapshot.nodes.len()];
        for row in &snapshot.relationships {
            let hash = canon::hash(&canon::relationship(row));
            let (start, end) = (row.start as usize, row.end as usize);
            around[start].push((0, hash, end));
            around[end].push((1, hash, start));
        }
        for wires in &mut around {
            wires.sort_unstable();
        }
        Self { around }
    }

    /// Colours from colours: each node's own and those around it.
    fn refine(&self, colours: &[u128]) -> Vec<u128> {
        let mut seen = Vec::new();
        let next = |(wires, own): (&Vec<(u8, u128, usize)>, &u128)| {
            seen.clear();
            seen.extend(wires.iter().map(|&(way, hash, other)| (way, hash, colours[other])));
            seen.sort_unstable();
            canon::hash(&(own, &seen))
        };
        self.around.iter().zip(colours).map(next).collect()
    }

    /// Whether any two of these nodes can change places: all are joined to the same others.
    fn are_twins(&self, nodes: &[usize]) -> bool {
        nodes.iter().all(|&node| self.around[node] == self.around[nodes[0]])
    }
}

type Classes = HashMap<u128, Vec<usize>>;

fn classes(colours: &[u128]) -> Classes {
    let mut classes = Classes::new();
    for (node, colour) in colours.iter().enumerate() {
        classes.entry(*colour).or_default().push(node);
    }
    classes
}

fn alike(sides: &[Classes; 2]) -> bool {
    sides[0].len() == sides[1].len()
        && sides[0].iter().all(|(colour, nodes)| {
            sides[1].get(colour).is_some_and(|others| others.len() == nodes.len())
        })
}

/// Whether the nodes can be matched so that colours and relationships agree. None: gave up.
fn matches(wires: [&Wires; 2], mut colours: [Vec<u128>; 2], tries: &mut usize) -> Option<bool> {
    let mut sides = [classes(&colours[0]), classes(&colours[1])];
    loop {
        if !alike(&sides) {
            return Some(false);
        }
        colours = [wires[0].refine(&colours[0]), wires[1].refine(&colours[1])];
        let next = [classes(&colours[0]), classes(&colours[1])];
        let settled = next[0].len() == sides[0].len();
        sides = next;
        if settled {
            break;
        }
    }
    if !alike(&sides) {
        return Some(false);
    }
    // Equal colours around equal colours: what is alone in its class is matched, and twins may be
    // matched in any order.
    let open = sides[0]
        .iter()
        .filter(|(colour, nodes)| {
            nodes.len() > 1
                && !(wires[0].are_twins(nodes) && wires[1].are_twins(&sides[1][*colour]))
        })
        .min_by_key(|(colour, nodes)| (nodes.len(), **colour));
    let Some((colour, nodes)) = open else { return Some(true) };
    for &candidate in &sides[1][colour] {
        *tries += 1;
        if *tries > MAX_TRIES {
            return None;
        }
        let mut marked = colours.clone();
        let mark = canon::hash(&("marked", colour));
        marked[0][nodes[0]] = mark;
        marked[1][candidate] = mark;
        match matches(wires, marked, tries) {
            Some(false) => {}
            answer => return answer,
        }
    }
    Some(false)
}
