//! Where a vault is: one line of text that names a folder, a container or a bucket.
//!
//! An address never holds a secret. A pasted URL that carries one (a SAS token, a password) is
//! refused, and the refusal does not repeat it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

use crate::Error;

/// The place where the backups of a vault lie directly, one beside the other.
///
/// | Text | Place |
/// |---|---|
/// | `/backups`, `backups`, `file:///backups` | a folder |
/// | `az://account/container[/prefix]` | a container of Azure Blob Storage |
/// | `https://account.blob.core.windows.net/container[/prefix]` | the same |
/// | `s3://bucket[/prefix]` | a bucket of S3 or of a store that speaks its protocol |
/// | `gs://bucket[/prefix]` | a bucket of Google Cloud Storage |
/// | `memory://name` | this process's memory, for tests |
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A container of Azure Blob Storage.
    Azure {
        /// The storage account.
        account: String,
        /// The container in it.
        container: String,
        /// A folder-like prefix in the container, without slashes at its ends; often empty.
        prefix: String,
    },
    /// A bucket of S3.
    S3 {
        /// The bucket.
        bucket: String,
        /// A prefix in the bucket, without slashes at its ends; often empty.
        prefix: String,
    },
    /// A bucket of Google Cloud Storage.
    Gcs {
        /// The bucket.
        bucket: String,
        /// A prefix in the bucket, without slashes at its ends; often empty.
        prefix: String,
    },
    /// A store in this process's memory: every vault opened under one name shares it.
    Memory(String),
}

impl Address {
    /// The address of a container of Azure Blob Storage, both names checked.
    ///
    /// # Errors
    /// [`Error::Address`] when a name breaks the rules of Azure.
    pub fn azure(account: &str, container: &str) -> Result<Self, Error> {
        Self::azure_parts(account, container, String::new())
            .map_err(|reason| refuse(&format!("az://{account}/{container}"), reason))
    }

    /// The place beside this one that is called `name`, when this one is called `called`: another
    /// folder, another container of the account, another prefix of the bucket. A bucket has none
    /// beside it: the names of buckets belong to all the world.
    #[must_use]
    pub fn beside(&self, called: &str, name: &str) -> Option<Self> {
        let in_bucket = |prefix: &str| {
            let (above, last) = prefix.rsplit_once('/').map_or(("", prefix), |parts| parts);
            let slash = if above.is_empty() { "" } else { "/" };
            (last == called).then(|| format!("{above}{slash}{name}"))
        };
        Some(match self {
            Self::Folder(path) => {
                let last = path.file_name()?;
                if last != called {
                    return None;
                }
                Self::Folder(path.with_file_name(name))
            }
            Self::Memory(last) => (last == called).then(|| Self::Memory(name.to_owned()))?,
            Self::Azure { account, container, prefix } => {
                let (account, container) = (account.clone(), container.clone());
                match in_bucket(prefix) {
                    Some(prefix) => Self::Azure { account, container, prefix },
                    None if container == called => {
                        Self::Azure { account, container: name.to_owned(), prefix: prefix.clone() }
                    }
                    None => return None,
                }
            }
            Self::S3 { bucket, prefix } => {
                Self::S3 { bucket: bucket.clone(), prefix: in_bucket(prefix)? }
            }
            Self::Gcs { bucket, prefix } => {
                Self::Gcs { bucket: bucket.clone(), prefix: in_bucket(prefix)? }
            }
        })
    }

    fn azure_parts(account: &str, container: &str, prefix: String) -> Result<Self, &'static str> {
        // https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
        let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if !(3..=24).contains(&account.len()) || !account.bytes().all(lower) {
            return Err("a storage account's name is 3 to 24 lower-case letters and digits");
        }
        if !(3..=63).contains(&container.len())
            || !container.bytes().all(|b| lower(b) || b == b'-')
            || container.starts_with('-')
            || container.ends_with('-')
            || container.contains("--")
        {
            return Err("a container's name is 3 to 63 lower-case letters, digits and single \
                        hyphens between them");
        }
        Ok(Self::Azure { account: account.to_owned(), container: container.to_owned(), prefix })
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.trim().is_empty() {
            return Err("it is empty");
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::Folder(PathBuf::from(text)));
        };
        if scheme == "file" {
            let url = Url::parse(text).map_err(|_| "it is no URL")?;
            return match url.to_file_path() {
                Ok(path) if url.query().is_none() && url.fragment().is_none() => {
                    Ok(Self::Folder(path))
                }
                _ => Err("a folder's URL has three slashes and a path, as in file:///backups"),
            };
        }
        if rest.contains('?') {
            return Err("it carries options after `?`; give keys and tokens by the environment \
                        (for example AZURE_STORAGE_SAS_TOKEN) and an endpoint by its own option");
        }
        if rest.contains('@') {
            return Err("it carries a user or password before `@`; give these by the environment");
        }
        if rest.contains('#') {
            return Err("it carries a `#`");
        }
        let (first, path) = rest.split_once('/').unwrap_or((rest, ""));
        match scheme {
            "az" | "azure" => {
                let (container, prefix) = path.split_once('/').unwrap_or((path, ""));
                if container.is_empty() {
                    return Err("it lacks the container: az://account/container");
                }
                Self::azure_parts(first, container, clean_prefix(prefix)?)
            }
            "https" => {
                let Some((account, "blob.core.windows.net")) = first.split_once('.') else {
                    return Err("of https addresses only those of Azure Blob Storage are known: \
                                https://account.blob.core.windows.net/container");
                };
                let (container, prefix) = path.split_once('/').unwrap_or((path, ""));
                Self::azure_parts(account, container, clean_prefix(prefix)?)
            }
            "s3" => Ok(Self::S3 { bucket: clean_bucket(first)?, prefix: clean_prefix(path)? }),
            "gs" => Ok(Self::Gcs { bucket: clean_bucket(first)?, prefix: clean_prefix(path)? }),
            "memory" => Ok(Self::Memory(rest.to_owned())),
            _ => Err("nothing is known about its scheme"),
        }
    }
}

