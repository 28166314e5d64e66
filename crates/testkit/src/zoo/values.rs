//! One specimen of every value that a property can hold, at the edges of each type.

use lifeboat_bolt::Value;

use crate::neo4j::Line;

/// Coordinate reference systems, by the numbers that Bolt uses.
pub(super) const CARTESIAN: i64 = 7203;
/// Cartesian in space.
pub(super) const CARTESIAN_3D: i64 = 9157;
/// Longitude and latitude.
pub(super) const WGS_84: i64 = 4326;
/// Longitude, latitude and height in metres.
pub(super) const WGS_84_3D: i64 = 4979;

/// First and last day that the server knows: of the years −999 999 999 and 999 999 999.
const FIRST_DAY: i64 = -365_243_219_162;
const LAST_DAY: i64 = 365_241_780_471;
const DAY: i64 = 86_400;
const LAST_NANO: i64 = 999_999_999;
/// Largest offset from UTC, in seconds.
const MAX_OFFSET: i64 = 18 * 3600;

/// Every scalar and list, each with a name that tells what is odd about it. Names are unique.
pub(super) fn all() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (kind, scalars) in [
        ("boolean", booleans()),
        ("integer", integers()),
        ("float", floats()),
        ("string", strings()),
        ("date", dates()),
        ("time", times()),
        ("local time", local_times()),
        ("local datetime", local_datetimes()),
        ("datetime", datetimes()),
        ("zoned datetime", zoned_datetimes()),
        ("duration", durations()),
        ("cartesian point", points_2d(CARTESIAN)),
        ("cartesian 3d point", points_3d(CARTESIAN_3D)),
        ("wgs-84 point", points_2d(WGS_84)),
        ("wgs-84 3d point", points_3d(WGS_84_3D)),
    ] {
        // A list holds one kind of value; of points, one coordinate reference system.
        let list = scalars.iter().map(|(_, value)| value.clone()).collect();
        let one = scalars.first().map(|(_, value)| value.clone()).into_iter().collect();
        for (name, value) in scalars {
            all.push((format!("{kind} {name}"), value));
        }
        all.push((format!("list of every {kind}"), Value::List(list)));
        all.push((format!("list of one {kind}"), Value::List(one)));
    }
    all.extend(large_strings());
    all.extend(bytes());
    all.extend(lists());
    all
}

/// What one line keeps and the other changes.
pub(super) fn only(line: Line) -> Vec<(String, Value)> {
    match line {
        // The current line makes the longitude zero.
        Line::Lts => vec![
            (
                "wgs-84 point at longitude minus zero".to_owned(),
                Value::Point2D { srid: WGS_84, x: -0.0, y: 1.0 },
            ),
            (
                "wgs-84 3d point at longitude minus zero".to_owned(),
                Value::Point3D { srid: WGS_84_3D, x: -0.0, y: 1.0, z: -0.0 },
            ),
        ],
        Line::Current => Vec::new(),
    }
}

fn booleans() -> Vec<(String, Value)> {
    vec![("true".to_owned(), Value::Bool(true)), ("false".to_owned(), Value::Bool(false))]
}

fn integers() -> Vec<(String, Value)> {
    let edges = [7_u32, 8, 15, 16, 31, 32, 53, 62];
    let mut numbers = vec![0, 1, -1, 15, 16, -16, -17, i64::MIN, i64::MIN + 1, i64::MAX];
    for edge in edges {
        let power = 1_i64 << edge;
        numbers.extend([power - 1, power, power + 1, -power - 1, -power, 1 - power]);
    }
    numbers.sort_unstable();
    numbers.dedup();
    numbers.into_iter().map(|n| (n.to_string(), Value::Int(n))).collect()
}

fn floats() -> Vec<(String, Value)> {
    [
        ("zero", 0.0),
        ("minus zero", -0.0),
        ("one", 1.0),
        ("a tenth", 0.1),
        ("a third", 1.0 / 3.0),
        ("a tenth of 32 bits", f64::from(0.1_f32)),
        ("infinity", f64::INFINITY),
        ("minus infinity", f64::NEG_INFINITY),
        ("not a number", f64::NAN),
        ("smallest subnormal", f64::from_bits(1)),
        ("largest subnormal", f64::from_bits(0x000f_ffff_ffff_ffff)),
        ("negative subnormal", -f64::from_bits(1)),
        ("smallest normal", f64::MIN_POSITIVE),
        ("largest", f64::MAX),
        ("lowest", f64::MIN),
        ("epsilon", f64::EPSILON),
        ("beyond exact integers", 9_007_199_254_740_992.0),
        ("17 digits", 0.123_456_789_012_345_66),
        // Where printers change to exponents.
        ("1e-7", 1e-7),
        ("1e16", 1e16),
        ("1e21", 1e21),
        ("1e22", 1e22),
        ("2^63", 9_223_372_036_854_775_808.0),
        ("halfway", 5e-324 * 1.5),
    ]
    .map(|(name, number)| (name.to_owned(), Value::Float(number)))
    .to_vec()
}

