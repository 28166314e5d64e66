//! Requests and answers of the protocol, as bytes.

use std::time::Duration;

use bytes::Bytes;

use crate::handshake::Version;
use crate::packstream::{self, Decoder, Encoder, Value};
use crate::{Access, Auth, Config, Error, GqlStatus, RunOptions, Uri};

const HELLO: u8 = 0x01;
const GOODBYE: u8 = 0x02;
const RESET: u8 = 0x0F;
const RUN: u8 = 0x10;
const BEGIN: u8 = 0x11;
const COMMIT: u8 = 0x12;
const ROLLBACK: u8 = 0x13;
const DISCARD: u8 = 0x2F;
const PULL: u8 = 0x3F;
const ROUTE: u8 = 0x66;
const LOGON: u8 = 0x6A;

const SUCCESS: u8 = 0x70;
const IGNORED: u8 = 0x7E;
const FAILURE: u8 = 0x7F;

/// Since this version a client says what library it is.
const BOLT_AGENT: Version = (5, 3);
/// Since this version authentication is a message of its own.
const SEPARATE_LOGON: Version = (5, 1);

/// Parameters of a query.
#[derive(Debug, Clone, Default)]
pub enum Params {
    /// None.
    #[default]
    None,
    /// Names and values.
    Values(Vec<(String, Value)>),
    /// A map that is already encoded.
    Raw(Bytes),
}

impl Params {
    /// Looks whether raw parameters begin as a map. What else is wrong with them the server says.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Raw(raw) => {
                Decoder::new(raw).map_header().map_err(Error::Params)?;
                debug_assert_eq!(Decoder::new(raw).skip().map(<[u8]>::len), Ok(raw.len()));
                Ok(())
            }
            Self::None | Self::Values(_) => Ok(()),
        }
    }
}

/// The first message, which names both sides and, before 5.1, carries the credentials.
pub(crate) fn hello(out: &mut Vec<u8>, config: &Config, uri: &Uri, version: Version) {
    let separate = has_logon(version);
    let agent = version >= BOLT_AGENT;
    let utc = version < (5, 0);
    let auth = if separate { 0 } else { auth_entries(&config.auth) };
    let mut out = Encoder::new(out);
    out.struct_header(HELLO, 1);
    let routing = uri.is_routing();
    out.map_header(1 + usize::from(agent) + usize::from(utc) + usize::from(routing) + auth);
    out.string("user_agent");
    out.string(&config.user_agent);
    if agent {
        out.string("bolt_agent");
        out.map_header(2);
        out.string("product");
        out.string(concat!("lifeboat-bolt/", env!("CARGO_PKG_VERSION")));
        out.string("platform");
        out.string(std::env::consts::OS);
    }
    if utc {
        // Moments as seconds of UTC, as all later versions have them.
        out.string("patch_bolt");
        out.list_header(1);
        out.string("utc");
    }
    if routing {
        out.string("routing");
        routing_context(&mut out, uri);
    }
    if !separate {
        put_auth(&mut out, &config.auth);
    }
}

/// Whether credentials go into a message of their own.
pub(crate) fn has_logon(version: Version) -> bool {
    version >= SEPARATE_LOGON
}

pub(crate) fn logon(out: &mut Vec<u8>, auth: &Auth) {
    let mut out = Encoder::new(out);
    out.struct_header(LOGON, 1);
    out.map_header(auth_entries(auth));
    put_auth(&mut out, auth);
}

fn auth_entries(auth: &Auth) -> usize {
    match auth {
        Auth::None => 1,
        Auth::Bearer(_) => 2,
        Auth::Basic { .. } => 3,
    }
}

