//! `lifeboat key …`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use lifeboat::config::SecretSource;
use lifeboat::vault::{KeyPair, Secret};
use lifeboat::{Error, ExitCode};
use serde_json::json;

use super::Session;
use crate::args::{KeyCommand, KeyGenerateArgs, KeyPurpose, KeyShowArgs, KeySignArgs};
use crate::failure::{Failure, Result};

pub(super) async fn run(session: &Session, command: KeyCommand) -> Result<ExitCode> {
    match command {
        KeyCommand::Generate(args) => generate(session, &args),
        KeyCommand::Show(args) => show(session, &args),
        KeyCommand::Sign(args) => sign(session, &args).await,
    }
}

/// A secret in a file.
fn secret(path: &Path) -> Result<Secret> {
    Ok(Secret::new(SecretSource::File(path.to_owned()).read()?))
}

fn password(purpose: KeyPurpose, path: Option<&Path>) -> Result<Option<Secret>> {
    match (purpose, path) {
        (KeyPurpose::Encryption, Some(_)) => Err(Failure::usage(
            "an age identity has no password",
            "protect its file, for example with `age -p`",
        )),
        (_, path) => path.map(secret).transpose(),
    }
}

fn generate(session: &Session, args: &KeyGenerateArgs) -> Result<ExitCode> {
    let password = password(args.purpose, args.password_file.as_deref())?;
    let pair = match args.purpose {
        KeyPurpose::Encryption => KeyPair::encryption(),
        KeyPurpose::Signing => KeyPair::signing(password.as_ref()).map_err(cannot)?,
    };
    write_new(&args.out, pair.secret.expose())?;
    tell(session, args.purpose, &[pair.public])?;
    session.output.note(&format!(
        "the secret half is in {}; keep a copy where a disaster does not take it too",
        args.out.display()
    ));
    Ok(ExitCode::Ok)
}

/// Writes a file that only its owner may read, and that was not there before.
fn write_new(path: &Path, text: &str) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(
        |error| {
            let message = format_args!("cannot make {}: {error}", path.display()).to_string();
            match error.kind() {
                ErrorKind::AlreadyExists => Failure::refused(
                    message,
                    "keys are never overwritten: choose a file that does not exist",
                ),
                _ => Failure { code: ExitCode::Failed, message, hint: None },
            }
        },
    )?;
    file.write_all(format!("{}\n", text.trim_end()).as_bytes())?;
    Ok(file.sync_all()?)
}

fn cannot(error: lifeboat::vault::KeyError) -> Failure {
    Error::from(lifeboat::vault::Error::from(error)).into()
}

fn show(session: &Session, args: &KeyShowArgs) -> Result<ExitCode> {
    let password = password(args.purpose, args.password_file.as_deref())?;
    let key = secret(&args.file)?;
    let public = match args.purpose {
        KeyPurpose::Encryption => KeyPair::recipients_of(&key).map_err(cannot)?,
        KeyPurpose::Signing => {
            vec![KeyPair::public_of(&key, password.as_ref()).map_err(cannot)?]
        }
    };
    tell(session, args.purpose, &public)?;
    Ok(ExitCode::Ok)
}

/// Prints the public half, as the settings take it.
fn tell(session: &Session, purpose: KeyPurpose, public: &[String]) -> Result<()> {
    if session.output.json {
        return session.output.document(&json!({ "public_keys": public }));
    }
    session.output.print(&format!("{}\n", public.join("\n")))?;
    session.output.note(match purpose {
        KeyPurpose::Encryption => "it belongs into encryption.recipients of lifeboat.toml",
        KeyPurpose::Signing => "it belongs into signing.public_keys of lifeboat.toml",
    });
    Ok(())
}

async fn sign(session: &Session, args: &KeySignArgs) -> Result<ExitCode> {
    let region = session.settings.vaults(&args.vault)?.writing()?;
    if !region.databases().keys().signs() {
        return Err(Failure::usage(
            "there is no key to sign with",
            "set signing.secret_key_file in lifeboat.toml; `lifeboat key generate signing` makes one",
        ));
    }
    let (mut signed, mut failed) = (Vec::new(), Vec::new());
    for (vault, listed) in region.list_each().await? {
        let names = listed.into_iter().map(|listed| listed.name);
        for name in names.filter(|name| args.all || args.backups.contains(name)) {
            match vault.sign_again(&name, args.unsigned).await {
                Ok(()) => signed.push(name.to_string()),
                Err(error) => {
                    session.output.warn(&error.to_string());
                    failed.push(name.to_string());
                }
            }
        }
    }
    for name in &args.backups {
        let name = name.to_string();
        if !signed.contains(&name) && !failed.contains(&name) {
            session.output.warn(&format!("there is no backup {name}"));
            failed.push(name);
        }
    }
    if session.output.json {
        session.output.document(&json!({ "signed": signed, "failed": failed }))?;
    } else {
        session.output.report(&format!("{} signed, {} not\n", signed.len(), failed.len()))?;
    }
    Ok(match (signed.is_empty(), failed.is_empty()) {
        (_, true) => ExitCode::Ok,
        (false, false) => ExitCode::Incomplete,
        (true, false) => ExitCode::Failed,
    })
}
