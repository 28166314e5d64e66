//! `[encryption]` and `[signing]`: where the keys of the vaults are.

use std::path::{Path, PathBuf};

use lifeboat_vault::{Keys, Secret};
use serde::Deserialize;

use super::{ConfigError, SecretSource, resolve};

/// The variable that may hold the passphrase for encryption.
pub const PASSPHRASE_VARIABLE: &str = "LIFEBOAT_PASSPHRASE";

/// The variable that may hold the password of the secret key for signatures.
pub const SIGNING_PASSWORD_VARIABLE: &str = "LIFEBOAT_SIGNING_PASSWORD";

/// `[encryption]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawEncryption")]
pub struct EncryptionSection {
    /// For whom archives are encrypted: `age1…`.
    pub recipients: Vec<String>,
    /// A file with more of them, one in a line.
    pub recipients_file: Option<PathBuf>,
    /// Where the identities are that open archives: `identity_file` or `identity_command`.
    pub identity: Option<SecretSource>,
    /// Where the passphrase is: `passphrase_file` or `passphrase_command`.
    pub passphrase: Option<SecretSource>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawEncryption {
    recipients: Vec<String>,
    recipients_file: Option<PathBuf>,
    identity_file: Option<PathBuf>,
    identity_command: Option<Vec<String>>,
    passphrase_file: Option<PathBuf>,
    passphrase_command: Option<Vec<String>>,
}

impl TryFrom<RawEncryption> for EncryptionSection {
    type Error = String;

    fn try_from(raw: RawEncryption) -> Result<Self, String> {
        let identity = SecretSource::choose("identity", raw.identity_file, raw.identity_command)?;
        let passphrase =
            SecretSource::choose("passphrase", raw.passphrase_file, raw.passphrase_command)?;
        let mut keys = Keys::default();
        for recipient in &raw.recipients {
            keys = keys.with_recipient(recipient).map_err(|error| error.to_string())?;
        }
        let (recipients, recipients_file) = (raw.recipients, raw.recipients_file);
        Ok(Self { recipients, recipients_file, identity, passphrase })
    }
}

/// `[signing]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawSigning")]
pub struct SigningSection {
    /// Where the secret key is: `secret_key_file` or `secret_key_command`.
    pub secret_key: Option<SecretSource>,
    /// Where its password is: `password_file` or `password_command`.
    pub password: Option<SecretSource>,
    /// Whose signatures are believed: public keys of minisign, each in one line.
    pub public_keys: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawSigning {
    secret_key_file: Option<PathBuf>,
    secret_key_command: Option<Vec<String>>,
    password_file: Option<PathBuf>,
    password_command: Option<Vec<String>>,
    public_keys: Vec<String>,
}

impl TryFrom<RawSigning> for SigningSection {
    type Error = String;

    fn try_from(raw: RawSigning) -> Result<Self, String> {
        let secret_key =
            SecretSource::choose("secret_key", raw.secret_key_file, raw.secret_key_command)?;
        let password = SecretSource::choose("password", raw.password_file, raw.password_command)?;
        if password.is_some() && secret_key.is_none() {
            return Err("a password is set, but no secret_key that it belongs to".to_owned());
        }
        let mut keys = Keys::default();
        for key in &raw.public_keys {
            keys = keys.with_trusted(key).map_err(|error| error.to_string())?;
        }
        Ok(Self { secret_key, password, public_keys: raw.public_keys })
    }
}

/// All that the settings say about keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySections {
    /// `[encryption]`.
    pub encryption: EncryptionSection,
    /// `[signing]`.
    pub signing: SigningSection,
}

impl KeySections {
    /// Reads the keys that are needed to write. Identities are read when the first archive is
    /// opened.
    ///
    /// # Errors
    /// When a secret cannot be had, or is no key.
    pub fn keys(&self) -> crate::Result<Keys> {
        let failed = |error| crate::Error::from(lifeboat_vault::Error::Key(error));
        let Self { encryption, signing } = self;
        let mut keys = Keys::default();
        let mut recipients = encryption.recipients.clone();
        if let Some(path) = &encryption.recipients_file {
            let text = SecretSource::File(path.clone()).read()?;
            let lines = text.lines().map(str::trim);
            let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
            recipients.extend(lines.map(str::to_owned));
        }
        for recipient in &recipients {
            keys = keys.with_recipient(recipient).map_err(failed)?;
        }
        if let Some(passphrase) = secret(encryption.passphrase.as_ref(), PASSPHRASE_VARIABLE)? {
            keys = keys.with_passphrase(passphrase);
        }
        if let Some(source) = encryption.identity.clone() {
            keys = keys.with_identities(move || match source.read() {
                Ok(text) => Ok(vec![Secret::new(text)]),
                Err(error) => Err(lifeboat_vault::KeyError {
                    what: source.to_string(),
                    reason: error.to_string(),
                }),
            });
        }
        if let Some(source) = &signing.secret_key {
            let key = Secret::new(source.read()?);
            let password = secret(signing.password.as_ref(), SIGNING_PASSWORD_VARIABLE)?;
            keys = keys.with_signer(&key, password.as_ref()).map_err(failed)?;
        }
        for key in &signing.public_keys {
            keys = keys.with_trusted(key).map_err(failed)?;
        }
        Ok(keys)
    }

    pub(super) fn resolve(
        encryption: &mut EncryptionSection,
        signing: &mut SigningSection,
        folder: &Path,
    ) {
        resolve(folder, &mut encryption.recipients_file);
        let secrets = [
            &mut encryption.identity,
            &mut encryption.passphrase,
            &mut signing.secret_key,
            &mut signing.password,
        ];
        for secret in secrets.into_iter().flatten() {
            secret.resolve(folder);
        }
    }
}

/// A secret from where the settings say, else from a variable.
fn secret(source: Option<&SecretSource>, variable: &str) -> Result<Option<Secret>, ConfigError> {
    match source {
        Some(source) => source.read().map(|text| Some(Secret::new(text))),
        None => Ok(std::env::var(variable).ok().filter(|text| !text.is_empty()).map(Secret::new)),
    }
}
