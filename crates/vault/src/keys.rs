//! The keys of a vault: for whom archives are encrypted, who may open them, who signs, and whose
//! signatures are believed.
//!
//! They belong to the handle of a vault, and nobody above it has to think of them: its writer
//! encrypts and signs, its reader opens and checks. Encryption is age's, around the whole file, so
//! that `age -d` opens it; signatures are minisign's, so that `minisign -V` checks them.
//!
//! What opens archives is fetched when the first is opened, and not before: a machine that only
//! makes backups needs no more than the public half of a key.

pub(crate) mod open;
mod seal;
mod sign;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use age::secrecy::SecretString;

use crate::Secret;

pub(crate) use seal::Sealer;
pub use sign::SignatureProblem;

/// A key that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be used: {reason}")]
pub struct KeyError {
    /// Which key, never its secret half.
    pub what: String,
    /// Why not.
    pub reason: String,
}

impl KeyError {
    pub(crate) fn new(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { what: what.into(), reason: reason.into() }
    }
}

/// Work that keeps a processor busy, away from the threads that others wait for.
///
/// # Errors
/// When it panics.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, KeyError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|panic| KeyError::new("the keys for encryption", panic.to_string()))
}

/// What makes the keys that open archives, when the first is to be opened.
type Fetch = dyn Fn() -> Result<Vec<Secret>, KeyError> + Send + Sync;

type Identities = Arc<Vec<Box<dyn age::Identity + Send + Sync>>>;

/// The keys of a vault. Cheap to clone. Without any, archives are neither encrypted nor signed,
/// and every signature or none is accepted.
#[derive(Clone, Default)]
pub struct Keys {
    recipients: Vec<age::x25519::Recipient>,
    passphrase: Option<Secret>,
    fetch: Option<Arc<Fetch>>,
    fetched: Arc<Mutex<Option<Identities>>>,
    signer: Option<Arc<minisign::SecretKey>>,
    trusted: Vec<minisign::PublicKey>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("recipients", &self.recipients.len())
            .field("passphrase", &self.passphrase.is_some())
            .field("opens", &self.can_open())
            .field("signs", &self.signer.is_some())
            .field("trusted", &self.trusted.len())
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// Encrypts for one more: `age1…`, the public half of an X25519 key.
    ///
    /// # Errors
    /// When it is no such key.
    pub fn with_recipient(mut self, recipient: &str) -> Result<Self, KeyError> {
        let parsed = recipient.trim().parse().map_err(|reason: &str| {
            // Somebody may have taken the secret half for the public one.
            let shown = if recipient.contains("SECRET") { "a secret key" } else { recipient };
            KeyError::new(format!("the recipient {shown:?}"), reason)
        })?;
        self.recipients.push(parsed);
        Ok(self)
    }

    /// Encrypts with a passphrase, and opens what was encrypted with it. age allows either
    /// recipients or a passphrase: with both, the recipients encrypt and the passphrase opens.
    #[must_use]
    pub fn with_passphrase(mut self, passphrase: Secret) -> Self {
        self.passphrase = Some(passphrase);
        self.fetched = Arc::default();
        self
    }

