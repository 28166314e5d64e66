//! The handbook: one file for the day when nothing else is there, made from the settings. What is
//! backed up where, which keys are needed and who holds them, each procedure as commands, and whom
//! to call.

use std::fmt::Write as _;

use jiff::Timestamp;
use lifeboat::config::VaultSection;
use lifeboat::vaults::Role;

use crate::action::Context;
use crate::document::Runbook;
use crate::library;
use crate::report::{contact_list, contacts, page, plain};
use crate::sites::Environment;
use crate::template::{Reference, Values};
use crate::world::World;

/// As Markdown.
pub fn markdown(world: &World, settings: &str) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "# Disaster recovery handbook\n");
    let _ = writeln!(
        text,
        "Made {:.0} from {}. Print it, and keep it where the disaster does not take it too. Make it \
         anew with `lifeboat handbook` whenever the settings change.",
        Timestamp::now(),
        plain(settings)
    );
    whom_to_call(world, &mut text);
    objectives(world, &mut text);
    places(world, &mut text);
    keys(world, &mut text);
    environments(world, &mut text);
    begin(&mut text);
    for entry in library::list(world.sites.runbooks.folder.as_deref()) {
        if let Ok(runbook) = &entry.runbook {
            procedure(world, runbook, &mut text);
        }
    }
    by_hand(world, &mut text);
    text
}

/// As a page that needs nothing else.
pub fn html(world: &World, settings: &str) -> String {
    page("Disaster recovery handbook", &markdown(world, settings), None)
}

fn whom_to_call(world: &World, text: &mut String) {
    let _ = writeln!(text, "\n## Whom to call\n");
    text.push_str(&contact_list(&contacts(world)));
}

fn objectives(world: &World, text: &mut String) {
    let _ = writeln!(text, "\n## What has to be achieved\n");
    let objectives = &world.config.objectives;
    let words = |time: Option<std::time::Duration>| match time {
        None => "not set".to_owned(),
        Some(time) if time.as_secs().is_multiple_of(3600) => format!("{} h", time.as_secs() / 3600),
        Some(time) if time.as_secs().is_multiple_of(60) => format!("{} min", time.as_secs() / 60),
        Some(time) => format!("{} s", time.as_secs()),
    };
    let _ = writeln!(text, "- Recovery is done after at most (RTO): {}", words(objectives.rto));
    let _ =
        writeln!(text, "- Lost is at most what was written in (RPO): {}", words(objectives.rpo));
}

fn vaults(world: &World) -> Vec<(Role, &VaultSection)> {
    [Role::Primary, Role::Secondary]
        .into_iter()
        .filter_map(|role| Some((role, world.config.vault.section(role)?)))
        .collect()
}

fn places(world: &World, text: &mut String) {
    let _ = writeln!(text, "\n## What is backed up, and where\n");
    let database = &world.config.database;
    match &database.uri {
        Some(uri) => {
            let _ = writeln!(text, "- The database at `{uri}`");
        }
        None => text.push_str("- The database: its address is not in the settings\n"),
    }
    if let Some(home) = &database.neo4j_home {
        let _ = writeln!(text, "- Its home is `{}`", home.display());
    }
    let all = vaults(world);
    if all.is_empty() {
        text.push_str("- No vault is set.\n");
    }
    for (role, vault) in all {
        let _ = writeln!(text, "- The {role} vault: `{}`", vault.url);
    }
    let _ = writeln!(
        text,
        "\nBackups are kept for {} days. A database backup is `neo4j-backup-DATE-TIME.tar.…`, one of \
         the configuration `config-backup-DATE-TIME.tar.…` in the container `config-backups` beside \
         it.",
        world.config.retention.days
    );
}

fn keys(world: &World, text: &mut String) {
    let _ = writeln!(text, "\n## Keys\n");
    let encryption = &world.config.encryption;
    let encrypted = *encryption != lifeboat::config::EncryptionSection::default();
    let signed = world.config.signing != lifeboat::config::SigningSection::default();
    let _ = writeln!(
        text,
        "- Archives are {}.",
        if encrypted {
            "encrypted with age: without an identity, or the passphrase, nothing can be restored"
        } else {
            "not encrypted: no key is needed to read them"
        }
    );
    let _ = writeln!(
        text,
        "- Manifests are {}.",
        if signed { "signed with minisign: the public key checks them" } else { "not signed" }
    );
    text.push_str("- The vaults need their own credentials, as do cloud and DNS.\n");
    let held = &world.sites.runbooks.keys;
    if held.is_empty() {
        text.push_str(
            "- Who holds them is not written down; `[[runbooks.keys]]` of the settings would.\n",
        );
    }
    for key in held {
        let _ = writeln!(text, "- {}: {}", plain(&key.name), plain(&key.holder));
    }
}

fn environments(world: &World, text: &mut String) {
    let _ = writeln!(text, "\n## Where the application runs\n");
    if world.sites.environment.is_empty() {
        text.push_str("No environment is described; `[environment.NAME]` of the settings would.\n");
    }
    for (name, environment) in &world.sites.environment {
        let Environment { region, disposable, database, services, addresses, .. } = environment;
        let mut words = format!("- **{name}**");
        if let Some(region) = region {
            let _ = write!(words, ", in {}", plain(region));
        }
        if *disposable {
            words.push_str(", for drills");
        }
        if let Some(uri) = &database.uri {
            let _ = write!(words, "; database `{uri}`");
        }
        if !services.is_empty() {
            let _ = write!(words, "; services {}", services.join(", "));
        }
        if !addresses.is_empty() {
            let list: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            let _ = write!(words, "; addresses {}", list.join(", "));
        }
        let _ = writeln!(text, "{words}");
    }
    if let Some(dns) = &world.sites.dns {
        let _ = writeln!(text, "\nPeople reach it as `{}`.", dns.name);
    }
}