fn put_auth(out: &mut Encoder<'_>, auth: &Auth) {
    let (scheme, principal, credentials) = match auth {
        Auth::None => ("none", None, None),
        Auth::Basic { username, password } => ("basic", Some(username), Some(password)),
        Auth::Bearer(token) => ("bearer", None, Some(token)),
    };
    out.string("scheme");
    out.string(scheme);
    if let Some(principal) = principal {
        out.string("principal");
        out.string(principal);
    }
    if let Some(credentials) = credentials {
        out.string("credentials");
        out.string(credentials.expose());
    }
}

fn routing_context(out: &mut Encoder<'_>, uri: &Uri) {
    out.map_header(1 + uri.context().len());
    out.string("address");
    out.string(&uri.address());
    for (key, value) in uri.context() {
        out.string(key);
        out.string(value);
    }
}

pub(crate) fn route(out: &mut Vec<u8>, uri: &Uri, database: Option<&str>) {
    let mut out = Encoder::new(out);
    out.struct_header(ROUTE, 3);
    routing_context(&mut out, uri);
    out.list_header(0);
    out.map_header(usize::from(database.is_some()));
    if let Some(database) = database {
        out.string("db");
        out.string(database);
    }
}

/// `options` is `None` inside an explicit transaction, which has its own.
pub(crate) fn run(out: &mut Vec<u8>, cypher: &str, params: &Params, options: Option<&RunOptions>) {
    let mut encoder = Encoder::new(out);
    encoder.struct_header(RUN, 3);
    encoder.string(cypher);
    match params {
        Params::None => encoder.map_header(0),
        Params::Values(values) => encoder.map(values),
        Params::Raw(raw) => out.extend_from_slice(raw),
    }
    match options {
        Some(options) => extra(&mut Encoder::new(out), options),
        None => Encoder::new(out).map_header(0),
    }
}

pub(crate) fn begin(out: &mut Vec<u8>, options: &RunOptions) {
    let mut out = Encoder::new(out);
    out.struct_header(BEGIN, 1);
    extra(&mut out, options);
}

fn extra(out: &mut Encoder<'_>, options: &RunOptions) {
    let read = options.access == Access::Read;
    out.map_header(
        usize::from(!options.bookmarks.is_empty())
            + usize::from(options.tx_timeout.is_some())
            + usize::from(read)
            + usize::from(options.database.is_some()),
    );
    if !options.bookmarks.is_empty() {
        out.string("bookmarks");
        out.list_header(options.bookmarks.len());
        for bookmark in &options.bookmarks {
            out.string(bookmark);
        }
    }
    if let Some(timeout) = options.tx_timeout {
        out.string("tx_timeout");
        out.int(milliseconds(timeout));
    }
    if read {
        out.string("mode");
        out.string("r");
    }
    if let Some(database) = &options.database {
        out.string("db");
        out.string(database);
    }
}

/// At least one: to the server zero means without a limit.
fn milliseconds(timeout: Duration) -> i64 {
    i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX).max(1)
}

pub(crate) fn pull(out: &mut Vec<u8>, count: i64) {
    of_rows(out, PULL, count);
}

pub(crate) fn discard_all(out: &mut Vec<u8>) {
    of_rows(out, DISCARD, -1);
}

fn of_rows(out: &mut Vec<u8>, tag: u8, count: i64) {
    let mut out = Encoder::new(out);
    out.struct_header(tag, 1);
    out.map_header(1);
    out.string("n");
    out.int(count);
}

pub(crate) fn commit(out: &mut Vec<u8>) {
    Encoder::new(out).struct_header(COMMIT, 0);
}

pub(crate) fn rollback(out: &mut Vec<u8>) {
    Encoder::new(out).struct_header(ROLLBACK, 0);
}

pub(crate) fn reset(out: &mut Vec<u8>) {
    Encoder::new(out).struct_header(RESET, 0);
}

pub(crate) fn goodbye(out: &mut Vec<u8>) {
    Encoder::new(out).struct_header(GOODBYE, 0);
}

/// What ends a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Done.
    Success(Vec<(String, Value)>),
    /// Refused or failed.
    Failure(Failure),
    /// Passed over, after a failure or because of a reset.
    Ignored,
}

