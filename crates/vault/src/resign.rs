//! Signing what is there already: with a new key after a change of keys, or for the first time.

use lifeboat_archive::{BackupName, FileKind};

use crate::vault::{MAX_MANIFEST, parse_manifest};
use crate::{Error, Vault};

impl Vault {
    /// Signs the manifest of a backup, and its certificate if it has one, with the key that is set.
    ///
    /// What is signed by none of the trusted keys stays as it is, unless `unsigned` says that the
    /// caller vouches for it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Damaged`]; [`Error::Misuse`] when no key is set; those of
    /// reading and writing.
    pub async fn sign_again(&self, name: &BackupName, unsigned: bool) -> Result<(), Error> {
        let pairs = [
            (FileKind::Manifest, FileKind::Signature),
            (FileKind::Certificate, FileKind::CertificateSignature),
        ];
        for (file, signature) in pairs {
            let object = name.file_name(file);
            let bytes = match self.get_small(&object, MAX_MANIFEST).await? {
                Some(Ok(bytes)) => bytes,
                _ if file == FileKind::Certificate => continue,
                _ => return Err(self.not_found(name)),
            };
            if file == FileKind::Manifest {
                parse_manifest(&bytes, name).map_err(|damage| self.damaged(name, damage))?;
            }
            if !unsigned && let Err(problem) = self.check_signature(name, signature, &bytes).await?
            {
                if file == FileKind::Certificate {
                    continue;
                }
                return Err(self.damaged(name, crate::Damage::Signature(problem)));
            }
            let Some(text) = self.keys().sign(&bytes, &object)? else {
                return Err(Error::Misuse(
                    "no key is set to sign with; set signing.secret_key_file".to_owned(),
                ));
            };
            self.write_beside(name, signature, text.into()).await?;
        }
        Ok(())
    }
}
