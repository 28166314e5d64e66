//! Everything that can go wrong, said so that somebody can act on it.
//!
//! Rules: a message tells what failed, on which address, why, and what to do next, in one
//! sentence. A server's own words and codes are kept. No error holds a secret. The errors of a
//! connection that can no longer be used answer `true` to [`Error::is_disconnected`].

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::packstream::{self, Value};

/// Why a connection or a query failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody answers at the address.
    #[error("cannot connect to {address}: {}; {}", .source, connect_advice(.source))]
    Connect {
        /// Host and port.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// TLS could not be set up.
    #[error("no TLS connection to {address}: {reason}")]
    Tls {
        /// Host and port.
        address: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The file of certificate authorities cannot be used.
    #[error("cannot read certificates from {}: {reason}; give a PEM file of CA certificates", .path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Something answers, but it does not speak Bolt.
    #[error("{address} does not speak Bolt: {reason}")]
    NotBolt {
        /// Host and port.
        address: String,
        /// What it speaks, and what to do.
        reason: String,
    },
    /// The server speaks no version of Bolt that this program does.
    #[error(
        "{address} refused every version of Bolt that was offered ({offered}); \
         supported are Neo4j 5.26 LTS and the current releases"
    )]
    VersionRefused {
        /// Host and port.
        address: String,
        /// The versions.
        offered: String,
    },
    /// No answer in time. The connection cannot be used any more.
    #[error(
        "no answer from {address} within {} s while {during}; check that the server is healthy \
         and that nothing between drops packets, or raise the timeout",
        .after.as_secs_f64()
    )]
    Timeout {
        /// Host and port.
        address: String,
        /// What was waited for.
        during: &'static str,
        /// How long.
        after: Duration,
    },
    /// The connection broke, now or during an earlier call.
    #[error("the connection to {address} broke: {reason}; connect again")]
    Disconnected {
        /// Host and port.
        address: String,
        /// How.
        reason: String,
    },
    /// The server sent something that the protocol does not allow. The connection cannot be used
    /// any more.
    #[error(
        "{address} sent something unexpected: {reason}; \
         if it is a supported version of Neo4j, report this as a bug"
    )]
    Protocol {
        /// Host and port.
        address: String,
        /// What.
        reason: String,
    },
    /// The server refused or could not do what it was asked.
    #[error("{address} answers: {message} ({code}){}", advice(.code))]
    Server {
        /// Host and port.
        address: String,
        /// The code, such as `Neo.ClientError.Statement.SyntaxError`.
        code: String,
        /// The server's words.
        message: String,
        /// The status by the GQL standard, from servers that speak Bolt 5.7 or later.
        gql: Option<Box<GqlStatus>>,
    },
    /// The cluster has no server of the wanted role, or none that can be reached.
    #[error(
        "{address} leads to no server for {role}: {reason}; the cluster may be choosing a new \
         leader: try again, or connect to one server with a bolt:// address"
    )]
    NoServer {
        /// Host and port of the server that was asked.
        address: String,
        /// `reads` or `writes`.
        role: &'static str,
        /// Which were tried, and why each failed.
        reason: String,
    },
    /// An explicit transaction is no longer there: a query of it failed, or a result or call was
    /// dropped before its end.
    #[error(
        "the transaction on {address} was rolled back because {reason}; start it again from the beginning"
    )]
    TransactionAborted {
        /// Host and port.
        address: String,
        /// Why.
        reason: &'static str,
    },
    /// A call that does not fit: `begin` within a transaction, `commit` without one.
    #[error("cannot {call} on {address}: {reason}")]
    Misuse {
        /// Host and port.
        address: String,
        /// What was called.
        call: &'static str,
        /// Why it does not fit.
        reason: &'static str,
    },
    /// [`Params::Raw`](crate::Params::Raw) does not hold a map.
    #[error("the encoded parameters are not a PackStream map: {0}")]
    Params(#[source] packstream::Error),
    /// A record does not hold valid values. The connection stays usable.
    #[error("{address} sent a record that cannot be read: {source}")]
    Record {
        /// Host and port.
        address: String,
        /// Why.
        source: packstream::Error,
    },
}

