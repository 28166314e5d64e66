use super::*;
use crate::graph::Graph;
use crate::zoo;

fn node(label: &str, number: i64) -> NodeRow {
    NodeRow {
        labels: vec![Name::from(label)],
        properties: vec![(Name::from("number"), Value::Int(number))],
    }
}

fn edges(ends: &[(u64, u64)]) -> Vec<RelRow> {
    let row =
        |&(start, end)| RelRow { start, end, rel_type: Name::from("R"), properties: Vec::new() };
    ends.iter().map(row).collect()
}

fn snapshot(nodes: Vec<NodeRow>, ends: &[(u64, u64)]) -> Snapshot {
    Snapshot { nodes, relationships: edges(ends), schema: Vec::new() }
}

/// The same graph with its rows in another order.
fn shuffled(snapshot: &Snapshot, step: usize) -> Snapshot {
    let count = snapshot.nodes.len();
    assert!(!count.is_multiple_of(step), "the step must not divide {count}");
    let order: Vec<usize> = (0..count).map(|i| i * step % count).collect();
    let mut place = vec![0; count];
    order.iter().enumerate().for_each(|(new, &old)| place[old] = new as u64);
    let mut relationships = snapshot.relationships.clone();
    relationships.reverse();
    for row in &mut relationships {
        row.start = place[row.start as usize];
        row.end = place[row.end as usize];
        row.properties.reverse();
    }
    let mut nodes: Vec<_> = order.iter().map(|&old| snapshot.nodes[old].clone()).collect();
    for node in &mut nodes {
        node.labels.reverse();
    }
    let mut schema = snapshot.schema.clone();
    schema.reverse();
    Snapshot { nodes, relationships, schema }
}

#[test]
fn the_order_of_rows_does_not_count() {
    let zoo = Snapshot::of(&zoo::common());
    let step = (7..1000).find(|s| gcd(*s, zoo.nodes.len()) == 1).unwrap();
    assert_same(&zoo, &shuffled(&zoo, step));
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Every single change of the zoo is seen.
#[test]
fn every_change_of_a_row_is_seen() {
    let mut zoo = Snapshot::of(&zoo::common());
    // Texts of a MB cost seconds here and show no more.
    for node in &mut zoo.nodes {
        node.properties.retain(|(_, value)| format!("{value:?}").len() < 2000);
    }
    for position in (0..zoo.nodes.len()).step_by(7) {
        let mut other = zoo.clone();
        other.nodes[position].labels.push(Name::from("New"));
        assert!(!data_differences(&zoo, &other).is_empty(), "a label of node {position}");
    }
    for position in (0..zoo.relationships.len()).step_by(11) {
        let mut other = zoo.clone();
        other.relationships.remove(position);
        assert!(!data_differences(&zoo, &other).is_empty(), "no relationship {position}");
        let mut other = zoo.clone();
        other.relationships.push(zoo.relationships[position].clone());
        assert!(!data_differences(&zoo, &other).is_empty(), "relationship {position} twice");
    }
    for position in 0..zoo.schema.len() {
        let mut other = zoo.clone();
        other.schema.remove(position);
        assert_eq!(differences(&zoo, &other).len(), 1, "no rule {position}");
    }
}

#[test]
fn a_direction_is_seen() {
    let nodes = || vec![node("A", 1), node("B", 2)];
    let found = data_differences(&snapshot(nodes(), &[(0, 1)]), &snapshot(nodes(), &[(1, 0)]));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("relationship 1 times left, 0 right: (:\"A\""), "{found:?}");
}

/// Same rows, same neighbours everywhere, other graph: what hashing around nodes cannot see.
#[test]
fn one_ring_of_six_is_not_two_of_three() {
    let nodes = || vec![node("Ring", 0); 6];
    let six = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0)];
    let turned = [(3, 1), (1, 5), (5, 0), (0, 2), (2, 4), (4, 3)];
    let threes = [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)];
    assert_same(&snapshot(nodes(), &six), &snapshot(nodes(), &turned));
    let found = data_differences(&snapshot(nodes(), &six), &snapshot(nodes(), &threes));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("not joined alike"));
}

/// Two pairs of equal leaves may hang on one node each, or be mixed up.
#[test]
fn twins_of_different_homes_are_not_twins() {
    let nodes = || {
        let mut nodes = vec![node("Tree", 0); 2];
        nodes.extend(vec![node("Leaf", 0); 4]);
        nodes.extend([node("Mark", 1), node("Mark", 2)]);
        nodes
    };
    let tied = [(0, 2), (0, 3), (1, 4), (1, 5), (2, 6), (3, 6), (4, 7), (5, 7)];
    let mixed = [(0, 2), (0, 3), (1, 4), (1, 5), (2, 6), (3, 7), (4, 6), (5, 7)];
    assert_same(&snapshot(nodes(), &tied), &snapshot(nodes(), &tied));
    assert_same(&snapshot(nodes(), &mixed), &snapshot(nodes(), &mixed));
    assert!(!data_differences(&snapshot(nodes(), &tied), &snapshot(nodes(), &mixed)).is_empty());
}

#[test]
fn many_differences_are_summed_up() {
    let left = snapshot((0..100).map(|i| node("A", i)).collect(), &[]);
    let right = snapshot(Vec::new(), &[]);
    let found = data_differences(&left, &right);
    assert_eq!(found.len(), SHOWN + 1);
    assert_eq!(found[SHOWN], "and 92 more kinds of nodes that differ");
}

#[test]
fn an_empty_graph_equals_itself() {
    assert_same(&Snapshot::of(&Graph::default()), &Snapshot::default());
}
