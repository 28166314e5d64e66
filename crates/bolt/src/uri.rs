//! Where a server is: the `bolt` and `neo4j` URI schemes.

use std::fmt;
use std::str::FromStr;

/// Port of Bolt when a URI names none.
pub const DEFAULT_PORT: u16 = 7687;

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encryption {
    /// Not at all.
    None,
    /// TLS; the certificate must be good for the host (`+s`).
    Verified,
    /// TLS; any certificate will do (`+ssc`). Safe against listeners, not against impostors.
    SelfSigned,
}

/// Address of a server or cluster: `bolt://host:port`, with `+s` or `+ssc` for TLS, and `neo4j` in
/// place of `bolt` to be led to the member of a cluster that has the wanted role.
///
/// ```
/// let uri: lifeboat_bolt::Uri = "neo4j+s://db.example".parse()?;
/// assert_eq!((uri.host(), uri.port(), uri.is_routing()), ("db.example", 7687, true));
/// assert_eq!(uri.to_string(), "neo4j+s://db.example:7687");
/// # Ok::<(), lifeboat_bolt::UriError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    routing: bool,
    encryption: Encryption,
    host: String,
    port: u16,
    context: Vec<(String, String)>,
}

impl Uri {
    /// Host name or IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the scheme is a `neo4j` one, which asks the server where to go.
    pub fn is_routing(&self) -> bool {
        self.routing
    }

    /// How the connection is protected.
    pub fn encryption(&self) -> Encryption {
        self.encryption
    }

    /// `host:port`, with brackets around an IPv6 address.
    pub fn address(&self) -> String {
        join(&self.host, self.port)
    }

    /// What a `neo4j` URI says behind `?`, for the server's routing policy.
    pub(crate) fn context(&self) -> &[(String, String)] {
        &self.context
    }

    /// A server of the same cluster, reached directly.
    ///
    /// # Errors
    /// When the address is not `host` or `host:port`.
    pub(crate) fn member(&self, address: &str) -> Result<Self, UriError> {
        let (host, port) = split(address, address)?;
        Ok(Self { routing: false, encryption: self.encryption, host, port, context: Vec::new() })
    }

    fn scheme(&self) -> &'static str {
        match (self.routing, self.encryption) {
            (false, Encryption::None) => "bolt",
            (false, Encryption::Verified) => "bolt+s",
            (false, Encryption::SelfSigned) => "bolt+ssc",
            (true, Encryption::None) => "neo4j",
            (true, Encryption::Verified) => "neo4j+s",
            (true, Encryption::SelfSigned) => "neo4j+ssc",
        }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.address())?;
        for (index, (key, value)) in self.context.iter().enumerate() {
            write!(f, "{}{key}={value}", if index == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        // A URI with a password in it must not get into an error, so nothing of it is repeated
        // until it is known that there is no user part.
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(UriError::NoScheme);
        };
        let (routing, encryption) = match scheme.to_ascii_lowercase().as_str() {
            "bolt" => (false, Encryption::None),
            "bolt+s" => (false, Encryption::Verified),
            "bolt+ssc" => (false, Encryption::SelfSigned),
            "neo4j" => (true, Encryption::None),
            "neo4j+s" => (true, Encryption::Verified),
            "neo4j+ssc" => (true, Encryption::SelfSigned),
            "http" | "https" => return Err(UriError::Http),
            _ => return Err(UriError::UnknownScheme { scheme: scheme.to_owned() }),
        };
        if rest.contains('@') {
            return Err(UriError::UserInfo);
        }
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains('/') || text.contains('#') {
            return Err(UriError::Path { uri: text.to_owned() });
        }
        let (host, port) = split(authority, text)?;
        let mut context = Vec::new();
        for (key, value) in query
            .into_iter()
            .flat_map(|query| url::form_urlencoded::parse(query.as_bytes()))
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
        {
            let simple = |text: &str| !text.is_empty() && !text.contains(['&', '=', '%', '+']);
            if !routing || !simple(&key) || !simple(&value) || key == "address" {
                return Err(UriError::Query { uri: text.to_owned() });
            }
            context.push((key, value));
        }
        Ok(Self { routing, encryption, host, port, context })
    }
}

fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Takes `host`, `host:port`, `[v6]` or `[v6]:port` apart.
fn split(authority: &str, uri: &str) -> Result<(String, u16), UriError> {
    let bad_host = || UriError::Host { uri: uri.to_owned() };
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or_else(bad_host)?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| bad_host())?;
        match port.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if port.is_empty() => (host, None),
            None => return Err(bad_host()),
        }
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    let port = match port {
        None => DEFAULT_PORT,
        Some(port) => match port.parse() {
            Ok(port @ 1..) => port,
            _ => return Err(UriError::Port { uri: uri.to_owned() }),
        },
    };
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(bad_host());
    }
    Ok((host.to_owned(), port))
}

