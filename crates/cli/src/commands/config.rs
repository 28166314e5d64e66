//! `lifeboat config check`.

use lifeboat::ExitCode;

use super::Session;
use crate::args::ConfigCheckArgs;
use crate::failure::Result;
use crate::view::config::{Effective, Setting};

pub(super) fn check(session: &Session, args: &ConfigCheckArgs) -> Result<ExitCode> {
    let settings = &session.settings;
    // Reads the secrets, so that one that cannot be had is found now.
    let target = settings.optional_target(&args.database)?;
    let vault = settings.optional_vault(&args.vault)?;
    let file = &settings.file;
    let secret = settings.password_origin(&args.database).map(|origin| format!("from {origin}"));
    let mut list = Vec::new();
    let mut add = |key, value: Option<String>, given: bool| {
        list.push(Setting { key, origin: value.as_ref().map(|_| origin(given)), value });
    };
    let (database, flags) = (&file.database, &args.database);
    let uri = target.as_ref().map(|target| target.config.uri.to_string());
    add("database.uri", uri, flags.uri.is_some());
    let username = flags.username.clone().or_else(|| database.username.clone());
    add("database.username", username, flags.username.is_some());
    let from_file =
        matches!(settings.password_origin(flags), Some(crate::settings::PasswordOrigin::File(_)));
    add("database.password", secret, !from_file);
    let name = flags.database.clone().or_else(|| database.database.clone());
    add("database.database", name, flags.database.is_some());
    let ca_file = flags.ca_file.clone().or_else(|| database.ca_file.clone());
    add(
        "database.ca_file",
        ca_file.map(|path| path.display().to_string()),
        flags.ca_file.is_some(),
    );
    let address = vault.as_ref().map(|vault| vault.address.to_string());
    add("vault.primary.url", address, args.vault.vault.is_some());
    add("retention.days", file.retention.days.map(|days| days.to_string()), false);
    let effective = Effective {
        file: settings.path.as_ref().map(|path| path.display().to_string()),
        settings: list,
    };
    if session.output.json {
        session.output.document(&effective)?;
    } else {
        session.output.report(&effective.text())?;
    }
    Ok(ExitCode::Ok)
}

fn origin(given: bool) -> &'static str {
    if given { "command line or environment" } else { "file" }
}
