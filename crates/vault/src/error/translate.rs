//! From what a store answers to our own errors.
//!
//! The stores' library keeps its HTTP errors to itself, so what it says has to be read from the
//! text: the status code and the code in the body. All of that reading is here.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use object_store::client::{HttpError, HttpErrorKind};

use crate::Error;
use crate::credentials::{AZURE_HINT, Secret};

/// The longest answer of a store that is repeated in an error, in characters.
const MAX_DETAIL: usize = 400;

/// Knows a vault well enough to explain its errors.
#[derive(Clone)]
pub(crate) struct Translator {
    pub(crate) vault: String,
    pub(crate) place: Place,
    pub(crate) secrets: Vec<Secret>,
}

/// What sort of place a vault is, with what hints about it need.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Folder(PathBuf),
    Azure { account: String, container: String, means: &'static str },
    S3 { bucket: String },
    Gcs { bucket: String },
    Memory,
}

/// The error text of every layer, joined, without repeats.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let part = error.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        next = error.source();
    }
    text
}

/// The first answer to a question put to every error of type `T` in a chain.
fn ask<T: StdError + 'static, R>(
    error: &(dyn StdError + 'static),
    question: &dyn Fn(&T) -> Option<R>,
) -> Option<R> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(answer) = error.downcast_ref::<T>().and_then(question) {
            return Some(answer);
        }
        // An `io::Error` may wrap another error that it does not show as its source.
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(answer) = ask(inner, question)
        {
            return Some(answer);
        }
        next = error.source();
    }
    None
}

/// The status code in an error of the stores' library.
fn status(text: &str) -> Option<u16> {
    // The second form is that of one deletion among several.
    let (_, rest) = text.split_once("status code: ").or_else(|| text.split_once("(code: "))?;
    rest.get(..3)?.parse().ok()
}

/// Without what the stores' library says before every error.
fn without_maker(text: &str) -> &str {
    match text.strip_prefix("Generic ").and_then(|rest| rest.split_once(" error: ")) {
        Some((maker, rest)) if !maker.contains(' ') => rest,
        _ => text,
    }
}

/// The `<Code>` of an XML answer of Azure, S3 or Google Cloud.
fn code(text: &str) -> Option<&str> {
    if let Some((_, code)) = of_deletion(text) {
        return Some(code);
    }
    let (_, rest) = text.split_once("<Code>")?;
    Some(rest.split_once("</Code>")?.0)
}

/// What S3 says of one deletion among several, as the stores' library words it: message and code.
fn of_deletion(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.split_once("DeleteObjects request failed for key ")?;
    let (_, rest) = rest.split_once(": ")?;
    let (message, code) = rest.rsplit_once(" (code: ")?;
    Some((message, code.trim_end_matches(')')))
}

/// The `<Message>` of such an answer: its first line.
fn message(text: &str) -> Option<&str> {
    if let Some((message, _)) = of_deletion(text) {
        return Some(message);
    }
    let (_, rest) = text.split_once("<Message>")?;
    let message = rest.split_once("</Message>").map_or(rest, |(message, _)| message);
    message.lines().next().map(str::trim).filter(|line| !line.is_empty())
}

