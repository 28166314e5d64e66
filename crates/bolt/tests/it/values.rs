//! Every type of value through the server: as a parameter, and stored and read back.

use lifeboat_bolt::packstream::Encoder;
use lifeboat_bolt::{Connection, Params, Value};
use lifeboat_testkit::Line;

use crate::support::{Result, config, connect, in_company, single, single_with, x};

/// Values that can be a property.
fn storable() -> Vec<Value> {
    let zoned = |zone: &str| Value::DateTimeZoned {
        s: 1_900_000_000,
        nanos: 999_999_999,
        zone: zone.to_owned(),
    };
    let mut values = vec![
        Value::Bool(true),
        Value::Bool(false),
        Value::Bytes(Vec::new()),
        Value::Bytes((0..=255).collect()),
        Value::Bytes(vec![7; 100_000]),
        Value::from(""),
        Value::from("a\0b\n\"'\\ ü 漢 🛟 \u{10FFFF}"),
        Value::String("lifeboat ".repeat(10_000)),
        Value::List(vec![]),
        Value::List(vec![Value::Int(1), Value::Int(i64::MAX)]),
        Value::List(vec![Value::from("a"), Value::from("")]),
        Value::List(vec![Value::Date { days: 0 }, Value::Date { days: 1 }]),
        Value::Date { days: -719_528 },
        Value::Date { days: 2_932_896 },
        Value::Time { nanos: 0, offset_s: 0 },
        Value::Time { nanos: 86_399_999_999_999, offset_s: -64_800 },
        Value::LocalTime { nanos: 1 },
        Value::LocalDateTime { s: -1, nanos: 999_999_999 },
        Value::LocalDateTime { s: 253_402_300_799, nanos: 0 },
        Value::DateTime { s: 0, nanos: 0, offset_s: 0 },
        Value::DateTime { s: -62_135_596_800, nanos: 1, offset_s: 20_700 },
        zoned("Europe/Berlin"),
        zoned("America/St_Johns"),
        Value::Duration { months: 0, days: 0, s: 0, nanos: 0 },
        Value::Duration { months: -14, days: 31, s: -86_401, nanos: 999_999_999 },
        Value::Point2D { srid: 7203, x: -0.0, y: f64::MIN_POSITIVE },
        Value::Point2D { srid: 4326, x: 180.0, y: -90.0 },
        Value::Point3D { srid: 9157, x: 1.5, y: f64::MAX, z: -1.0 },
        Value::Point3D { srid: 4979, x: 13.4, y: 52.5, z: 34.0 },
    ];
    values.extend(
        [0, 1, -1, -16, -17, 127, 128, -128, -129, 32_767, 32_768, -32_769, 1 << 31, i64::MIN]
            .map(Value::Int),
    );
    values.extend(
        [0.0, -0.0, 0.1, f64::MAX, f64::MIN_POSITIVE, 5e-324, f64::INFINITY, f64::NEG_INFINITY]
            .map(Value::Float),
    );
    values
}

/// Values that can only be passed.
fn passable() -> Vec<Value> {
    // One entry each: the server does not keep their order.
    let inner = Value::List(vec![Value::Null, Value::Map(vec![]), Value::Float(1.0)]);
    let nested = Value::Map(vec![("a ü".to_owned(), inner)]);
    vec![
        Value::Null,
        Value::List(vec![Value::Int(1), Value::from("x"), Value::Null, nested.clone()]),
        nested,
        Value::List((0..70_000).map(Value::Int).collect()),
    ]
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes).value(value);
    bytes
}

/// Equal bit by bit: `-0.0` is not `0.0`.
fn assert_same(found: &Value, sent: &Value) {
    assert!(encoded(found) == encoded(sent), "{found:?} instead of {sent:?}");
}

async fn round_trip(line: Line) -> Result<()> {
    let _company = in_company().await;
    let mut config = config(line).await?;
    for version in [Some((4, 4)), Some((5, 4)), None] {
        config.max_version = version;
        let mut connection = Connection::connect(&config).await?;
        for value in storable().into_iter().chain(passable()) {
            let found = single_with(&mut connection, "RETURN $x", x(value.clone())).await?;
            assert_same(&found, &value);
        }
        for value in storable() {
            let query = "CREATE (n:Value {x: $x}) WITH n, n.x AS x DELETE n RETURN x";
            let found = single_with(&mut connection, query, x(value.clone())).await?;
            assert_same(&found, &value);
        }
        let raw = encoded(&Value::Map(vec![("x".to_owned(), Value::Int(7))]));
        let found = single_with(&mut connection, "RETURN $x", Params::Raw(raw.into())).await?;
        assert_eq!(found, Value::Int(7));
        let found = single_with(&mut connection, "RETURN $x", x(Value::Float(f64::NAN))).await?;
        assert!(matches!(found, Value::Float(found) if found.is_nan()), "{found:?}");
    }
    Ok(())
}

#[tokio::test]
async fn values_survive_lts() -> Result<()> {
    round_trip(Line::Lts).await
}

#[tokio::test]
async fn values_survive_current() -> Result<()> {
    round_trip(Line::Current).await
}

#[tokio::test]
async fn values_mean_what_the_server_says() -> Result<()> {
    let _company = in_company().await;
    for line in Line::ALL {
        let mut connection = connect(line).await?;
        for (cypher, value) in [
            ("date('1970-01-02')", Value::Date { days: 1 }),
            ("time('00:00:01+01:00')", Value::Time { nanos: 1_000_000_000, offset_s: 3600 }),
            ("localtime('00:00:01')", Value::LocalTime { nanos: 1_000_000_000 }),
            ("localdatetime('1970-01-01T00:01')", Value::LocalDateTime { s: 60, nanos: 0 }),
            (
                "datetime('1970-01-01T02:00+02:00')",
                Value::DateTime { s: 0, nanos: 0, offset_s: 7200 },
            ),
            (
                "datetime('1970-01-01T01:00[Europe/Berlin]')",
                Value::DateTimeZoned { s: 0, nanos: 0, zone: "Europe/Berlin".to_owned() },
            ),
            (
                "duration('P1M2DT3.000000004S')",
                Value::Duration { months: 1, days: 2, s: 3, nanos: 4 },
            ),
            ("point({longitude: 1, latitude: 2})", Value::Point2D { srid: 4326, x: 1.0, y: 2.0 }),
            ("point({x: 1, y: 2, z: 3})", Value::Point3D { srid: 9157, x: 1.0, y: 2.0, z: 3.0 }),
        ] {
            assert_eq!(single(&mut connection, &format!("RETURN {cypher}")).await?, value);
        }
    }
    Ok(())
}

#[tokio::test]
async fn structures_of_newer_servers_survive() -> Result<()> {
    let _company = in_company().await;
    let mut connection = connect(Line::Current).await?;
    assert!(connection.server().version >= (6, 0));
    let vector = single(&mut connection, "CYPHER 25 RETURN vector([1, 2, 3], 3, INTEGER8)").await?;
    assert!(matches!(vector, Value::Structure { tag: b'V', .. }), "{vector:?}");
    let found = single_with(&mut connection, "CYPHER 25 RETURN $x", x(vector.clone())).await?;
    assert_eq!(found, vector);
    let sum = "CYPHER 25 RETURN vector_dimension_count($x)";
    assert_eq!(single_with(&mut connection, sum, x(vector)).await?, Value::Int(3));
    Ok(())
}
