//! `lifeboat config check`.

use lifeboat::ExitCode;
use lifeboat::config::VaultSection;
use lifeboat::vaults::{Role, VaultChoice};

use super::Session;
use crate::args::ConfigCheckArgs;
use crate::failure::Result;
use crate::view::config::{Effective, Setting};

pub(super) fn check(session: &Session, args: &ConfigCheckArgs) -> Result<ExitCode> {
    let settings = &session.settings;
    // Reads the secrets, so that one that cannot be had is found now.
    let target = settings.optional_target(&args.database)?;
    let vaults = settings.optional_vaults(&args.vault)?;
    let regions =
        vaults.iter().flat_map(|vaults| std::iter::once(vaults.active()).chain(vaults.other()));
    for region in regions {
        region.vault_config()?;
    }
    let file = &settings.file;
    let secret = settings.password_origin(&args.database).map(|origin| format!("from {origin}"));
    let mut list = Vec::new();
    let mut add = |key: &str, value: Option<String>, given: bool| {
        let origin = value.as_ref().map(|_| origin(given));
        list.push(Setting { key: key.to_owned(), origin, value });
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
    add("database.method", database.method.map(|method| method.to_string()), false);
    let home = database.neo4j_home.as_ref().map(|home| home.display().to_string());
    add("database.neo4j_home", home, false);
    let section = |role| file.vault.section(role);
    let given = match &args.vault.vault {
        Some(VaultChoice::Address(address)) => Some(address),
        Some(VaultChoice::Role(_)) | None => None,
    };
    let primary = section(Role::Primary);
    let url = given.or(primary.map(|vault| &vault.url)).map(ToString::to_string);
    add("vault.primary.url", url, given.is_some());
    let configs = |vault: &VaultSection| vault.config_address().to_string();
    let of_given = given.cloned().map(|address| configs(&VaultSection::at(address)));
    add("vault.primary.config_url", of_given.or(primary.map(configs)), given.is_some());
    if let Some(secondary) = section(Role::Secondary) {
        add("vault.secondary.url", Some(secondary.url.to_string()), false);
        add("vault.secondary.config_url", Some(configs(secondary)), false);
        add("vault.active", Some(file.vault.active.to_string()), false);
    }
    add("retention.days", Some(file.retention.days.to_string()), false);
    list.extend(super::config_service::settings(session, args)?);
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
