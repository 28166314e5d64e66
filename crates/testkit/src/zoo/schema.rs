//! Every index and constraint that Community has, and what it refuses.

use crate::graph::schema::{Entity, Kind, Rule};
use crate::neo4j::Line;

/// What every server of the supported lines has. Lookup indexes are not among them.
pub(super) fn common() -> Vec<Rule> {
    use Entity::{Node, Relationship};
    use Kind::{Fulltext, Point, Range, Text, Unique, Vector};
    let vector = |entity, name: &str, label: &str, key: &str, dimensions: u32| {
        Rule::new(Vector, entity, name, &[label], &[key])
            .with("vector.dimensions", &dimensions.to_string())
    };
    vec![
        Rule::new(Unique, Node, "unique", &["Keyed"], &["id"]),
        Rule::new(Unique, Node, "unique_pair", &["Keyed"], &["first", "second"]),
        // The other order is another constraint.
        Rule::new(Unique, Node, "unique_riap", &["Keyed"], &["second", "first"]),
        Rule::new(Unique, Relationship, "unique_relationship", &["KEYED"], &["id"]),
        Rule::new(Unique, Relationship, "unique_relationship_pair", &["KEYED"], &["a", "b"]),
        Rule::new(
            Unique,
            Node,
            "odd `name`,\n\"of\" a; rule\u{1f}😀",
            &["odd `label`"],
            &["odd `key`"],
        ),
        Rule::new(Range, Node, "range", &["Specimen"], &["name"]),
        Rule::new(Range, Node, "range_three", &["Specimen"], &["name", "kind", "number"]),
        Rule::new(Range, Relationship, "range_relationship", &["SHOWS"], &["name"]),
        Rule::new(Range, Relationship, "range_relationship_two", &["SHOWS"], &["name", "number"]),
        Rule::new(Range, Node, "range_values", &["Small"], &["value"]),
        Rule::new(Range, Node, "range of nothing", &["No such label"], &["no such key"]),
        Rule::new(Range, Node, "`", &["`"], &["`"]),
        // A server's own statement for this one creates another.
        Rule::new(Range, Node, "odd \\u0060 rule", &["a\\u0060b"], &["a\\u0060b"]),
        // After a backslash that escapes it, the same is no escape.
        Rule::new(Range, Node, r"odd \\u0041 rule", &[r"a\\u0041b"], &[r"a\\u0041b"]),
        Rule::new(Text, Node, "text", &["Specimen"], &["name"]),
        Rule::new(Text, Relationship, "text_relationship", &["SHOWS"], &["name"]),
        Rule::new(Point, Node, "point", &["Place"], &["at"]),
        Rule::new(Point, Relationship, "point_relationship", &["SHOWS"], &["at"]),
        Rule::new(Point, Node, "point_bounded", &["Place"], &["near"])
            .with("spatial.cartesian.min", "[-100.0, -50.5]")
            .with("spatial.cartesian.max", "[100.0, 50.5]")
            .with("spatial.wgs-84-3d.min", "[-10.0, -10.0, 0.0]")
            .with("spatial.wgs-84-3d.max", "[10.0, 10.0, 9000.0]"),
        Rule::new(
            Fulltext,
            Node,
            "fulltext",
            &["Specimen", "Place", "odd `label`"],
            &["name", "odd `key`"],
        ),
        Rule::new(Fulltext, Relationship, "fulltext_relationship", &["SHOWS", "KEYED"], &["name"]),
        Rule::new(Fulltext, Node, "fulltext_german", &["Specimen"], &["name"])
            .with("fulltext.analyzer", "'german'")
            .with("fulltext.eventually_consistent", "true"),
        vector(Node, "vector", "Embedded", "embedding", 3)
            .with("vector.similarity_function", "'COSINE'"),
        vector(Relationship, "vector_relationship", "EMBEDDED", "embedding", 4)
            .with("vector.similarity_function", "'EUCLIDEAN'"),
        vector(Node, "vector_tuned", "Embedded", "other", 3)
            .with("vector.hnsw.m", "8")
            .with("vector.hnsw.ef_construction", "50")
            .with("vector.quantization.enabled", "false"),
        // Of any number of dimensions.
        Rule::new(Vector, Node, "vector_default", &["Embedded"], &["any"]),
    ]
}

