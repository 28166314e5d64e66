use proptest::collection::vec;
use proptest::prelude::*;

use super::{Decoder, Encoder, Error, Kind, MAX_DEPTH, Node, Path, Relationship};
use super::{UnboundRelationship, Value};

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes).value(value);
    bytes
}

fn decoded(bytes: &[u8]) -> Result<Value, Error> {
    Decoder::new(bytes).value()
}

/// Floats other than NaN, which equals nothing and has its own test.
fn float() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("NaN", |value| !value.is_nan())
}

fn properties(inner: BoxedStrategy<Value>) -> impl Strategy<Value = Vec<(String, Value)>> {
    vec((".{0,20}", inner), 0..4)
}

fn node(inner: BoxedStrategy<Value>) -> impl Strategy<Value = Node> {
    (any::<i64>(), vec(".{0,8}", 0..3), properties(inner), proptest::option::of(".{0,8}")).prop_map(
        |(id, labels, properties, element_id)| Node { id, labels, properties, element_id },
    )
}

fn unbound(inner: BoxedStrategy<Value>) -> impl Strategy<Value = UnboundRelationship> {
    (any::<i64>(), ".{0,8}", properties(inner), proptest::option::of(".{0,8}")).prop_map(
        |(id, kind, properties, element_id)| UnboundRelationship {
            id,
            kind,
            properties,
            element_id,
        },
    )
}

