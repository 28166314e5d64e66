//! Questions to DNS servers, over TCP (RFC 1035, section 4.2.2): two bytes of length, a message.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{DnsError, Target};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a name stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The name that it is an alias of.
    pub alias: Option<String>,
    /// How long others may remember it.
    pub ttl: Duration,
}

impl Answer {
    /// As what a name can be pointed at; `None` when there is no such name.
    pub fn target(&self) -> Option<Target> {
        match &self.alias {
            Some(alias) => Some(Target::Alias(alias.clone())),
            None if self.addresses.is_empty() => None,
            None => Some(Target::Addresses(self.addresses.clone())),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.target() {
            None => f.write_str("there is no such name"),
            Some(target) => f.write_str(&target.to_text()),
        }
    }
}

/// A name of DNS.
pub(super) fn name(text: &str) -> Result<Name, DnsError> {
    let mut name = Name::from_utf8(text)
        .map_err(|error| DnsError::Wrong(format!("{text:?} is no name of DNS: {error}")))?;
    name.set_fqdn(true);
    Ok(name)
}

/// Sends a message and reads the answer.
pub(super) async fn exchange(server: SocketAddr, message: &[u8]) -> Result<Vec<u8>, DnsError> {
    let failed = |why: String| DnsError::Server { server: server.to_string(), why };
    let length =
        u16::try_from(message.len()).map_err(|_| failed("takes no such message".into()))?;
    let work = async {
        let mut stream = TcpStream::connect(server).await?;
        stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
        let length = stream.read_u16().await?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(failed(format!("cannot be asked: {error}"))),
        Err(_) => Err(failed(format!("does not answer within {} s", PATIENCE.as_secs()))),
    }
}

async fn ask(server: SocketAddr, name: &Name, kind: RecordType) -> Result<Message, DnsError> {
    let failed = |why: String| DnsError::Server { server: server.to_string(), why };
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(name.clone(), kind));
    let bytes = question.to_vec().map_err(|error| failed(format!("cannot be asked: {error}")))?;
    let answer = exchange(server, &bytes).await?;
    let answer = Message::from_vec(&answer)
        .map_err(|error| failed(format!("gives an answer that cannot be read: {error}")))?;
    if answer.id != question.id {
        return Err(failed("answers another question".to_owned()));
    }
    match answer.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => Ok(answer),
        code => Err(failed(format!("does not answer for {name}: {code}"))),
    }
}

/// What a server says of a name: of its addresses of both kinds, and of what it is an alias of.
pub(super) async fn look_up(server: SocketAddr, text: &str) -> Result<Answer, DnsError> {
    let name = name(text)?;
    let mut found = Answer::default();
    let mut ttl = None;
    for kind in [RecordType::A, RecordType::AAAA] {
        for record in ask(server, &name, kind).await?.answers {
            // What an alias leads to has another name.
            if record.name.to_lowercase() != name.to_lowercase() {
                continue;
            }
            match &record.data {
                RData::A(a) => found.addresses.push(IpAddr::V4(a.0)),
                RData::AAAA(a) => found.addresses.push(IpAddr::V6(a.0)),
                RData::CNAME(to) => found.alias = Some(to.0.to_ascii()),
                _ => continue,
            }
            ttl = ttl.max(Some(record.ttl));
        }
    }
    found.ttl = Duration::from_secs(u64::from(ttl.unwrap_or(0)));
    Ok(found)
}

/// The authoritative servers of a zone, by the resolver of this machine.
pub(super) async fn servers_of(zone: &str) -> Result<Vec<SocketAddr>, DnsError> {
    let wrong = |why: String| {
        DnsError::Wrong(format!(
            "the servers of {zone} cannot be found: {why}; name them as dns.servers"
        ))
    };
    let text = tokio::fs::read_to_string("/etc/resolv.conf")
        .await
        .map_err(|error| wrong(format!("/etc/resolv.conf: {error}")))?;
    let resolver: IpAddr = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse().ok())
        .ok_or_else(|| wrong("/etc/resolv.conf names no resolver".to_owned()))?;
    let answer = ask((resolver, 53).into(), &name(zone)?, RecordType::NS).await?;
    let mut servers = Vec::new();
    for record in &answer.answers {
        if let RData::NS(host) = &record.data {
            let host = host.0.to_ascii();
            let found = tokio::net::lookup_host((host.trim_end_matches('.'), 53)).await;
            servers.extend(found.map_err(|error| wrong(format!("{host}: {error}")))?.next());
        }
    }
    if servers.is_empty() { Err(wrong("there are none".to_owned())) } else { Ok(servers) }
}