    /// Opens with the identities that `fetch` gives (the text of age identity files:
    /// `AGE-SECRET-KEY-1…` in lines, `#` begins a comment), asked once, when the first archive is
    /// opened.
    #[must_use]
    pub fn with_identities(
        mut self,
        fetch: impl Fn() -> Result<Vec<Secret>, KeyError> + Send + Sync + 'static,
    ) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self.fetched = Arc::default();
        self
    }

    /// Signs with a secret key of minisign, as its file has it; `password` opens the key when it is
    /// protected by one.
    ///
    /// # Errors
    /// When it is no such key, or the password is missing or wrong.
    pub fn with_signer(
        mut self,
        key: &Secret,
        password: Option<&Secret>,
    ) -> Result<Self, KeyError> {
        self.signer = Some(Arc::new(sign::secret_key(key, password)?));
        Ok(self)
    }

    /// Believes the signatures of one more: a public key of minisign, as text or as its file has
    /// it. With the first of these, nothing unsigned is believed any more.
    ///
    /// # Errors
    /// When it is no such key.
    pub fn with_trusted(mut self, key: &str) -> Result<Self, KeyError> {
        self.trusted.push(sign::public_key(key)?);
        Ok(self)
    }

    /// Whether what is written is encrypted.
    pub fn encrypts(&self) -> bool {
        !self.recipients.is_empty() || self.passphrase.is_some()
    }

    /// Whether a passphrase is all there is to encrypt with; that takes about a second each time.
    pub fn encrypts_by_passphrase(&self) -> bool {
        self.recipients.is_empty() && self.passphrase.is_some()
    }

    /// Whether there is something to open archives with, which may yet turn out not to fit.
    pub fn can_open(&self) -> bool {
        self.fetch.is_some() || self.passphrase.is_some()
    }

    /// Whether what is written is signed.
    pub fn signs(&self) -> bool {
        self.signer.is_some()
    }

    /// Whether signatures are asked for.
    pub fn demands_signatures(&self) -> bool {
        !self.trusted.is_empty()
    }

    /// What opens archives. May read files and run commands.
    fn identities(&self) -> Result<Identities, KeyError> {
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(identities) = &*fetched {
            return Ok(Arc::clone(identities));
        }
        let mut identities: Vec<Box<dyn age::Identity + Send + Sync>> = Vec::new();
        for file in self.fetch.as_ref().map(|fetch| fetch()).transpose()?.unwrap_or_default() {
            for line in file.expose().lines().map(str::trim) {
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let identity: age::x25519::Identity = line
                    .parse()
                    .map_err(|reason: &str| KeyError::new("a line of the identities", reason))?;
                identities.push(Box::new(identity));
            }
        }
        if let Some(passphrase) = &self.passphrase {
            let passphrase = SecretString::from(passphrase.expose().to_owned());
            identities.push(Box::new(age::scrypt::Identity::new(passphrase)));
        }
        let identities = Arc::new(identities);
        *fetched = Some(Arc::clone(&identities));
        Ok(identities)
    }
}

/// A new pair of keys: the secret half as text for a file of its own, and the public half.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// The secret half, with comments that tell what it is.
    pub secret: Secret,
    /// The public half.
    pub public: String,
}

impl KeyPair {
    /// For encryption: an age identity (X25519) and its recipient.
    pub fn encryption() -> Self {
        use age::secrecy::ExposeSecret as _;

        let identity = age::x25519::Identity::generate();
        let public = identity.to_public().to_string();
        let secret = format!("# public key: {public}\n{}", identity.to_string().expose_secret());
        Self { secret: Secret::new(secret), public }
    }

    /// For signatures: a key pair of minisign, protected by a password if one is given.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn signing(password: Option<&Secret>) -> Result<Self, KeyError> {
        sign::generate(password)
    }

    /// The public half of an age identity file.
    ///
    /// # Errors
    /// When it holds none.
    pub fn recipients_of(identities: &Secret) -> Result<Vec<String>, KeyError> {
        let recipients: Vec<String> = identities
            .expose()
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| {
                let identity: Result<age::x25519::Identity, _> = line.parse();
                identity
                    .map(|identity| identity.to_public().to_string())
                    .map_err(|reason: &str| KeyError::new("a line of the identities", reason))
            })
            .collect::<Result<_, _>>()?;
        if recipients.is_empty() {
            return Err(KeyError::new("the file of identities", "it holds no identity"));
        }
        Ok(recipients)
    }

    /// The public half of a secret key of minisign, in one line.
    ///
    /// # Errors
    /// As [`Keys::with_signer`].
    pub fn public_of(key: &Secret, password: Option<&Secret>) -> Result<String, KeyError> {
        sign::public_of(&sign::secret_key(key, password)?)
    }
}

#[cfg(test)]
mod tests;