/// What only this line has.
pub(super) fn extra(line: Line) -> Vec<Rule> {
    match line {
        Line::Lts => Vec::new(),
        Line::Current => vec![
            Rule::new(
                Kind::Vector,
                Entity::Node,
                "vector_filtered",
                &["Embedded", "Place"],
                &["wide"],
            )
            .filtered(&["name", "number"])
            .with("vector.dimensions", "3")
            .with("vector.similarity_function", "'COSINE'"),
        ],
    }
}

/// Lookup indexes with names of one's own.
pub(super) fn renamed_lookups() -> Vec<Rule> {
    vec![
        Rule::new(Kind::Lookup, Entity::Node, "my `labels`", &[], &[]),
        Rule::new(Kind::Lookup, Entity::Relationship, "my_types", &[], &[]),
    ]
}

/// Something that a Community server does not do, and that therefore is not in the zoo.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    /// The statement that is refused.
    pub statement: &'static str,
    /// Part of the server's message.
    pub because: &'static str,
    /// The lines that refuse it.
    pub lines: &'static [Line],
}

/// What the real servers refuse, each found by trying.
pub const REFUSED: &[Refusal] = &[
    both(
        "CREATE CONSTRAINT FOR (n:A) REQUIRE n.k IS NODE KEY",
        "requires Neo4j Enterprise Edition",
    ),
    both(
        "CREATE CONSTRAINT FOR (n:A) REQUIRE n.k IS NOT NULL",
        "requires Neo4j Enterprise Edition",
    ),
    both(
        "CREATE CONSTRAINT FOR (n:A) REQUIRE n.k IS :: STRING",
        "requires Neo4j Enterprise Edition",
    ),
    both(
        "CREATE CONSTRAINT FOR ()-[r:A]-() REQUIRE r.k IS RELATIONSHIP KEY",
        "requires Neo4j Enterprise Edition",
    ),
    both("CREATE INDEX `` FOR (n:A) ON (n.k)", "cannot be the empty string"),
    both("CREATE (:``)", "not a valid token name"),
    both("CREATE (:`a\\u0000b`)", "not a valid token name"),
    both("CREATE (n) SET n += {``: 1}", "not a valid token name"),
    both("CREATE ({k: [1, null]})", "containing null values can not be stored"),
    both("CREATE ({k: [[1]]})", "containing collections can not be stored"),
    both("CREATE ({k: [1, true]})", "only supports a subset of Cypher types"),
    both("CREATE ({k: {a: 1}})", "can only be of primitive types"),
    both(
        "CREATE ({k: [point({x: 1, y: 2}), point({longitude: 1, latitude: 2})]})",
        "with different CRS can not be stored",
    ),
    both("CREATE ({k: [date(), duration('P1D')]})", "only supports a subset of Cypher types"),
    both("CREATE ({k: duration({months: 9223372036854775807})})", "will cause overflow"),
    // Zones of three letters and of an offset with a prefix.
    both("CREATE ({k: datetime('2020-01-01T00:00[EST]')})", "could not be parsed"),
    Refusal {
        statement: "CYPHER 25 RETURN 1",
        because: "25 is not a valid option for cypher version",
        lines: &[Line::Lts],
    },
    // The current line has the type, but not in the store format that Community offers.
    Refusal {
        statement: "CYPHER 25 CREATE ({k: vector([1, 2], 2, FLOAT32)})",
        because: "not supported in aligned store format",
        lines: &[Line::Current],
    },
    Refusal {
        statement: "CYPHER 25 ALTER CURRENT GRAPH TYPE SET { (:P => {name :: STRING}) }",
        because: "not supported in community edition",
        lines: &[Line::Current],
    },
    // What the current line shows of a vector index, the older one does not take.
    Refusal {
        statement: "CREATE VECTOR INDEX FOR (n:A) ON (n.k) OPTIONS {indexConfig: \
                    {`vector.quantization.type`: 'BINARY'}}",
        because: "vector.quantization.type",
        lines: &[Line::Lts],
    },
];

const fn both(statement: &'static str, because: &'static str) -> Refusal {
    Refusal { statement, because, lines: &[Line::Lts, Line::Current] }
}