/// Why a text is not the address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// There is no `://`.
    #[error(
        "the server's address has no scheme; write it as bolt://HOST:PORT or neo4j://HOST:PORT"
    )]
    NoScheme,
    /// An address of the HTTP interface.
    #[error(
        "the server's address is one of HTTP, but Bolt is needed; \
         write bolt://HOST:PORT, where the port is 7687 unless configured otherwise"
    )]
    Http,
    /// Another scheme.
    #[error(
        "the server's address has the scheme {scheme:?}; \
         use bolt, bolt+s, bolt+ssc, neo4j, neo4j+s or neo4j+ssc"
    )]
    UnknownScheme {
        /// The scheme.
        scheme: String,
    },
    /// A user name or password stands in the address.
    #[error(
        "the server's address contains a user name or password, which would end up in logs; \
         remove everything before the @ and give them separately"
    )]
    UserInfo,
    /// Something stands behind host and port.
    #[error("the server's address {uri:?} has something behind host and port; remove it")]
    Path {
        /// The address.
        uri: String,
    },
    /// The host is missing or malformed.
    #[error(
        "the server's address {uri:?} has no valid host; \
         write bolt://HOST:PORT, and an IPv6 address in brackets"
    )]
    Host {
        /// The address.
        uri: String,
    },
    /// The port is not a number from 1 to 65535.
    #[error("the server's address {uri:?} has a port that is not a number from 1 to 65535")]
    Port {
        /// The address.
        uri: String,
    },
    /// Options behind `?` that cannot be used.
    #[error(
        "the server's address {uri:?} has options behind the ? that cannot be used; \
         only neo4j addresses take any, as KEY=VALUE for the server's routing policy"
    )]
    Query {
        /// The address.
        uri: String,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_read_and_shown() {
        for (text, shown, routing, encryption) in [
            ("bolt://localhost", "bolt://localhost:7687", false, Encryption::None),
            ("bolt+s://a.example:1/", "bolt+s://a.example:1", false, Encryption::Verified),
            (
                "BOLT+SSC://10.0.0.1:65535",
                "bolt+ssc://10.0.0.1:65535",
                false,
                Encryption::SelfSigned,
            ),
            ("neo4j://[::1]", "neo4j://[::1]:7687", true, Encryption::None),
            ("neo4j+s://[fe80::1]:9", "neo4j+s://[fe80::1]:9", true, Encryption::Verified),
            (
                "neo4j+ssc://h?policy=eu&x=y",
                "neo4j+ssc://h:7687?policy=eu&x=y",
                true,
                Encryption::SelfSigned,
            ),
        ] {
            let uri: Uri = text.parse().unwrap();
            assert_eq!(uri.to_string(), shown);
            assert_eq!((uri.is_routing(), uri.encryption()), (routing, encryption), "{text}");
            assert_eq!(shown.parse(), Ok(uri));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        for (text, kind) in [
            ("localhost:7687", "no scheme"),
            ("", "no scheme"),
            ("http://localhost:7474", "HTTP"),
            ("postgres://localhost", "\"postgres\""),
            ("bolt://", "no valid host"),
            ("bolt://:7687", "no valid host"),
            ("bolt://a b", "no valid host"),
            ("bolt://[::1", "no valid host"),
            ("bolt://[nope]:1", "no valid host"),
            ("bolt://[::1]x", "no valid host"),
            ("bolt://::1", "port"),
            ("bolt://h:", "port"),
            ("bolt://h:0", "port"),
            ("bolt://h:65536", "port"),
            ("bolt://h/neo4j", "behind host and port"),
            ("bolt://h#x", "behind host and port"),
            ("bolt://h?policy=eu", "options"),
            ("neo4j://h?policy", "options"),
            ("neo4j://h?address=x", "options"),
        ] {
            let error = text.parse::<Uri>().unwrap_err().to_string();
            assert!(error.contains(kind), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        for text in ["bolt://neo4j:hunter2@h:1", "neo4j+s://hunter2@h/x?y"] {
            let error = text.parse::<Uri>().unwrap_err();
            assert_eq!(error, UriError::UserInfo);
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(bolt|neo4j)(\\+s|\\+ssc)?://.{0,40}") {
            if let Ok(uri) = text.parse::<Uri>() {
                prop_assert_eq!(uri.to_string().parse(), Ok(uri));
            }
        }
    }
}