impl Translator {
    /// Strikes out every secret, and shortens.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            if secret.expose().len() >= 4 {
                text = text.replace(secret.expose(), "***");
            }
        }
        // A signature is what makes a SAS secret, however it is spelled or escaped.
        let mut from = 0;
        while let Some(at) = text[from..].find("sig=") {
            let start = from + at + 4;
            let end = text[start..]
                .find(['&', ' ', '"', '\'', ')', '<', '\n'])
                .map_or(text.len(), |end| start + end);
            text.replace_range(start..end, "***");
            from = start;
        }
        let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some((cut, _)) = text.char_indices().nth(MAX_DETAIL) {
            text.truncate(cut);
            text.push('…');
        }
        text
    }

    /// Whether a file was gone that should have been there.
    pub(crate) fn is_gone(error: &object_store::Error) -> bool {
        ask(error, &|io: &io::Error| (io.kind() == io::ErrorKind::NotFound).then_some(())).is_some()
    }

    pub(crate) fn missing(&self) -> Error {
        let hint = match &self.place {
            Place::Folder(path) => format!(
                "check the path, or take a first backup, which makes the folder {}",
                path.display()
            ),
            Place::Azure { account, container, .. } => format!(
                "check the names, or create it: az storage container create --auth-mode login \
                 --account-name {account} --name {container}"
            ),
            Place::S3 { bucket } => {
                format!("check the name and the region, or create it: aws s3 mb s3://{bucket}")
            }
            Place::Gcs { bucket } => {
                format!("check the name, or create it: gcloud storage buckets create gs://{bucket}")
            }
            Place::Memory => "a store in memory ends with its process".to_owned(),
        };
        Error::VaultMissing { vault: self.vault.clone(), hint }
    }

    pub(crate) fn setup(&self, reason: impl AsRef<str>, hint: impl Into<String>) -> Error {
        let reason = self.clean(reason.as_ref());
        Error::Setup { vault: self.vault.clone(), reason, hint: hint.into() }
    }

    /// Our error for one of the store's. `NotFound` of an object becomes [`Error::Failed`]:
    /// a caller to whom it means more asks for it first.
    pub(crate) fn translate(
        &self,
        action: &'static str,
        object: &str,
        error: &object_store::Error,
    ) -> Error {
        use object_store::Error as Store;

        let vault = self.vault.clone();
        let object = if object.is_empty() { "the objects" } else { object }.to_owned();
        let text = chain(error);
        let status = status(&text);
        let code = code(&text).unwrap_or_default();

        if let Some(found) = ask(error, &|io| self.of_io(action, &object, io)) {
            return found;
        }
        if ["ContainerNotFound", "NoSuchBucket"].contains(&code)
            || (status == Some(404) && text.contains("bucket does not exist"))
            || text.contains("FilesystemNotFound")
        {
            return self.missing();
        }
        let reason = match (code, message(&text)) {
            ("", None) => self.clean(without_maker(&text)),
            (code, None) => self.clean(code),
            ("", Some(message)) => self.clean(message),
            (code, Some(message)) => self.clean(&format!("{message} ({code})")),
        };
        if code.contains("Immutable")
            || (status == Some(409) && text.contains("immutable"))
            || code == "LeaseIdMissing"
            || code == "ObjectLocked"
        {
            let hint = "it is protected against change; wait until its time is over".to_owned();
            return Error::Denied { vault, action, object, reason, hint };
        }
        if code == "ContainerBeingDeleted" {
            let hint = "wait some minutes, then create it again".to_owned();
            return Error::Unreachable { vault, action, object, reason, hint };
        }
        if matches!(error, Store::AlreadyExists { .. } | Store::Precondition { .. }) {
            return Error::AlreadyExists { vault, object };
        }
        if matches!(error, Store::PermissionDenied { .. } | Store::Unauthenticated { .. })
            || matches!(status, Some(401 | 403))
            || code == "AccessDenied"
        {
            let hint = self.hint_for_refusal(code);
            return Error::Denied { vault, action, object, reason, hint };
        }
        if let Some(hint) = self.hint_for_login(&text) {
            return Error::Denied { vault, action, object, reason, hint };
        }
        let busy = matches!(status, Some(408 | 429 | 500..=599))
            || ["InternalError", "SlowDown"].contains(&code);
        let transport = ask(error, &|error: &HttpError| {
            matches!(
                error.kind(),
                HttpErrorKind::Connect
                    | HttpErrorKind::Timeout
                    | HttpErrorKind::Interrupted
                    | HttpErrorKind::Request
                    | HttpErrorKind::Decode
                    | HttpErrorKind::Unknown
            )
            .then_some(())
        })
        .is_some();
        if busy || (status.is_none() && transport) {
            let hint = self.hint_for_silence(busy);
            return Error::Unreachable { vault, action, object, reason, hint };
        }
        let hint = "`lifeboat doctor` checks access to the vault step by step".to_owned();
        Error::Failed { vault, action, object, reason, hint }
    }

    fn of_io(&self, action: &'static str, object: &str, error: &io::Error) -> Option<Error> {
        use io::ErrorKind as Kind;

        let vault = self.vault.clone();
        let object = object.to_owned();
        let path = match &self.place {
            Place::Folder(path) => path.clone(),
            _ => PathBuf::from(&vault),
        };
        let reason = self.clean(&error.to_string());
        match error.kind() {
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => {
                Some(Error::NoSpace { path, action, object })
            }
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => {
                let hint = format!(
                    "run as a user who may write in {}, or mount it writable",
                    path.display()
                );
                Some(Error::Denied { vault, action, object, reason, hint })
            }
            Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::NotConnected
            | Kind::BrokenPipe
            | Kind::TimedOut
            | Kind::Interrupted
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
            | Kind::StaleNetworkFileHandle
            | Kind::ResourceBusy => {
                let hint = self.hint_for_silence(false);
                Some(Error::Unreachable { vault, action, object, reason, hint })
            }
            _ => None,
        }
    }

    fn hint_for_silence(&self, busy: bool) -> String {
        if busy {
            return "the store is busy or has trouble; try again in a while".to_owned();
        }
        match &self.place {
            Place::Azure { account, .. } => format!(
                "check the network and that the storage account {account} exists, then try again"
            ),
            Place::Folder(path) => {
                format!("check that the disk of {} is mounted, then try again", path.display())
            }
            _ => "check the network, the endpoint and the name, then try again".to_owned(),
        }
    }

    /// When it was not the store that refused, but who should have vouched for us.
    fn hint_for_login(&self, text: &str) -> Option<String> {
        let Place::Azure { means, .. } = &self.place else { return None };
        let asked = ["token request", "Azure CLI", "azure cli", "az login", "managed identity"];
        asked
            .iter()
            .any(|phrase| text.contains(phrase))
            .then(|| format!("asked {means}, in vain; {AZURE_HINT}"))
    }

    fn hint_for_refusal(&self, code: &str) -> String {
        match &self.place {
            Place::Azure { account, container, means } => match code {
                "AuthenticationFailed" | "InvalidAuthenticationInfo" => format!(
                    "used {means}: check that it is of the account {account} and has not expired, \
                     and that this machine's clock is right"
                ),
                "AuthorizationFailure" => format!(
                    "used {means}: check that it is of the account {account}, and that the \
                     account's network rules let this machine in"
                ),
                "KeyBasedAuthenticationNotPermitted" => format!(
                    "{account} takes no keys: log in with `az login` or use a managed identity"
                ),
                "AuthorizationPermissionMismatch" => format!(
                    "give {means} the role \"Storage Blob Data Contributor\" on the container \
                     {container}, or a SAS the rights racwdl"
                ),
                _ => format!("used {means}; {AZURE_HINT}"),
            },
            Place::S3 { bucket } => format!(
                "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, and that they may \
                 list, get, put and delete in {bucket}"
            ),
            Place::Gcs { bucket } => format!(
                "check GOOGLE_APPLICATION_CREDENTIALS, and that the account is Storage Object \
                 User of {bucket}"
            ),
            Place::Folder(path) => format!("check the rights of {}", path.display()),
            Place::Memory => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn azure() -> Translator {
        let place = Place::Azure {
            account: "acct".into(),
            container: "backups".into(),
            means: "the account key",
        };
        Translator { vault: "az://acct/backups".into(), place, secrets: vec!["TOPSECRET".into()] }
    }

    fn folder() -> Translator {
        let place = Place::Folder("/b".into());
        Translator { vault: "/b".into(), place, secrets: Vec::new() }
    }

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic { store: "test", source: text.to_owned().into() }
    }

    #[test]
    fn strikes_out_secrets() {
        let text = "GET https://x/?sv=1&sig=abc%3D&se=2 with TOPSECRET sig=zz";
        let clean = azure().clean(text);
        assert_eq!(clean, "GET https://x/?sv=1&sig=***&se=2 with *** sig=***");
        assert!(azure().clean(&"x".repeat(10_000)).len() < 500);
    }

    #[test]
    fn tells_the_kinds_apart() {
        let xml = |status: &str, code: &str| {
            generic(&format!(
                "Server returned non-2xx status code: {status}: <Error><Code>{code}</Code>\
                 <Message>Said so.\nRequestId:1</Message></Error>"
            ))
        };
        let translate = |error: &object_store::Error| azure().translate("read", "x", error);
        let error = translate(&xml("404 Not Found", "ContainerNotFound"));
        assert!(matches!(&error, Error::VaultMissing { .. }), "{error}");
        assert!(error.to_string().contains("az storage container create"), "{error}");
        let error = translate(&xml("403 Forbidden", "AuthenticationFailed"));
        assert!(matches!(&error, Error::Denied { .. }), "{error}");
        assert!(error.to_string().contains("Said so. (AuthenticationFailed)"), "{error}");
        assert!(error.to_string().contains("clock"), "{error}");
        assert!(!error.to_string().contains("RequestId"), "{error}");
        let error = translate(&xml("409 Conflict", "BlobImmutableDueToPolicy"));
        assert!(matches!(&error, Error::Denied { .. }), "{error}");
        let deleting = |code: u16, reason: &str| {
            generic(&format!("Bulk delete request failed for key x: {reason} (code: {code})"))
        };
        assert!(matches!(translate(&deleting(403, "no right")), Error::Denied { .. }));
        let error = translate(&deleting(409, "not permitted as the blob is immutable"));
        assert!(matches!(&error, Error::Denied { .. }), "{error}");
        let one_of_many = |message: &str, code: &str| {
            generic(&format!("DeleteObjects request failed for key x: {message} (code: {code})"))
        };
        let error = translate(&one_of_many("Access Denied.", "AccessDenied"));
        assert!(matches!(&error, Error::Denied { .. }), "{error}");
        assert!(error.to_string().contains("Access Denied. (AccessDenied)"), "{error}");
        assert!(translate(&one_of_many("Try again", "SlowDown")).is_retryable());
        let error = translate(&xml("503 Service Unavailable", "ServerBusy"));
        assert!(error.is_retryable(), "{error}");
        assert!(!translate(&xml("400 Bad Request", "InvalidInput")).is_retryable());
    }

    #[test]
    fn finds_io_errors_however_deep() {
        let wrap = |kind: io::ErrorKind| object_store::Error::Generic {
            store: "test",
            source: Box::new(io::Error::other(io::Error::from(kind))),
        };
        let error = folder().translate("write", "x", &wrap(io::ErrorKind::StorageFull));
        assert!(matches!(&error, Error::NoSpace { .. }), "{error:?}");
        assert!(error.to_string().contains("/b"));
        let error = folder().translate("write", "x", &wrap(io::ErrorKind::TimedOut));
        assert!(error.is_retryable());
        let error = folder().translate("write", "x", &wrap(io::ErrorKind::PermissionDenied));
        assert!(matches!(error, Error::Denied { .. }));
    }
}