fn clean_bucket(bucket: &str) -> Result<String, &'static str> {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    if !(3..=222).contains(&bucket.len()) || !bucket.bytes().all(known) {
        return Err("a bucket's name is 3 or more letters, digits, dots and hyphens");
    }
    Ok(bucket.to_owned())
}

fn clean_prefix(prefix: &str) -> Result<String, &'static str> {
    let prefix = prefix.trim_matches('/');
    if prefix.is_empty() {
        return Ok(String::new());
    }
    match object_store::path::Path::parse(prefix) {
        Ok(path) => Ok(path.to_string()),
        Err(_) => Err("its prefix has an empty or unusual part"),
    }
}

/// What is shown of a refused address: nothing that could be a secret.
fn refuse(text: &str, reason: &'static str) -> Error {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let shown = match (text[..end].find("://"), text[..end].rfind('@')) {
        (Some(scheme), Some(at)) => format!("{}://…{}", &text[..scheme], &text[at..end]),
        _ => text[..end].to_owned(),
    };
    let shown = if end < text.len() { format!("{shown}…") } else { shown };
    Error::Address { address: shown, reason }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text).map_err(|reason| refuse(text, reason))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, prefix) = match self {
            Self::Folder(path) => return write!(f, "{}", path.display()),
            Self::Memory(name) => return write!(f, "memory://{name}"),
            Self::Azure { account, container, prefix } => {
                (format!("az://{account}/{container}"), prefix)
            }
            Self::S3 { bucket, prefix } => (format!("s3://{bucket}"), prefix),
            Self::Gcs { bucket, prefix } => (format!("gs://{bucket}"), prefix),
        };
        f.write_str(&start)?;
        if prefix.is_empty() { Ok(()) } else { write!(f, "/{prefix}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn knows_every_kind() {
        assert_eq!(parse("/var/backups"), Address::Folder("/var/backups".into()));
        assert_eq!(parse("backups"), Address::Folder("backups".into()));
        assert_eq!(parse("file:///a%20b"), Address::Folder("/a b".into()));
        assert_eq!(
            parse("az://acct1/neo4j-backups"),
            Address::azure("acct1", "neo4j-backups").unwrap()
        );
        assert_eq!(
            parse("https://acct1.blob.core.windows.net/neo4j-backups"),
            Address::azure("acct1", "neo4j-backups").unwrap()
        );
        assert_eq!(
            parse("s3://bucket/a/b/"),
            Address::S3 { bucket: "bucket".into(), prefix: "a/b".into() }
        );
        assert_eq!(
            parse("gs://bucket"),
            Address::Gcs { bucket: "bucket".into(), prefix: String::new() }
        );
        assert_eq!(parse("memory://x"), Address::Memory("x".into()));
    }

    #[test]
    fn prints_what_it_parses() {
        for text in
            ["/a", "az://acct1/backups", "az://acct1/backups/p", "s3://bucket/a/b", "gs://abc"]
        {
            assert_eq!(parse(text).to_string(), text);
            assert_eq!(parse(&parse(text).to_string()), parse(text));
        }
    }

    #[test]
    fn knows_what_lies_beside() {
        let beside = |text: &str| {
            parse(text).beside("neo4j-backups", "config-backups").map(|place| place.to_string())
        };
        for (text, place) in [
            ("/var/neo4j-backups", Some("/var/config-backups")),
            ("neo4j-backups", Some("config-backups")),
            ("az://acct1/neo4j-backups", Some("az://acct1/config-backups")),
            ("az://acct1/neo4j-backups/p", Some("az://acct1/config-backups/p")),
            ("az://acct1/all/p/neo4j-backups", Some("az://acct1/all/p/config-backups")),
            ("s3://bucket/neo4j-backups", Some("s3://bucket/config-backups")),
            ("s3://neo4j-backups", None),
            ("gs://bucket/a", None),
            ("/var/backups", None),
            ("/", None),
        ] {
            assert_eq!(beside(text).as_deref(), place, "{text}");
        }
    }

    #[test]
    fn refuses_and_says_why() {
        for (text, says) in [
            ("", "empty"),
            ("az://acct1", "container"),
            ("az://ACCT/backups", "storage account"),
            ("az://acct1/Neo4j", "container's name"),
            ("az://acct1/a--b", "container's name"),
            ("az://acct1/-ab", "container's name"),
            ("s3://", "bucket"),
            ("s3://bucket/a//b", "prefix"),
            ("ftp://x/y", "scheme"),
            ("https://example.com/x", "blob.core.windows.net"),
            ("file://host/x", "three slashes"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn repeats_no_secret() {
        for text in [
            "https://acct1.blob.core.windows.net/backups?sv=2024&sig=TOPSECRET",
            "az://user:TOPSECRET@acct1/backups",
            "az://acct1/backups#TOPSECRET",
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("TOPSECRET"), "{error:?}");
        }
    }
}