/// Why the server refuses or failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) gql: Option<Box<GqlStatus>>,
}

impl Failure {
    pub(crate) fn into_error(self, address: &str) -> Error {
        let Self { code, message, gql } = self;
        Error::Server { address: address.to_owned(), code, message, gql }
    }
}

/// Reads an answer.
pub(crate) fn answer(message: &[u8]) -> Result<Answer, String> {
    let unreadable = |error: packstream::Error| format!("an answer that cannot be read: {error}");
    let mut decoder = Decoder::new(message);
    let (tag, fields) = decoder.struct_header().map_err(unreadable)?;
    let mut metadata = || match (fields, decoder.value().map_err(unreadable)?) {
        (1, Value::Map(entries)) => Ok(entries),
        _ => Err(format!("an answer {tag:#04x} without its map")),
    };
    match tag {
        SUCCESS => metadata().map(Answer::Success),
        FAILURE => metadata().map(failure).map(Answer::Failure),
        IGNORED => Ok(Answer::Ignored),
        _ => Err(format!("a message of the unknown kind {tag:#04x}")),
    }
}

fn failure(mut metadata: Vec<(String, Value)>) -> Failure {
    // `neo4j_code` since 5.7, `code` before.
    let code = take_text(&mut metadata, "neo4j_code").or_else(|| take_text(&mut metadata, "code"));
    let gql = metadata
        .iter()
        .any(|(key, _)| key == "gql_status")
        .then(|| Box::new(gql_status(metadata.clone())));
    Failure {
        code: code.unwrap_or_else(|| "no code".to_owned()),
        message: take_text(&mut metadata, "message").unwrap_or_else(|| "no message".to_owned()),
        gql,
    }
}

fn gql_status(mut metadata: Vec<(String, Value)>) -> GqlStatus {
    let mut text = |key| take_text(&mut metadata, key).unwrap_or_default();
    GqlStatus {
        status: text("gql_status"),
        description: text("description"),
        message: text("message"),
        diagnostic_record: take_map(&mut metadata, "diagnostic_record").unwrap_or_default(),
        cause: take_map(&mut metadata, "cause").map(|cause| Box::new(gql_status(cause))),
    }
}

/// Takes a value out of an answer's map.
pub(crate) fn take(metadata: &mut Vec<(String, Value)>, key: &str) -> Option<Value> {
    let index = metadata.iter().position(|(name, _)| name == key)?;
    Some(metadata.swap_remove(index).1)
}

pub(crate) fn take_text(metadata: &mut Vec<(String, Value)>, key: &str) -> Option<String> {
    if let Some(Value::String(text)) = take(metadata, key) { Some(text) } else { None }
}