impl Error {
    /// Whether the connection is of no more use.
    pub fn is_disconnected(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::Tls { .. }
                | Self::CaFile { .. }
                | Self::NotBolt { .. }
                | Self::VersionRefused { .. }
                | Self::Timeout { .. }
                | Self::Disconnected { .. }
                | Self::Protocol { .. }
        )
    }

    /// Whether the same may succeed later: the server is away, busy or changing its leader. A
    /// write whose connection broke may have happened.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Disconnected { .. }
            | Self::NoServer { .. } => true,
            Self::Server { code, .. } => {
                // The transaction was ended on purpose: by a person or by its time limit.
                const ENDED: [&str; 2] = [
                    "Neo.TransientError.Transaction.Terminated",
                    "Neo.TransientError.Transaction.LockClientStopped",
                ];
                const LEADER: [&str; 2] = [
                    "Neo.ClientError.Cluster.NotALeader",
                    "Neo.ClientError.General.ForbiddenOnReadOnlyDatabase",
                ];
                (code.starts_with("Neo.TransientError.") && !ENDED.contains(&code.as_str()))
                    || LEADER.contains(&code.as_str())
            }
            _ => false,
        }
    }

    /// The server's code, if the error is the server's.
    pub fn code(&self) -> Option<&str> {
        if let Self::Server { code, .. } = self { Some(code) } else { None }
    }

    /// Whether the server did not accept the credentials.
    pub fn is_unauthorized(&self) -> bool {
        self.code().is_some_and(|code| {
            code.starts_with("Neo.ClientError.Security.") && !code.ends_with(".Forbidden")
        })
    }
}

/// What a server says of a failure by the GQL standard.
#[derive(Debug, Clone, PartialEq)]
pub struct GqlStatus {
    /// Five characters, such as `42001`.
    pub status: String,
    /// What it means.
    pub description: String,
    /// More about it; what the standard asks for is filled in when the server leaves it out.
    pub diagnostic_record: Vec<(String, Value)>,
    /// The message of this status; equal to that of the error at the top.
    pub message: String,
    /// What led to it.
    pub cause: Option<Box<GqlStatus>>,
}

fn connect_advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::ConnectionRefused => {
            "check that Neo4j is running and that its Bolt connector listens there"
        }
        io::ErrorKind::TimedOut => "check the address, the network and firewalls",
        _ => "check the host name and the network",
    }
}

fn advice(code: &str) -> &'static str {
    match code {
        "Neo.ClientError.Security.Unauthorized" => "; check the user name and password",
        "Neo.ClientError.Security.AuthenticationRateLimit" => {
            "; wait a few seconds before trying again, with the right password"
        }
        "Neo.ClientError.Security.CredentialsExpired" => {
            "; set a new password first (ALTER CURRENT USER SET PASSWORD)"
        }
        "Neo.ClientError.Security.TokenExpired" => "; get a new token",
        "Neo.ClientError.Security.Forbidden" => "; use a user that has this privilege",
        "Neo.ClientError.Database.DatabaseNotFound" => {
            "; SHOW DATABASES lists those that there are"
        }
        "Neo.ClientError.Cluster.NotALeader"
        | "Neo.ClientError.General.ForbiddenOnReadOnlyDatabase" => {
            "; connect with a neo4j:// address to be led to the leader"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: &str) -> Error {
        let (address, message) = ("h:1".to_owned(), "no".to_owned());
        Error::Server { address, code: code.to_owned(), message, gql: None }
    }

    #[test]
    fn what_may_pass_is_retryable() {
        for (code, retryable) in [
            ("Neo.TransientError.Transaction.DeadlockDetected", true),
            ("Neo.TransientError.General.DatabaseUnavailable", true),
            ("Neo.TransientError.Transaction.Terminated", false),
            ("Neo.ClientError.Cluster.NotALeader", true),
            ("Neo.ClientError.Security.Unauthorized", false),
            ("Neo.ClientError.Statement.SyntaxError", false),
            ("Neo.DatabaseError.General.UnknownError", false),
        ] {
            assert_eq!(server(code).is_retryable(), retryable, "{code}");
            assert!(!server(code).is_disconnected());
        }
        let source = io::ErrorKind::ConnectionRefused.into();
        let error = Error::Connect { address: "h:1".into(), source };
        assert!(error.is_retryable() && error.is_disconnected());
    }

    #[test]
    fn messages_say_what_to_do() {
        let source = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(
            Error::Connect { address: "h:1".into(), source }.to_string(),
            "cannot connect to h:1: connection refused; \
             check that Neo4j is running and that its Bolt connector listens there"
        );
        assert_eq!(
            server("Neo.ClientError.Security.Unauthorized").to_string(),
            "h:1 answers: no (Neo.ClientError.Security.Unauthorized); \
             check the user name and password"
        );
        assert!(server("Neo.ClientError.Security.Unauthorized").is_unauthorized());
        assert!(!server("Neo.ClientError.Security.Forbidden").is_unauthorized());
    }
}
