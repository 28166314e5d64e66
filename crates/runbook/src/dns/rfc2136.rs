//! Dynamic updates (RFC 2136), signed with a shared key (TSIG, RFC 8945).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use base64::Engine as _;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, TSigner};
use jiff::Timestamp;

use super::message::{exchange, name};
use super::{Algorithm, DnsError, Target};

/// How far two clocks may be apart, in seconds; what RFC 8945 recommends.
const FUDGE: u16 = 300;

/// Signs messages.
pub(super) struct Signer(TSigner);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.0.signer_name())
    }
}

impl Signer {
    pub(super) fn new(key_name: &str, algorithm: Algorithm, key: &str) -> Result<Self, DnsError> {
        let wrong = |why: String| DnsError::Wrong(format!("the key {key_name} {why}"));
        let key = base64::engine::general_purpose::STANDARD
            .decode(key.trim())
            .map_err(|_| wrong("is not in base64".to_owned()))?;
        let algorithm = match algorithm {
            Algorithm::HmacSha256 => TsigAlgorithm::HmacSha256,
            Algorithm::HmacSha384 => TsigAlgorithm::HmacSha384,
            Algorithm::HmacSha512 => TsigAlgorithm::HmacSha512,
        };
        let signer = TSigner::new(key, algorithm, name(key_name)?, FUDGE);
        signer.map(Self).map_err(|error| wrong(format!("cannot be used: {error}")))
    }
}

fn begin(zone: &Name) -> Message {
    let mut message = Message::query();
    let id = message.id;
    let mut message = {
        message.metadata.op_code = OpCode::Update;
        message.metadata.message_type = MessageType::Query;
        message.metadata.recursion_desired = false;
        message.metadata.id = id;
        message
    };
    // The section of queries names the zone, that of authorities holds the changes.
    message.add_query(Query::query(zone.clone(), RecordType::SOA));
    message
}

async fn send(
    server: SocketAddr,
    about: &str,
    mut message: Message,
    signer: &Signer,
) -> Result<(), DnsError> {
    let failed = |why: String| DnsError::Server { server: server.to_string(), why };
    let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
    let verifier = message
        .finalize(&signer.0, now)
        .map_err(|error| failed(format!("cannot be sent a signed message: {error}")))?;
    let bytes = message.to_vec().map_err(|error| failed(format!("cannot be asked: {error}")))?;
    let answer = exchange(server, &bytes).await?;
    let read = Message::from_vec(&answer)
        .map_err(|error| failed(format!("gives an answer that cannot be read: {error}")))?;
    if read.id != message.id {
        return Err(failed("answers another message".to_owned()));
    }
    match read.response_code {
        // What says that all went well must be signed with the key as well.
        ResponseCode::NoError => match verifier.map(|mut verifier| verifier.verify(&answer)) {
            Some(Err(error)) => Err(failed(format!("gives an answer of another's: {error}"))),
            _ => Ok(()),
        },
        code => Err(DnsError::Refused {
            server: server.to_string(),
            name: about.to_owned(),
            why: match code {
                ResponseCode::NotAuth => format!(
                    "{code}: it does not know the key {} or its secret, or its clock differs; \
                     compare them with the server's settings",
                    signer.0.signer_name()
                ),
                ResponseCode::Refused => {
                    format!("{code}: the key {} may not do so", signer.0.signer_name())
                }
                ResponseCode::NotZone => format!("{code}: the name is not in the zone"),
                code => code.to_string(),
            },
        }),
    }
}

/// Proves that the zone takes messages that are signed so: an update without any change.
pub(super) async fn prove(server: SocketAddr, zone: &str, signer: &Signer) -> Result<(), DnsError> {
    send(server, zone, begin(&name(zone)?), signer).await
}

/// Replaces what a name stands for, in one message, and so all at once.
pub(super) async fn update(
    server: SocketAddr,
    zone: &str,
    text: &str,
    target: &Target,
    ttl: Duration,
    signer: &Signer,
) -> Result<(), DnsError> {
    let owner = name(text)?;
    let ttl = u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX);
    let mut message = begin(&name(zone)?);
    for kind in [RecordType::A, RecordType::AAAA, RecordType::CNAME] {
        // RFC 2136, section 2.5.2: class ANY and no data delete a whole set of records.
        let mut record = Record::update0(owner.clone(), 0, kind).into_record_of_rdata();
        record.dns_class = DNSClass::ANY;
        message.add_authority(record);
    }
    let values = match target {
        Target::Alias(alias) => vec![RData::CNAME(CNAME(name(alias)?))],
        Target::Addresses(all) => all
            .iter()
            .map(|address| match address {
                IpAddr::V4(address) => RData::A(A(*address)),
                IpAddr::V6(address) => RData::AAAA(AAAA(*address)),
            })
            .collect(),
    };
    for value in values {
        message.add_authority(Record::from_rdata(owner.clone(), ttl, value));
    }
    send(server, text, message, signer).await
}
