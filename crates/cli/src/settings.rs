//! One setting from three places: the command line, else the environment, else the file.
//!
//! The argument parser reads both the command line and the environment. What is here adds the
//! file, and the password, which is no argument.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use lifeboat::Target;
use lifeboat::bolt::{Auth, Config as BoltConfig};
use lifeboat::config::{Config, DEFAULT_USER, FILE_NAME, KeySections, SecretSource, VaultSection};
use lifeboat::vault::Vault;
use lifeboat::vaults::{RegionConfig, Role, VaultChoice, Vaults};

use crate::args::{DatabaseArgs, VaultArgs};
use crate::failure::{Failure, Result};

/// The settings file, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) path: Option<PathBuf>,
    pub(crate) file: Config,
}

/// Where a password comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PasswordOrigin {
    /// Standard input.
    Stdin,
    /// `--password-file`.
    Argument(PathBuf),
    /// `LIFEBOAT_PASSWORD`.
    Variable,
    /// `LIFEBOAT_PASSWORD_FILE`.
    VariableFile(PathBuf),
    /// The settings file.
    File(SecretSource),
}

impl Settings {
    /// Reads the file that is named, else the one in the current folder, if there is one.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self> {
        let path = match named {
            Some(path) => Some(path.to_owned()),
            None => Some(PathBuf::from(FILE_NAME)).filter(|path| path.exists()),
        };
        let file = match &path {
            Some(path) => Config::load(path)?,
            None => Config::default(),
        };
        Ok(Self { path, file })
    }

    /// The database, when its address is known.
    pub(crate) fn optional_target(&self, args: &DatabaseArgs) -> Result<Option<Target>> {
        let file = &self.file.database;
        let Some(uri) = args.uri.clone().or_else(|| file.uri.clone()) else {
            return Ok(None);
        };
        let mut config = BoltConfig::new(uri, self.auth(args)?);
        config.ca_file = args.ca_file.clone().or_else(|| file.ca_file.clone());
        let database = args.database.clone().or_else(|| file.database.clone());
        config.database.clone_from(&database);
        Ok(Some(Target { config, database }))
    }

    /// The database.
    pub(crate) fn target(&self, args: &DatabaseArgs) -> Result<Target> {
        self.optional_target(args)?.ok_or_else(|| {
            Failure::usage(
                "no database is given",
                "give --uri bolt://HOST:7687, or set LIFEBOAT_URI, or database.uri in lifeboat.toml",
            )
        })
    }

    fn auth(&self, args: &DatabaseArgs) -> Result<Auth> {
        let username = args.username.clone().or_else(|| self.file.database.username.clone());
        match (username, self.password_origin(args)) {
            (None, None) => Ok(Auth::None),
            (Some(username), None) => Err(Failure::usage(
                format_args!("there is no password for the user {username}"),
                "set LIFEBOAT_PASSWORD, or give --password-file FILE (- reads standard input)",
            )),
            (username, Some(origin)) => {
                let username = username.unwrap_or_else(|| DEFAULT_USER.to_owned());
                Ok(Auth::basic(username, origin.read()?))
            }
        }
    }

    /// Where the password comes from; `None` when there is none.
    pub(crate) fn password_origin(&self, args: &DatabaseArgs) -> Option<PasswordOrigin> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        match &args.password_file {
            Some(path) if path == Path::new("-") => Some(PasswordOrigin::Stdin),
            Some(path) => Some(PasswordOrigin::Argument(path.clone())),
            None if set("LIFEBOAT_PASSWORD").is_some() => Some(PasswordOrigin::Variable),
            None => match set("LIFEBOAT_PASSWORD_FILE") {
                Some(path) => Some(PasswordOrigin::VariableFile(path.into())),
                None => self.file.database.password.clone().map(PasswordOrigin::File),
            },
        }
    }

    /// How to open the vaults, when an address is known: those of the file, or the one that was
    /// chosen.
    pub(crate) fn optional_vaults(&self, args: &VaultArgs) -> Result<Option<Vaults>> {
        let region = |role: Role| self.file.region(role);
        let Some(choice) = &args.vault else { return Ok(self.file.vaults()) };
        let chosen = match choice {
            VaultChoice::Role(role) => region(*role).ok_or_else(|| {
                Failure::usage(
                    format_args!("the settings name no {role} vault"),
                    format_args!("write [vault.{role}] into lifeboat.toml, or give its address"),
                )
            })?,
            // Credentials of the file are for the vaults of the file, and for no other.
            VaultChoice::Address(address) => [Role::Primary, Role::Secondary]
                .into_iter()
                .filter_map(region)
                .find(|region| region.section.url == *address)
                .unwrap_or_else(|| RegionConfig {
                    role: None,
                    section: VaultSection::at(address.clone()),
                    keys: KeySections {
                        encryption: self.file.encryption.clone(),
                        signing: self.file.signing.clone(),
                    },
                }),
        };
        Ok(Some(Vaults::new(chosen, None)))
    }

    /// How to open the vaults.
    pub(crate) fn vaults(&self, args: &VaultArgs) -> Result<Vaults> {
        self.optional_vaults(args)?.ok_or_else(|| {
            Failure::usage(
                "no vault is given",
                "give --vault ADDRESS, or set LIFEBOAT_VAULT, or vault.primary.url in lifeboat.toml",
            )
        })
    }

    /// The active vault, for databases: the one to write to.
    pub(crate) fn vault(&self, args: &VaultArgs) -> Result<Vault> {
        Ok(self.vaults(args)?.writing()?.databases().clone())
    }
}

impl PasswordOrigin {
    /// Reads the password.
    pub(crate) fn read(&self) -> Result<String> {
        match self {
            Self::Stdin => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text)?;
                let text = text.strip_suffix('\n').unwrap_or(&text);
                let text = text.strip_suffix('\r').unwrap_or(text);
                if text.is_empty() {
                    return Err(Failure::usage(
                        "standard input holds no password",
                        "pipe it in, as in `pass show neo4j | lifeboat backup --password-file -`",
                    ));
                }
                Ok(text.to_owned())
            }
            Self::Variable => std::env::var("LIFEBOAT_PASSWORD").map_err(|_| {
                Failure::usage("LIFEBOAT_PASSWORD is not text", "use a password in UTF-8")
            }),
            Self::Argument(path) | Self::VariableFile(path) => {
                Ok(SecretSource::File(path.clone()).read()?)
            }
            Self::File(source) => Ok(source.read()?),
        }
    }
}

impl std::fmt::Display for PasswordOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::Variable => f.write_str("LIFEBOAT_PASSWORD"),
            Self::Argument(path) | Self::VariableFile(path) => {
                write!(f, "the file {}", path.display())
            }
            Self::File(source) => source.fmt(f),
        }
    }
}
