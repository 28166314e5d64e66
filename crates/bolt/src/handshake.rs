//! Which version of Bolt is spoken.
//!
//! The client opens with four bytes that mark Bolt and four proposals. The first proposal is the
//! *manifest*: a server that knows it (Neo4j 5.26 and later) answers with every version that it
//! speaks, and the client chooses. Other servers choose one of the proposals that follow.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::Error;

/// A version: major, minor.
pub(crate) type Version = (u8, u8);

const MAGIC: [u8; 4] = [0x60, 0x60, 0xB0, 0x17];
/// The proposal of a manifest, version 1 of it.
const MANIFEST: [u8; 4] = [0, 0, 1, 0xFF];
/// The first version that came with the manifest.
const FIRST_WITH_MANIFEST: Version = (5, 7);
/// What this crate speaks: major version, and its first and last minor version.
const SPOKEN: [(u8, u8, u8); 3] = [(6, 0, 1), (5, 0, 8), (4, 4, 4)];
/// Most entries that a manifest is believed to have.
const MOST_OFFERS: u64 = 256;

/// Agrees on a version, at most `max`.
pub(crate) async fn shake<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut S,
    address: &str,
    max: Option<Version>,
) -> Result<Version, Error> {
    let io_failed = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => Error::NotBolt {
            address: address.to_owned(),
            reason: "it closed the connection without an answer; if the server demands TLS, use \
                     a scheme with +s or +ssc"
                .to_owned(),
        },
        _ => Error::Disconnected { address: address.to_owned(), reason: error.to_string() },
    };
    let mut opening = MAGIC.to_vec();
    opening.extend(proposals(max).concat());
    socket.write_all(&opening).await.map_err(io_failed)?;
    socket.flush().await.map_err(io_failed)?;
    let mut answer = [0; 4];
    socket.read_exact(&mut answer).await.map_err(io_failed)?;

    let refused = || Error::VersionRefused {
        address: address.to_owned(),
        offered: ranges(max)
            .map(|(major, first, last)| match last - first {
                0 => format!("{major}.{last}"),
                _ => format!("{major}.{first} to {major}.{last}"),
            })
            .collect::<Vec<_>>()
            .join(", "),
    };
    match answer {
        MANIFEST => {
            let mut best = None;
            for _ in 0..varint(socket).await.map_err(io_failed)?.min(MOST_OFFERS) {
                let mut offer = [0; 4];
                socket.read_exact(&mut offer).await.map_err(io_failed)?;
                best = best.max(best_of(offer, max));
            }
            // Capabilities: none is known to this client, so none is taken up.
            varint(socket).await.map_err(io_failed)?;
            let version = best.ok_or_else(refused)?;
            socket.write_all(&[0, 0, version.1, version.0, 0]).await.map_err(io_failed)?;
            socket.flush().await.map_err(io_failed)?;
            Ok(version)
        }
        [0, 0, 0, 0] => Err(refused()),
        [0, 0, minor, major] if best_of(answer, max) == Some((major, minor)) => Ok((major, minor)),
        _ => Err(Error::NotBolt { address: address.to_owned(), reason: who(answer) }),
    }
}

/// The ranges that are spoken, the highest first.
fn ranges(max: Option<Version>) -> impl Iterator<Item = (u8, u8, u8)> {
    let max = max.unwrap_or((u8::MAX, u8::MAX));
    SPOKEN.into_iter().filter(move |(major, first, _)| (*major, *first) <= max).map(
        move |(major, first, last)| {
            (major, first, if major == max.0 { last.min(max.1) } else { last })
        },
    )
}

fn proposals(max: Option<Version>) -> [[u8; 4]; 4] {
    let mut proposals = [[0; 4]; 4];
    let manifest = max.is_none_or(|max| max >= FIRST_WITH_MANIFEST).then_some(MANIFEST);
    let ranges = ranges(max).map(|(major, first, last)| [0, last - first, last, major]);
    for (slot, proposal) in proposals.iter_mut().zip(manifest.into_iter().chain(ranges)) {
        *slot = proposal;
    }
    proposals
}

/// The highest version of an offer that is spoken: the offer is of `minor − range` to `minor`.
fn best_of([_, range, minor, major]: [u8; 4], max: Option<Version>) -> Option<Version> {
    ranges(max).filter(|(spoken, ..)| *spoken == major).find_map(|(_, first, last)| {
        let best = minor.min(last);
        (best >= first && best >= minor.saturating_sub(range)).then_some((major, best))
    })
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
async fn varint<S: AsyncRead + Unpin>(socket: &mut S) -> io::Result<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let byte = socket.read_u8().await?;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "a number of the handshake is too long"))
}