pub(crate) fn take_map(
    metadata: &mut Vec<(String, Value)>,
    key: &str,
) -> Option<Vec<(String, Value)>> {
    if let Some(Value::Map(entries)) = take(metadata, key) { Some(entries) } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Value {
        let mut bytes = Vec::new();
        write(&mut bytes);
        let mut decoder = Decoder::new(&bytes);
        let value = decoder.value().unwrap();
        assert!(decoder.is_empty());
        value
    }

    fn only_field(value: Value) -> Value {
        let Value::Structure { mut fields, .. } = value else { panic!("{value:?}") };
        assert_eq!(fields.len(), 1);
        fields.remove(0)
    }

    #[test]
    fn hello_fits_the_version() {
        for auth in [Auth::None, Auth::basic("u", "hunter2"), Auth::Bearer("hunter2".into())] {
            let secret = auth != Auth::None;
            for uri in ["bolt://h", "neo4j://h?policy=eu"] {
                let config = Config::new(uri.parse().unwrap(), auth.clone());
                for version in [(4, 4), (5, 0), (5, 1), (5, 3), (5, 8), (6, 1)] {
                    let hello =
                        only_field(written(|out| hello(out, &config, &config.uri, version)));
                    assert_eq!(hello.get("patch_bolt").is_some(), version == (4, 4));
                    assert_eq!(hello.get("bolt_agent").is_some(), version >= (5, 3));
                    assert_eq!(hello.get("scheme").is_some(), version < (5, 1));
                    assert_eq!(hello.get("credentials").is_some(), secret && version < (5, 1));
                    let policy = hello.get("routing").and_then(|routing| routing.get("policy"));
                    assert_eq!(policy.is_some(), config.uri.is_routing());
                }
                let logon = only_field(written(|out| logon(out, &auth)));
                assert_eq!(logon.get("credentials").is_some(), secret);
            }
        }
    }

    #[test]
    fn options_become_entries_of_a_map() {
        let options = RunOptions {
            database: Some("neo4j".into()),
            access: Access::Read,
            bookmarks: vec!["b".into()],
            tx_timeout: Some(Duration::ZERO),
            fetch_size: 7,
        };
        let begin = only_field(written(|out| begin(out, &options)));
        assert_eq!(begin.as_map().unwrap().len(), 4);
        assert_eq!(begin.get("tx_timeout"), Some(&Value::Int(1)));
        let run = written(|out| run(out, "RETURN 1", &Params::None, Some(&RunOptions::default())));
        let Value::Structure { tag: RUN, fields } = run else { panic!("{run:?}") };
        assert_eq!(fields[1..], [Value::Map(vec![]), Value::Map(vec![])]);
    }

    #[test]
    fn raw_parameters_must_be_a_map() {
        assert!(Params::Raw(Bytes::from_static(&[0xA1, 0x81, b'x', 1])).check().is_ok());
        let error = Params::Raw(Bytes::from_static(&[0x91, 1])).check().unwrap_err();
        assert!(error.to_string().contains("should be a map, but there is a list"), "{error}");
        assert!(Params::Raw(Bytes::new()).check().is_err());
    }

    fn message(tag: u8, entries: Vec<(&str, Value)>) -> Vec<u8> {
        let map = entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let mut bytes = Vec::new();
        Encoder::new(&mut bytes).value(&Value::Structure { tag, fields: vec![Value::Map(map)] });
        bytes
    }

    #[test]
    fn failures_of_old_and_new_servers_are_understood() {
        let old = message(FAILURE, vec![("code", "Neo.X".into()), ("message", "no".into())]);
        let Ok(Answer::Failure(old)) = answer(&old) else { panic!() };
        assert_eq!((old.code.as_str(), old.message.as_str(), old.gql), ("Neo.X", "no", None));

        let cause = Value::Map(vec![
            ("gql_status".into(), "42I06".into()),
            ("message".into(), "inner".into()),
        ]);
        let new = message(
            FAILURE,
            vec![
                ("neo4j_code", "Neo.X".into()),
                ("message", "no".into()),
                ("gql_status", "42001".into()),
                ("description", "invalid".into()),
                ("diagnostic_record", Value::Map(vec![("x".into(), Value::Int(1))])),
                ("cause", cause),
            ],
        );
        let Ok(Answer::Failure(new)) = answer(&new) else { panic!() };
        let gql = new.gql.unwrap();
        assert_eq!((new.code.as_str(), gql.status.as_str()), ("Neo.X", "42001"));
        assert_eq!(gql.diagnostic_record.len(), 1);
        assert_eq!(gql.cause.unwrap().message, "inner");
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_not(
            tag in prop_oneof![Just(SUCCESS), Just(FAILURE), Just(IGNORED), any::<u8>()],
            bytes in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let message = [&[0xB1, tag][..], &bytes].concat();
            if answer(&message).is_ok() {
                prop_assert!([SUCCESS, FAILURE, IGNORED].contains(&tag));
            }
            let _ = answer(&bytes);
        }
    }
}