fn leaf() -> impl Strategy<Value = Value> {
    let int = any::<i64>;
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        int().prop_map(Value::Int),
        (-40_i64..300).prop_map(Value::Int),
        float().prop_map(Value::Float),
        vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        ".{0,300}".prop_map(Value::String),
        int().prop_map(|days| Value::Date { days }),
        (int(), int()).prop_map(|(nanos, offset_s)| Value::Time { nanos, offset_s }),
        int().prop_map(|nanos| Value::LocalTime { nanos }),
        (int(), int()).prop_map(|(s, nanos)| Value::LocalDateTime { s, nanos }),
        (int(), int(), int()).prop_map(|(s, nanos, offset_s)| Value::DateTime {
            s,
            nanos,
            offset_s
        }),
        (int(), int(), ".{0,20}").prop_map(|(s, nanos, zone)| Value::DateTimeZoned {
            s,
            nanos,
            zone
        }),
        (int(), int(), int(), int()).prop_map(|(months, days, s, nanos)| Value::Duration {
            months,
            days,
            s,
            nanos
        }),
        (int(), float(), float()).prop_map(|(srid, x, y)| Value::Point2D { srid, x, y }),
        (int(), float(), float(), float()).prop_map(|(srid, x, y, z)| Value::Point3D {
            srid,
            x,
            y,
            z
        }),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 64, 8, |inner| {
        let inner = inner.boxed();
        prop_oneof![
            vec(inner.clone(), 0..20).prop_map(Value::List),
            properties(inner.clone()).prop_map(Value::Map),
            // Tags that have a name come with fields of their own shape, above and below.
            (0_u8..0x40, vec(inner.clone(), 0..20))
                .prop_map(|(tag, fields)| Value::Structure { tag, fields }),
            node(inner.clone()).prop_map(|node| Value::Node(Box::new(node))),
            unbound(inner.clone()).prop_map(|r| Value::UnboundRelationship(Box::new(r))),
            (
                any::<[i64; 3]>(),
                ".{0,8}",
                properties(inner.clone()),
                proptest::option::of([".{0,8}", ".{0,8}", ".{0,8}"])
            )
                .prop_map(|([id, start, end], kind, properties, element_ids)| {
                    Value::Relationship(Box::new(Relationship {
                        id,
                        start,
                        end,
                        kind,
                        properties,
                        element_ids,
                    }))
                }),
            (vec(node(inner.clone()), 0..3), vec(unbound(inner), 0..3), vec(any::<i64>(), 0..5))
                .prop_map(|(nodes, relationships, indices)| Value::Path(Box::new(Path {
                    nodes,
                    relationships,
                    indices
                }))),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_survives(value in value()) {
        let bytes = encoded(&value);
        let mut decoder = Decoder::new(&bytes);
        prop_assert_eq!(decoder.value(), Ok(value));
        prop_assert!(decoder.is_empty());
    }

    #[test]
    fn skipping_a_value_passes_all_of_it(value in value(), behind in vec(any::<u8>(), 0..9)) {
        let mut bytes = encoded(&value);
        let end = bytes.len();
        bytes.extend(behind);
        let mut decoder = Decoder::new(&bytes);
        prop_assert_eq!(decoder.skip(), Ok(&bytes[..end]));
        prop_assert_eq!(decoder.position(), end);
    }

    #[test]
    fn a_cut_value_is_refused(value in value(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(&value);
        let bytes = &bytes[..cut.index(bytes.len())];
        let refused = matches!(decoded(bytes), Err(Error::UnexpectedEnd { .. }));
        prop_assert!(refused, "{:?}", decoded(bytes));
        let mut decoder = Decoder::new(bytes);
        prop_assert!(decoder.skip().is_err());
        prop_assert_eq!(decoder.position(), 0);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..400)) {
        if let Ok(value) = decoded(&bytes) {
            // Longer forms than needed are read as well, so bytes may differ, values may not.
            prop_assert_eq!(encoded(&decoded(&encoded(&value)).unwrap()), encoded(&value));
        }
        let mut decoder = Decoder::new(&bytes);
        let at = decoder.skip().map(<[u8]>::len).unwrap_or_default();
        prop_assert_eq!(decoder.position(), at);
        for read in [
            |d: &mut Decoder<'_>| d.string().is_ok(),
            |d: &mut Decoder<'_>| d.bytes().is_ok(),
            |d: &mut Decoder<'_>| d.int().is_ok(),
            |d: &mut Decoder<'_>| d.float().is_ok(),
            |d: &mut Decoder<'_>| d.bool().is_ok(),
            |d: &mut Decoder<'_>| d.null().is_ok(),
            |d: &mut Decoder<'_>| d.list_header().is_ok(),
            |d: &mut Decoder<'_>| d.map_header().is_ok(),
            |d: &mut Decoder<'_>| d.struct_header().is_ok(),
        ] {
            let mut decoder = Decoder::new(&bytes);
            let moved = read(&mut decoder);
            prop_assert_eq!(decoder.position() > 0, moved);
        }
    }

    #[test]
    fn flipped_bytes_never_panic(value in value(), at in any::<prop::sample::Index>(), to: u8) {
        let mut bytes = encoded(&value);
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(value) = decoded(&bytes) {
            prop_assert!(encoded(&value).len() <= bytes.len());
        }
    }

    #[test]
    fn integers_take_the_shortest_form(int: i64, shift in 0_u32..64) {
        let int = int >> shift;
        let expected = match int {
            -16..=127 => 1,
            -128..=-17 => 2,
            -32_768..=32_767 => 3,
            -2_147_483_648..=2_147_483_647 => 5,
            _ => 9,
        };
        prop_assert_eq!(encoded(&Value::Int(int)).len(), expected);
    }

    #[test]
    fn floats_keep_every_bit(bits: u64) {
        let bytes = encoded(&Value::Float(f64::from_bits(bits)));
        prop_assert_eq!(Decoder::new(&bytes).float().map(f64::to_bits), Ok(bits));
    }
}

#[test]
fn bytes_are_those_of_the_specification() {
    for (value, hex) in [
        (Value::Null, "c0"),
        (Value::Bool(true), "c3"),
        (Value::Bool(false), "c2"),
        (Value::Int(1), "01"),
        (Value::Int(127), "7f"),
        (Value::Int(128), "c90080"),
        (Value::Int(-16), "f0"),
        (Value::Int(-17), "c8ef"),
        (Value::Int(-128), "c880"),
        (Value::Int(-129), "c9ff7f"),
        (Value::Int(1234), "c904d2"),
        (Value::Int(32_768), "ca00008000"),
        (Value::Int(i64::MIN), "cb8000000000000000"),
        (Value::Float(1.23), "c13ff3ae147ae147ae"),
        (Value::Bytes(vec![1, 2, 3]), "cc03010203"),
        (Value::from("A"), "8141"),
        (Value::from(""), "80"),
        (Value::from("abcdefghijklmnop"), "d0106162636465666768696a6b6c6d6e6f70"),
        (Value::List(vec![Value::Int(1), Value::Int(2)]), "920102"),
        (Value::Map(vec![("one".into(), Value::from("eins"))]), "a1836f6e658465696e73"),
        (Value::Date { days: 1 }, "b14401"),
        (Value::Structure { tag: b'V', fields: vec![Value::Bytes(vec![0xC1])] }, "b156cc01c1"),
    ] {
        let bytes = encoded(&value);
        assert_eq!(format!("{bytes:02x?}").replace(['[', ']', ',', ' '], ""), hex, "{value:?}");
        assert_eq!(decoded(&bytes), Ok(value));
    }
}

#[test]
fn lengths_change_their_form_at_the_limits() {
    for length in [0, 15, 16, 255, 256, 65_535, 65_536] {
        let text = "x".repeat(length);
        for value in [
            Value::String(text.clone()),
            Value::Bytes(text.clone().into_bytes()),
            Value::List(vec![Value::Null; length]),
            Value::Map(vec![(String::new(), Value::Null); length]),
        ] {
            assert_eq!(decoded(&encoded(&value)), Ok(value));
        }
    }
    for length in [15, 16, 255, 256] {
        let value = Value::Structure { tag: 1, fields: vec![Value::Null; length] };
        assert_eq!(decoded(&encoded(&value)), Ok(value));
    }
}

#[test]
fn a_known_tag_with_other_fields_is_kept() {
    for fields in [
        vec![Value::from("yesterday")],
        vec![],
        vec![Value::Int(1), Value::Int(2)],
        vec![Value::Int(1), Value::List(vec![Value::Int(1)]), Value::Map(vec![])],
        vec![Value::List(vec![Value::Null]), Value::List(vec![]), Value::List(vec![])],
    ] {
        for tag in *b"NRrPDTtdIiEXY" {
            let value = Value::Structure { tag, fields: fields.clone() };
            let bytes = encoded(&value);
            let found = decoded(&bytes).unwrap();
            assert_eq!(encoded(&found), bytes);
        }
    }
    let value = Value::Structure { tag: b'D', fields: vec![Value::from("yesterday")] };
    assert_eq!(decoded(&encoded(&value)), Ok(value));
}

#[test]
fn sizes_that_lie_are_refused_before_anything_is_allocated() {
    for bytes in [
        &[0xD2, 0xFF, 0xFF, 0xFF, 0xFF, b'a'][..],
        &[0xCE, 0xFF, 0xFF, 0xFF, 0xFF],
        &[0xD6, 0xFF, 0xFF, 0xFF, 0xFF, 0xC0, 0xC0],
        &[0xDA, 0xFF, 0xFF, 0xFF, 0xFF],
        &[0xDD, 0xFF, 0xFF, b'X', 0xC0],
        &[0xB4, b'N'],
        &[0xD0],
    ] {
        assert!(matches!(decoded(bytes), Err(Error::UnexpectedEnd { .. })), "{bytes:x?}");
        assert!(Decoder::new(bytes).skip().is_err(), "{bytes:x?}");
    }
}

#[test]
fn depth_is_limited_but_not_for_skipping() {
    for open in [&[0x91][..], &[0xA1, 0x80], &[0xB1, b'?'], &[0xB3, b'N', 1, 0x90, 0xA1, 0x80]] {
        let nested = |levels: usize| {
            let mut bytes = open.repeat(levels);
            bytes.push(0xC0);
            bytes
        };
        assert!(matches!(decoded(&nested(100_000)), Err(Error::TooDeep { .. })));
        let deep = nested(100_000);
        // Skipping needs no stack: a record can be passed on whatever it holds.
        assert_eq!(Decoder::new(&deep).skip().map(<[u8]>::len), Ok(deep.len()));
        assert!(decoded(&nested(MAX_DEPTH)).is_ok());
        assert!(matches!(decoded(&nested(MAX_DEPTH + 1)), Err(Error::TooDeep { .. })));
    }
}

#[test]
fn hostile_nesting_takes_no_time() {
    // Nodes in nodes, the innermost of a wrong shape: reading again at each level would double
    // the work each time and never end.
    let mut bytes = [0xB3, b'N', 1, 0x90, 0xA1, 0x80].repeat(100);
    bytes.extend([0xB3, b'N', 0x80, 0x90, 0xA0]);
    assert!(decoded(&bytes).is_ok());
}

#[test]
fn errors_say_what_is_where() {
    let mut decoder = Decoder::new(&[0x01, 0x81, 0xFF, 0xC4]);
    assert_eq!(
        decoder.string().unwrap_err().to_string(),
        "at byte 0 should be a string, but there is an integer"
    );
    assert_eq!(decoder.peek(), Ok(Kind::Int));
    decoder.int().unwrap();
    assert_eq!(decoder.string().unwrap_err().to_string(), "the string at byte 2 is not UTF-8");
    decoder.skip().unwrap();
    assert_eq!(
        decoder.value().unwrap_err().to_string(),
        "byte 3 is 0xc4, which starts no PackStream value"
    );
    decoder = Decoder::new(&[0xD0, 5, b'a']);
    assert_eq!(
        decoder.string().unwrap_err().to_string(),
        "the value at byte 0 needs 7 bytes, but the bytes end after 3"
    );
}
