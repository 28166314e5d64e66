//! Who may do what with the API.
//!
//! - The socket in the state's folder is for whoever owns the folder: it may do all.
//! - A token, or a client certificate, has the rights that the settings give it.
//! - Without either, when the settings name none, somebody on this machine may look.
//!
//! Tokens are kept and compared as digests, which takes the same time for every wrong one.

use std::net::{IpAddr, SocketAddr};

use lifeboat::config::{Rights, ServiceSection};

use crate::{Error, Result};

/// The least characters of a token.
const LEAST: usize = 16;

/// Where a connection comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// The socket in the state's folder.
    Socket,
    /// The network.
    Network {
        /// From where.
        address: SocketAddr,
        /// The digest of the client's certificate, which has been verified.
        certificate: Option<String>,
    },
}

impl Peer {
    /// The address, for limits and logs.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Socket => None,
            Self::Network { address, .. } => Some(address.ip()),
        }
    }
}

/// Somebody who was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// For the audit log.
    pub name: String,
    /// What they may do.
    pub rights: Rights,
}

/// Why somebody was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// A token is needed.
    NoToken,
    /// The token is none of ours.
    WrongToken,
    /// A page of a browser pretends to be on this machine.
    ForeignHost,
}

/// The rules.
#[derive(Debug)]
pub struct Access {
    tokens: Vec<Token>,
    /// What a verified client certificate may do.
    certificate: Option<Rights>,
}

struct Token {
    name: String,
    digest: blake3::Hash,
    rights: Rights,
}

// The digest of a weak token could be searched for.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Access {
    /// Reads the tokens that the settings name.
    ///
    /// # Errors
    /// When one cannot be had, or is too short to be safe.
    pub fn new(settings: &ServiceSection) -> Result<Self> {
        let mut tokens = Vec::new();
        for (name, section) in &settings.tokens {
            let token = section.source.read()?;
            if token.len() < LEAST {
                return Err(Error::WeakToken { name: name.clone(), least: LEAST });
            }
            tokens.push(Token {
                name: name.clone(),
                digest: blake3::hash(token.as_bytes()),
                rights: section.rights,
            });
        }
        let certificate = settings.tls.as_ref().filter(|tls| tls.client_ca_file.is_some());
        Ok(Self { tokens, certificate: certificate.map(|tls| tls.client_rights) })
    }

    /// Lets somebody in, or not; `bearer` is the token of the request, `host` the name by which the
    /// service was called.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(
        &self,
        peer: &Peer,
        bearer: Option<&str>,
        host: Option<&str>,
    ) -> Result<Who, Denied> {
        let (address, certificate) = match peer {
            Peer::Socket => {
                return Ok(Who { name: "socket".to_owned(), rights: Rights::Operate });
            }
            Peer::Network { address, certificate } => (address, certificate),
        };
        if let Some(bearer) = bearer {
            let digest = blake3::hash(bearer.as_bytes());
            // All are compared, and each in constant time.
            let mut found = None;
            for token in &self.tokens {
                if token.digest == digest {
                    found = Some(token);
                }
            }
            let found = found.ok_or(Denied::WrongToken)?;
            return Ok(Who { name: format!("token {}", found.name), rights: found.rights });
        }
        if let (Some(rights), Some(digest)) = (self.certificate, certificate) {
            return Ok(Who { name: format!("certificate {digest}"), rights });
        }
        if !self.tokens.is_empty() || self.certificate.is_some() || !address.ip().is_loopback() {
            return Err(Denied::NoToken);
        }
        // A browser would send the name of the page that it was led by.
        if !host.is_some_and(is_local) {
            return Err(Denied::ForeignHost);
        }
        Ok(Who { name: "loopback".to_owned(), rights: Rights::Read })
    }
}

fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use lifeboat::config::{SecretSource, TlsSection, TokenSection, TokenSource};

    use super::*;

    fn from(address: &str) -> Peer {
        Peer::Network { address: address.parse().unwrap(), certificate: None }
    }

    fn settings(tokens: &[(&str, Rights, &str)]) -> ServiceSection {
        let section = |rights, token: &str| TokenSection {
            rights,
            source: TokenSource::Secret(SecretSource::Command(vec!["echo".into(), token.into()])),
        };
        let tokens = tokens
            .iter()
            .map(|(name, rights, token)| ((*name).to_owned(), section(*rights, token)));
        ServiceSection { tokens: tokens.collect(), ..ServiceSection::default() }
    }

    const READER: &str = "reader-0123456789";
    const OPERATOR: &str = "operator-0123456789";

    #[test]
    fn without_tokens_this_machine_may_look() {
        let access = Access::new(&ServiceSection::default()).unwrap();
        let local = from("127.0.0.1:5");
        for host in ["localhost", "localhost:9474", "127.0.0.1:9474", "[::1]:9474"] {
            let who = access.admit(&local, None, Some(host)).unwrap();
            assert_eq!(who.rights, Rights::Read);
        }
        for host in [Some("evil.example:9474"), Some(""), Some("127.0.0.1.evil.example"), None] {
            assert_eq!(access.admit(&local, None, host), Err(Denied::ForeignHost));
        }
        assert_eq!(access.admit(&local, Some("x"), Some("localhost")), Err(Denied::WrongToken));
        let far = from("192.0.2.1:5");
        assert_eq!(access.admit(&far, None, Some("localhost")), Err(Denied::NoToken));
        assert_eq!(access.admit(&Peer::Socket, None, None).unwrap().rights, Rights::Operate);
    }

    #[test]
    fn a_token_has_its_rights_and_no_one_else_any() {
        let settings =
            settings(&[("grafana", Rights::Read, READER), ("ann", Rights::Operate, OPERATOR)]);
        let access = Access::new(&settings).unwrap();
        let peer = from("127.0.0.1:5");
        let admit = |token: &str| access.admit(&peer, Some(token), Some("localhost"));
        let who = admit(READER).unwrap();
        assert_eq!((&*who.name, who.rights), ("token grafana", Rights::Read));
        assert_eq!(admit(OPERATOR).unwrap().rights, Rights::Operate);
        assert_eq!(admit(&OPERATOR[..18]), Err(Denied::WrongToken));
        assert_eq!(admit(""), Err(Denied::WrongToken));
        assert_eq!(access.admit(&peer, None, Some("localhost")), Err(Denied::NoToken));
        assert!(!format!("{access:?}").contains("0123456789"), "{access:?}");
    }

    #[test]
    fn a_token_that_can_be_guessed_is_refused() {
        let error = Access::new(&settings(&[("ann", Rights::Read, "secret")])).unwrap_err();
        assert!(error.to_string().contains("openssl rand"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn a_certificate_has_the_rights_of_the_settings() {
        let tls = TlsSection {
            cert_file: "a".into(),
            key_file: "b".into(),
            client_ca_file: Some("c".into()),
            client_rights: Rights::Operate,
        };
        let settings = ServiceSection { tls: Some(tls), ..ServiceSection::default() };
        let access = Access::new(&settings).unwrap();
        let address = "192.0.2.1:5".parse().unwrap();
        let known = Peer::Network { address, certificate: Some("ab12".to_owned()) };
        assert_eq!(access.admit(&known, None, None).unwrap().name, "certificate ab12");
        let unknown = Peer::Network { address, certificate: None };
        assert_eq!(access.admit(&unknown, None, None), Err(Denied::NoToken));
    }
}