fn begin(text: &mut String) {
    text.push_str(
        "\n## Before anything else\n\n\
         1. Write down the time: the clock of the recovery runs from the declaration.\n\
         2. Call the first of the people above.\n\
         3. On a machine with this settings file, the keys and the `lifeboat` program, look:\n\n\
         ```\nlifeboat status\nlifeboat list\nlifeboat doctor\n```\n\n\
         4. Choose the procedure below. Each first says what it would do:\n\n\
         ```\nlifeboat runbook plan NAME\n```\n\n\
         A run that stops, or whose machine is lost, goes on with `lifeboat runbook resume RUN` from \
         any machine with the settings; `lifeboat runbook status` shows the runs.\n",
    );
}

fn procedure(world: &World, runbook: &Runbook, text: &mut String) {
    let _ = writeln!(text, "\n## {}\n\n{}\n", plain(&runbook.title), plain(&runbook.description));
    let _ = writeln!(text, "```\nlifeboat runbook run {}\n```\n", runbook.name);
    let mut values = Values::default();
    let mut inputs = Vec::new();
    for (name, input) in &runbook.inputs {
        let value = world.sites.runbooks.inputs.get(name).or(input.default.as_ref());
        match value {
            Some(value) => values.input(name, value),
            None => inputs.push(format!("`--input {name}=…`: {}", plain(&input.description))),
        }
    }
    values.set(Reference::Run("id".to_owned()), "RUN");
    if !inputs.is_empty() {
        let _ = writeln!(text, "It must be given {}.\n", inputs.join("; "));
    }
    text.push_str("What it does, step by step:\n\n");
    let cancel = lifeboat::CancellationToken::new();
    let cx = Context { world, values: &values, cancel: &cancel };
    for (number, step) in runbook.steps.iter().enumerate() {
        let _ = write!(text, "{}. {}", number + 1, plain(&step.title));
        if let Some(question) = &step.approval {
            let _ = write!(text, " (a person is asked: {})", plain(question));
        }
        text.push('\n');
        for does in step.action.describe(&cx) {
            let _ = writeln!(text, "   - {}", plain(&does));
        }
    }
}

fn by_hand(world: &World, text: &mut String) {
    let encrypted = world.config.encryption != lifeboat::config::EncryptionSection::default();
    let open = if encrypted {
        "minisign -Vm NAME.manifest.json -P PUBLIC_KEY\n\
         age -d -i IDENTITY_FILE NAME.tar.zst.age | zstd -d | tar -x -C FOLDER\n"
    } else {
        "minisign -Vm NAME.manifest.json -P PUBLIC_KEY\nzstd -dc NAME.tar.zst | tar -x -C FOLDER\n"
    };
    let _ = write!(
        text,
        "\n## With only a shell\n\n\
         When there is no `lifeboat` program, archives open with standard tools. Fetch the archive \
         and its manifest from a vault, check the signature (when they are signed), and unpack:\n\n\
         ```\n{open}```\n\n\
         A **physical** backup holds the folder `data` of Neo4j's home. Stop the server, move the old \
         `data` aside, unpack into the home, and start the server, which recovers by itself:\n\n\
         ```\nneo4j stop\nmv HOME/data HOME/data.old\n# unpack with FOLDER=HOME\nchown -R neo4j: \
         HOME/data\nneo4j start\n```\n\n\
         A **logical** backup holds the graph as records of this program's format, which the file \
         `docs/formats.md` of its source describes; the program is needed to load it. A \
         **configuration** backup holds the application's files under their own paths: unpack it \
         into an empty folder, look, and copy.\n\n\
         Then point the application's name at the new place, and make sure that the old one cannot \
         come back: stop its services and its server for good, or take its addresses away.\n"
    );
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lifeboat::config::Config;

    use super::*;
    use crate::sites::Sites;

    #[test]
    fn the_handbook_holds_what_a_person_needs() {
        let sites = r#"
            [[runbooks.keys]]
            name = "age identity"
            holder = "the safe in Oslo"
            [environment.primary]
            region = "East US"
            services = ["api"]
            [environment.secondary]
            region = "West US"
        "#;
        let sites = Sites::parse(sites, Path::new("/nowhere/lifeboat.toml")).unwrap();
        let contacts =
            "[[alerts.contacts]]\nname = \"emergency hotline\"\nreach = \"+1 555 0199\"\n";
        let config = Config::parse(contacts, Path::new("/nowhere/lifeboat.toml")).unwrap();
        let text = markdown(&World::new(config, sites), "lifeboat.toml");
        for wanted in [
            "- emergency hotline: +1 555 0199",
            "- age identity: the safe in Oslo",
            "- **primary**, in East US; services api",
            "lifeboat runbook run corruption",
            "lifeboat runbook run region",
            "lifeboat runbook run total",
            "zstd -dc NAME.tar.zst",
        ] {
            assert!(text.contains(wanted), "{wanted} in {text}");
        }
        let page = page("x", &text, None);
        assert!(page.contains("<pre><code>") && !page.contains("src="));
    }
}