fn strings() -> Vec<(String, Value)> {
    let named: &[(&str, &str)] = &[
        ("empty", ""),
        ("of a space", " "),
        ("of spaces around", "  a  "),
        // The server packs short strings of certain alphabets into the record.
        ("numerical", "1234567890.-+,' "),
        ("upper case", "UPPER CASE"),
        ("lower case", "lower case"),
        ("email", "a.b-c_d@example.org"),
        ("address", "https://example.org/a?b=c#d"),
        ("hexadecimal", "00deadbeef"),
        ("Latin-1", "äöüßÿÀ÷"),
        ("like a number", "42"),
        ("like a float", "1.0E10"),
        ("like a boolean", "true"),
        ("like null", "null"),
        ("like a date", "2026-11-24"),
        ("like typed JSON", r#"{"$type":"Integer","_value":"1"}"#),
        ("like Cypher", "'}) DETACH DELETE n //"),
        ("of quotes", "'\"`´‘’“”«»"),
        ("of doubled quotes", "\"\"''``"),
        ("of separators", ",;|\t:\u{1f}\u{1e}\u{1d}\u{1c}"),
        ("of line ends", "a\nb\rc\r\nd\u{85}e\u{2028}f\u{2029}g\u{b}h\u{c}i"),
        ("ending in a line end", "a\n"),
        ("of backslashes", "\\ \\n \\u0041 \\\\ \\\" \\"),
        ("of a NUL", "\0"),
        ("around a NUL", "a\0b"),
        ("of a byte order mark", "\u{feff}a"),
        ("of noncharacters", "\u{fffe}\u{ffff}\u{fdd0}\u{1fffe}\u{10ffff}"),
        ("around the surrogates", "\u{d7ff}\u{e000}"),
        ("with a replacement character", "a\u{fffd}b"),
        ("composed", "é"),
        ("decomposed", "e\u{301}"),
        ("of marks", "Z\u{351}\u{36b}\u{343}a\u{0489}\u{488}"),
        ("right to left", "\u{202e}abc\u{202c} עברית العربية"),
        ("of joined faces", "👩\u{200d}👩\u{200d}👧\u{200d}👦🏳\u{fe0f}\u{200d}🌈👍🏽"),
        ("of no width", "a\u{200b}\u{200c}\u{2060}b"),
        ("Turkish", "İıIi"),
        ("of digits of others", "١٢٣ 一二三 Ⅷ ½"),
    ];
    let mut strings: Vec<_> =
        named.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    // U+FFFF and below without the surrogates, then the sixteen planes above.
    let planes = (0..=0x10_u32)
        .flat_map(|plane| [0x41, 0x4e00, 0xfffd].map(|at| (plane << 16) | at))
        .filter_map(char::from_u32);
    strings.push(("of every plane".to_owned(), planes.collect()));
    strings.push(("of every control".to_owned(), ('\0'..='\u{9f}').collect()));
    strings.push(("of the Latin blocks".to_owned(), ('\u{a0}'..='\u{24f}').collect()));
    // Around the lengths where PackStream and the store change their form.
    for length in [15, 16, 23, 24, 55, 56, 127, 128, 255, 256] {
        strings.push((format!("of {length} letters"), "x".repeat(length)));
        strings.push((format!("of {length} others"), "é".repeat(length)));
    }
    strings.into_iter().map(|(name, text)| (name, Value::String(text))).collect()
}

/// Too large for any index.
fn large_strings() -> Vec<(String, Value)> {
    let mixed: String = "a,\"ä\n;'`\u{1f}漢😀\0".chars().cycle().take(60_000).collect();
    [
        ("string of 65535 bytes", "y".repeat(65_535)),
        ("string of 65536 bytes", "y".repeat(65_536)),
        ("string of 100 KB", words(100_000)),
        ("string of 1 MB", words(1_000_000)),
        ("string of mixed kinds", mixed),
    ]
    .map(|(name, text)| (name.to_owned(), Value::String(text)))
    .to_vec()
}

fn bytes() -> Vec<(String, Value)> {
    let mut all = vec![
        ("bytes none".to_owned(), Vec::new()),
        ("bytes zero".to_owned(), vec![0]),
        ("bytes all".to_owned(), (0..=u8::MAX).collect()),
        ("bytes not UTF-8".to_owned(), vec![0xff, 0xfe, 0xc0, 0x80]),
    ];
    for length in [255, 256, 65_535, 65_536, 300_000] {
        all.push((format!("bytes {length}"), words(length).into_bytes()));
    }
    all.into_iter().map(|(name, bytes)| (name, Value::Bytes(bytes))).collect()
}

/// Lists that are odd as lists. An empty one has no type of its own: the server forgets what it
/// might have held, and gives all of them back alike.
fn lists() -> Vec<(String, Value)> {
    let integers = |range: std::ops::Range<i64>| Value::List(range.map(Value::Int).collect());
    let empty_text = Value::String(String::new());
    vec![
        ("list empty".to_owned(), Value::List(Vec::new())),
        ("list of small integers".to_owned(), integers(-128..128)),
        ("list of 10000 integers".to_owned(), integers(0..10_000)),
        ("list of equal strings".to_owned(), Value::List(vec![empty_text; 3])),
        (
            "list of 2000 strings".to_owned(),
            Value::List((0..2000).map(|i| Value::String(format!("{i},\"{i}\""))).collect()),
        ),
        (
            "list of 1536 floats".to_owned(),
            Value::List((0..1536).map(|i| Value::Float((f64::from(i) * 0.37).sin())).collect()),
        ),
        (
            "list of moments with offsets and zones".to_owned(),
            Value::List(vec![
                Value::DateTime { s: 0, nanos: 0, offset_s: 0 },
                Value::DateTimeZoned { s: 0, nanos: 0, zone: "UTC".to_owned() },
                Value::DateTime { s: 0, nanos: 0, offset_s: 3600 },
                Value::DateTimeZoned { s: 0, nanos: 0, zone: "Europe/Berlin".to_owned() },
            ]),
        ),
    ]
}

fn dates() -> Vec<(String, Value)> {
    [
        ("of the epoch", 0),
        ("before the epoch", -1),
        ("in a leap year", 19_782),
        ("of the year 0", -719_528),
        ("before the year 0", -719_529),
        ("before the Gregorian calendar", -141_428),
        ("of the year 10000", 2_932_897),
        ("first", FIRST_DAY),
        ("last", LAST_DAY),
    ]
    .map(|(name, days)| (name.to_owned(), Value::Date { days }))
    .to_vec()
}

fn times() -> Vec<(String, Value)> {
    let end = DAY * 1_000_000_000 - 1;
    let noon = 43_200 * 1_000_000_000;
    [
        ("midnight", 0, 0),
        ("last", end, 0),
        ("noon east", noon, 19_800),
        ("noon west", noon, -12_600),
        ("farthest east", 0, MAX_OFFSET),
        ("farthest west", end, -MAX_OFFSET),
        ("with seconds in the offset", noon + 1, 3723),
        ("with seconds in the offset west", noon + 1, -1),
    ]
    .map(|(name, nanos, offset_s)| (name.to_owned(), Value::Time { nanos, offset_s }))
    .to_vec()
}

fn local_times() -> Vec<(String, Value)> {
    let end = DAY * 1_000_000_000 - 1;
    [("midnight", 0), ("first nanosecond", 1), ("a microsecond", 1000), ("last", end)]
        .map(|(name, nanos)| (name.to_owned(), Value::LocalTime { nanos }))
        .to_vec()
}

fn local_datetimes() -> Vec<(String, Value)> {
    [
        ("of the epoch", 0, 0),
        ("before the epoch", -1, LAST_NANO),
        ("of now", 1_795_478_400, 123_456_789),
        ("first", FIRST_DAY * DAY, 0),
        ("last", LAST_DAY * DAY + DAY - 1, LAST_NANO),
    ]
    .map(|(name, s, nanos)| (name.to_owned(), Value::LocalDateTime { s, nanos }))
    .to_vec()
}

fn datetimes() -> Vec<(String, Value)> {
    [
        ("of the epoch", 0, 0, 0),
        ("before the epoch", -1, LAST_NANO, 0),
        ("east", 1_795_478_400, 1, 19_800),
        ("west", 1_795_478_400, 1000, -16_200),
        ("with seconds in the offset", 1_795_478_400, 0, 3723),
        ("with seconds in the offset west", -1, 1, -1),
        ("first in UTC", FIRST_DAY * DAY, 0, 0),
        ("last in UTC", LAST_DAY * DAY + DAY - 1, LAST_NANO, 0),
        ("first of all", FIRST_DAY * DAY - MAX_OFFSET, 0, MAX_OFFSET),
        ("last of all", LAST_DAY * DAY + DAY - 1 + MAX_OFFSET, LAST_NANO, -MAX_OFFSET),
    ]
    .map(|(name, s, nanos, offset_s)| (name.to_owned(), Value::DateTime { s, nanos, offset_s }))
    .to_vec()
}

fn zoned_datetimes() -> Vec<(String, Value)> {
    [
        ("in UTC", 1_577_836_800, 0, "UTC"),
        ("in GMT", 1_577_836_800, 0, "GMT"),
        ("in a fixed zone", 1_577_836_800, 0, "Etc/GMT+12"),
        ("in a zone of quarters", 1_577_836_800, LAST_NANO, "Asia/Kathmandu"),
        ("in a zone of three parts", 1_577_836_800, 1, "America/Argentina/ComodRivadavia"),
        ("in an alias", 1_577_836_800, 1, "US/Pacific"),
        // 2024-10-27 in Berlin: half past two comes twice.
        ("in the hour before clocks go back", 1_729_989_000, 0, "Europe/Berlin"),
        ("in the hour after clocks go back", 1_729_992_600, 0, "Europe/Berlin"),
        // 2024-03-31: from one second to the next, an hour is missing.
        ("before the missing hour", 1_711_846_799, LAST_NANO, "Europe/Berlin"),
        ("after the missing hour", 1_711_846_800, 0, "Europe/Berlin"),
        ("around the missing day", 1_325_239_199, 0, "Pacific/Apia"),
        ("before standard time", -5_364_644_638, 0, "America/New_York"),
        ("in the far future", 253_402_300_800, 0, "Europe/Berlin"),
        ("in the year -999999", -31_619_119_219_200 + DAY, 5, "Africa/Abidjan"),
        ("near the end", LAST_DAY * DAY, LAST_NANO, "Australia/Lord_Howe"),
        ("near the beginning", FIRST_DAY * DAY + 2 * DAY, 0, "Antarctica/Troll"),
    ]
    .map(|(name, s, nanos, zone)| {
        (name.to_owned(), Value::DateTimeZoned { s, nanos, zone: zone.to_owned() })
    })
    .to_vec()
}

fn durations() -> Vec<(String, Value)> {
    [
        ("none", 0, 0, 0, 0),
        ("of a month", 1, 0, 0, 0),
        ("of a day", 0, 1, 0, 0),
        ("of a second", 0, 0, 1, 0),
        ("of a nanosecond", 0, 0, 0, 1),
        ("of a day in seconds", 0, 0, DAY, 0),
        ("mixed", 14, 3, 14_706, 7),
        ("negative", -13, -40, -1, 0),
        ("of both signs", -13, 40, -2, LAST_NANO),
        ("of less than nothing", 0, 0, -1, LAST_NANO),
        ("of most months", 3_507_324_295_523, 0, 0, 0),
        ("of most days", 0, 106_751_991_167_300, 0, 0),
        ("of most seconds", 0, 0, i64::MAX, LAST_NANO),
        ("of least seconds", 0, 0, i64::MIN, 0),
    ]
    .map(|(name, months, days, s, nanos)| {
        (name.to_owned(), Value::Duration { months, days, s, nanos })
    })
    .to_vec()
}

fn points_2d(srid: i64) -> Vec<(String, Value)> {
    coordinates(srid == WGS_84)
        .into_iter()
        .map(|(name, x, y, _)| (name.to_owned(), Value::Point2D { srid, x, y }))
        .collect()
}

fn points_3d(srid: i64) -> Vec<(String, Value)> {
    coordinates(srid == WGS_84_3D)
        .into_iter()
        .map(|(name, x, y, z)| (name.to_owned(), Value::Point3D { srid, x, y, z }))
        .collect()
}

fn coordinates(on_the_globe: bool) -> Vec<(&'static str, f64, f64, f64)> {
    let mut points = vec![
        ("at the origin", 0.0, 0.0, 0.0),
        ("at minus zero", if on_the_globe { 0.0 } else { -0.0 }, -0.0, -0.0),
        ("nearby", 12.566_370_614_359_172, 55.676_098, -0.1),
        ("of subnormals", f64::from_bits(1), -f64::from_bits(1), f64::MIN_POSITIVE),
    ];
    points.extend(if on_the_globe {
        [("at the north pole", 180.0, 90.0, f64::MAX), ("at the south pole", -180.0, -90.0, 1e300)]
    } else {
        [("far out", f64::MAX, f64::MIN, f64::MAX), ("far off", -1e300, 1e-300, 1e21)]
    });
    points
}

/// Text of this many bytes that compresses as text does, not as one repeated letter.
fn words(length: usize) -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        for shift in 0..2 + state % 7 {
            text.push(char::from(b'a' + ((state >> (shift * 5)) % 26) as u8));
        }
        text.push(' ');
    }
    text.truncate(length);
    text
}