/// Guesses from its first bytes what answers.
fn who(answer: [u8; 4]) -> String {
    match &answer {
        b"HTTP" => "it speaks HTTP; Bolt has a port of its own, 7687 unless configured otherwise"
            .to_owned(),
        [0x15, 0x03, ..] => "it speaks TLS; use a scheme with +s or +ssc".to_owned(),
        b"SSH-" => "it speaks SSH; Bolt's port is 7687 unless configured otherwise".to_owned(),
        _ => format!(
            "its first bytes are {:02x} {:02x} {:02x} {:02x}; \
             Bolt's port is 7687 unless configured otherwise",
            answer[0], answer[1], answer[2], answer[3]
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shakes hands with a server that says this; answers what the client said as well.
    async fn with(says: &[u8], max: Option<Version>) -> (Result<Version, Error>, Vec<u8>) {
        let (mut client, mut server) = tokio::io::duplex(1024);
        server.write_all(says).await.unwrap();
        server.shutdown().await.unwrap();
        let found = shake(&mut client, "h:1", max).await;
        drop(client);
        let mut said = Vec::new();
        server.read_to_end(&mut said).await.unwrap();
        (found, said)
    }

    /// What Neo4j 2026.09.0 says.
    const CURRENT: [u8; 22] = [0, 0, 1, 0xFF, 4, 0, 0, 4, 4, 0, 4, 4, 5, 0, 2, 8, 5, 0, 1, 1, 6, 0];

    #[tokio::test]
    async fn the_manifest_gives_the_highest_version() {
        for (max, version) in [
            (None, (6, 1)),
            (Some((6, 0)), (6, 0)),
            (Some((7, 0)), (6, 1)),
            (Some((5, 8)), (5, 8)),
            (Some((5, 7)), (5, 7)),
        ] {
            let (found, said) = with(&CURRENT, max).await;
            assert_eq!(found.unwrap(), version);
            assert_eq!(said[..8], [0x60, 0x60, 0xB0, 0x17, 0, 0, 1, 0xFF]);
            assert_eq!(said[20..], [0, 0, version.1, version.0, 0]);
        }
    }

    #[tokio::test]
    async fn a_server_without_the_manifest_chooses() {
        let (found, said) = with(&[0, 0, 4, 5], None).await;
        assert_eq!(found.unwrap(), (5, 4));
        assert_eq!(said[4..], [0, 0, 1, 0xFF, 0, 1, 1, 6, 0, 8, 8, 5, 0, 0, 4, 4]);
        let (found, said) = with(&[0, 0, 4, 4], Some((5, 6))).await;
        assert_eq!(found.unwrap(), (4, 4));
        assert_eq!(said[4..], [0, 6, 6, 5, 0, 0, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0]);
        let (_, said) = with(&[], Some((4, 4))).await;
        assert_eq!(said[4..], [0, 0, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[tokio::test]
    async fn what_is_not_bolt_is_told() {
        for (says, words) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], "it speaks HTTP"),
            (&[0x15, 0x03, 0x03, 0x00, 0x02], "it speaks TLS"),
            (b"SSH-2.0-x", "SSH"),
            (b"220 mail", "32 32 30 20"),
            (b"", "demands TLS"),
            (b"\0\0", "demands TLS"),
            (
                &[0, 0, 0, 0],
                "refused every version of Bolt that was offered (6.0 to 6.1, 5.0 to 5.8, 4.4)",
            ),
            // Versions that were not offered.
            (&[0, 0, 9, 5], "does not speak Bolt"),
            (&[0, 0, 0, 3], "does not speak Bolt"),
            (&[0, 0, 1, 0xFF, 1, 0, 0, 0, 9, 0], "refused every version"),
            (&[0, 0, 1, 0xFF, 0, 0], "refused every version"),
            (&[0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], "too long"),
        ] {
            let error = with(says, None).await.0.unwrap_err();
            assert!(error.to_string().contains(words), "{says:x?}: {error}");
            assert!(error.is_disconnected());
        }
    }

    #[test]
    fn offers_are_ranges() {
        assert_eq!(best_of([0, 4, 4, 5], None), Some((5, 4)));
        assert_eq!(best_of([0, 4, 4, 5], Some((5, 2))), Some((5, 2)));
        assert_eq!(best_of([0, 2, 8, 5], Some((5, 5))), None);
        assert_eq!(best_of([0, 2, 11, 5], None), None);
        assert_eq!(best_of([0, 9, 11, 5], None), Some((5, 8)));
        assert_eq!(best_of([0, 4, 4, 4], None), Some((4, 4)));
        assert_eq!(best_of([0, 0, 3, 4], None), None);
    }
}
