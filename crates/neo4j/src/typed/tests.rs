//! Every value survives the way from PackStream to typed JSON and back.

use lifeboat_bolt::packstream::{Decoder, Encoder, Value};
use proptest::prelude::*;
use serde::de::DeserializeSeed as _;

use super::read::PackSeed;
use super::*;

/// Any value that a property can hold, and some that only a newer server could send.
fn any_value() -> impl Strategy<Value = Value> {
    let nanos = 0i64..1_000_000_000;
    let offset = -64_800i64..=64_800;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-300i64..300).prop_map(Value::Int),
        (0u32..3).prop_map(|n| Value::Int((1 << 53) + i64::from(n) - 1)),
        any::<f64>().prop_map(Value::Float),
        prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 5e-324])
            .prop_map(Value::Float),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        any::<String>().prop_map(Value::String),
        (-365_243_219_162i64..=365_241_780_471).prop_map(|days| Value::Date { days }),
        (0i64..86_400_000_000_000).prop_map(|nanos| Value::LocalTime { nanos }),
        (0i64..86_400_000_000_000, offset.clone())
            .prop_map(|(nanos, offset_s)| Value::Time { nanos, offset_s }),
        (-1i64 << 54..1 << 54, nanos.clone())
            .prop_map(|(s, nanos)| Value::LocalDateTime { s, nanos }),
        (-1i64 << 54..1 << 54, nanos.clone(), offset)
            .prop_map(|(s, nanos, offset_s)| Value::DateTime { s, nanos, offset_s }),
        (-1i64 << 54..1 << 54, nanos.clone(), "[A-Z][a-z]{2,8}/[A-Z][a-z_]{2,8}")
            .prop_map(|(s, nanos, zone)| Value::DateTimeZoned { s, nanos, zone }),
        (any::<i64>(), any::<i64>(), any::<i64>(), nanos)
            .prop_map(|(months, days, s, nanos)| Value::Duration { months, days, s, nanos }),
        (any::<u16>(), any::<f64>(), any::<f64>()).prop_map(|(srid, x, y)| Value::Point2D {
            srid: srid.into(),
            x,
            y
        }),
        (any::<u16>(), any::<f64>(), any::<f64>(), any::<f64>())
            .prop_map(|(srid, x, y, z)| Value::Point3D { srid: srid.into(), x, y, z }),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::vec((any::<String>(), inner.clone()), 0..4).prop_map(Value::Map),
            (0x60u8..0x63, prop::collection::vec(inner, 0..6))
                .prop_map(|(tag, fields)| Value::Structure { tag, fields }),
        ]
    })
}

fn to_json(pack: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut transcoder = Transcoder::new(true);
    transcoder.value(&mut Decoder::new(pack)).unwrap();
    (transcoder.json.unwrap(), transcoder.canon)
}

fn to_pack(json: &[u8]) -> Vec<u8> {
    let mut pack = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    PackSeed { out: &mut pack }.deserialize(&mut deserializer).unwrap();
    deserializer.end().unwrap();
    pack
}

proptest! {
    #[test]
    fn every_value_survives(value in any_value()) {
        let mut pack = Vec::new();
        Encoder::new(&mut pack).value(&value);
        let (json, canon) = to_json(&pack);
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok());
        let back = to_pack(&json);
        let (again, canon_again) = to_json(&back);
        prop_assert_eq!(String::from_utf8_lossy(&json), String::from_utf8_lossy(&again));
        prop_assert_eq!(canon, canon_again);
    }

    #[test]
    fn no_json_panics(text in ".{0,80}") {
        let mut pack = Vec::new();
        let mut deserializer = serde_json::Deserializer::from_slice(text.as_bytes());
        let _ = PackSeed { out: &mut pack }.deserialize(&mut deserializer);
    }
}

#[test]
fn the_fingerprint_needs_no_json() {
    let mut pack = Vec::new();
    let value = Value::List(vec![Value::Date { days: 3 }, Value::Float(f64::NAN)]);
    Encoder::new(&mut pack).value(&value);
    let mut silent = Transcoder::new(false);
    silent.value(&mut Decoder::new(&pack)).unwrap();
    assert_eq!(silent.canon, to_json(&pack).1);
    assert_eq!(silent.json, None);
}

#[test]
fn keys_are_in_order_whatever_the_server_sends() {
    let pack = |keys: [&str; 2]| {
        let mut pack = Vec::new();
        let entries = keys.map(|key| (key.to_owned(), Value::Bool(key == "a")));
        Encoder::new(&mut pack).value(&Value::Map(entries.to_vec()));
        to_json(&pack)
    };
    assert_eq!(pack(["a", "b"]), pack(["b", "a"]));
}

#[test]
fn forms() {
    for (value, json) in [
        (Value::Int(9_007_199_254_740_992), "9007199254740992"),
        (Value::Int(9_007_199_254_740_993), r#"{"$type":"Integer","_value":"9007199254740993"}"#),
        (Value::Float(1.0), "1.0"),
        (Value::Float(-0.0), "-0.0"),
        (Value::Float(f64::NEG_INFINITY), r#"{"$type":"Float","_value":"-Infinity"}"#),
        (Value::Date { days: 0 }, r#"{"$type":"Date","_value":"1970-01-01"}"#),
        (
            Value::Structure { tag: b'V', fields: vec![Value::Int(1)] },
            r#"{"$type":"Structure","tag":86,"fields":[1]}"#,
        ),
    ] {
        let mut pack = Vec::new();
        Encoder::new(&mut pack).value(&value);
        assert_eq!(String::from_utf8(to_json(&pack).0).unwrap(), json);
    }
}
