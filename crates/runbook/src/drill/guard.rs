//! What keeps a drill away from production: an environment that stands for one of its must share
//! nothing with any that is in use. Names are resolved, so that two spellings of one place are one.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use lifeboat::bolt::Uri;

use crate::condition::Ask;
use crate::platform::Platform;
use crate::provision::Provision;
use crate::sites::Environment;
use crate::world::World;

/// Why a drill is refused, when an environment shares something with one that is not disposable, or
/// with `[database]`.
pub(super) async fn shares_nothing(world: &World, name: &str) -> Result<(), String> {
    let Some(ours) = world.sites.environment.get(name) else { return Ok(()) };
    let database = &world.config.database;
    let section = Environment { database: database.clone(), ..Environment::default() };
    let production = world
        .sites
        .environment
        .iter()
        .filter(|(_, environment)| !environment.disposable)
        .map(|(name, environment)| (format!("the environment {name}"), environment))
        .chain(std::iter::once(("[database]".to_owned(), &section)));
    for (whose, theirs) in production {
        if let Some(what) = shared(ours, theirs).await {
            return Err(format!("{name} and {whose} have the same {what}"));
        }
    }
    Ok(())
}

/// Why a drill is refused, when it would change the application's own name.
pub(super) fn own_name(world: &World) -> Result<(), String> {
    let (Some(drill), Some(real)) = (&world.sites.drill.dns, &world.sites.dns) else {
        return Ok(());
    };
    let plain = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    if plain(&drill.name) == plain(&real.name) {
        return Err(format!("[drill.dns] has the application's own name {}", real.name));
    }
    Ok(())
}

async fn shared(ours: &Environment, theirs: &Environment) -> Option<String> {
    if let (Some(a), Some(b)) = (&ours.database.uri, &theirs.database.uri) {
        let (mine, other) = (addresses(a).await, addresses(b).await);
        if a == b || mine.intersection(&other).next().is_some() {
            return Some(format!("database {b}"));
        }
    }
    let folders = [
        (&ours.database.neo4j_home, &theirs.database.neo4j_home, "home of Neo4j"),
        (&ours.configuration, &theirs.configuration, "folder of the configuration"),
    ];
    for (a, b, what) in folders {
        if let (Some(a), Some(b)) = (a, b)
            && overlap(a, b)
        {
            return Some(format!("{what} {}", b.display()));
        }
    }
    if let Some(address) = ours.addresses.iter().find(|one| theirs.addresses.contains(one)) {
        return Some(format!("address {address}"));
    }
    if ours.alias.is_some() && ours.alias == theirs.alias {
        return Some("alias".to_owned());
    }
    // A command is told for which environment it is; of the others, the same is the same.
    let command = matches!(ours.platform, Some(Platform::Command(_)));
    if let Some(service) = ours.services.iter().find(|one| theirs.services.contains(one))
        && !command
        && ours.platform.is_some()
        && ours.platform == theirs.platform
    {
        return Some(format!("service {service}"));
    }
    let command = matches!(ours.provision, Some(Provision::Command { .. }));
    if !command && ours.provision.is_some() && ours.provision == theirs.provision {
        return Some(
            "templates with the same state; give the drill a folder or group of its own".to_owned(),
        );
    }
    let files = |environment: &Environment| -> Vec<PathBuf> {
        environment.endpoints.iter().filter_map(|one| one.file.clone()).collect()
    };
    let theirs_files = files(theirs);
    if let Some(file) = files(ours).iter().find(|file| theirs_files.contains(file)) {
        return Some(format!("endpoint {}", file.display()));
    }
    let asked = |environment: &Environment| -> BTreeSet<String> {
        let urls = environment.health.iter().filter_map(|condition| match &condition.ask {
            // With the drill's own name it is another place.
            Ask::Http { url, by_dns: false, .. } => url.as_text().map(ToOwned::to_owned),
            _ => None,
        });
        urls.collect()
    };
    let url = asked(ours).intersection(&asked(theirs)).next().cloned();
    url.map(|url| format!("check of health {url}"))
}

/// Where a database is.
async fn addresses(uri: &Uri) -> BTreeSet<SocketAddr> {
    match tokio::net::lookup_host((uri.host(), uri.port())).await {
        Ok(found) => found.collect(),
        Err(_) => BTreeSet::new(),
    }
}

/// Whether one folder is the other, or within it.
fn overlap(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (a, b) = (real(a), real(b));
    a.starts_with(&b) || b.starts_with(&a)
}

#[cfg(test)]
mod tests {
    use lifeboat::config::Config;

    use super::*;
    use crate::sites::Sites;

    fn world(text: &str) -> World {
        let path = Path::new("/nowhere/lifeboat.toml");
        World::new(Config::default(), Sites::parse(text, path).unwrap())
    }

    #[tokio::test]
    async fn what_is_shared_with_production_is_found() {
        let base = r#"
            [environment.primary]
            configuration = "/srv/app"
            addresses = ["192.0.2.1"]
            [environment.primary.database]
            uri = "bolt://127.0.0.1:7687"
            neo4j_home = "/srv/neo4j"
            [environment.rehearsal]
            disposable = true
        "#;
        for (settings, found) in [
            ("database = { uri = \"bolt://localhost:7687\" }", Some("database")),
            ("database = { uri = \"bolt://127.0.0.1:7688\" }", None),
            ("database = { neo4j_home = \"/srv/neo4j/\" }", Some("home of Neo4j")),
            ("configuration = \"/srv/app/drill\"", Some("folder of the configuration")),
            ("configuration = \"/srv/app-drill\"", None),
            ("addresses = [\"192.0.2.2\", \"192.0.2.1\"]", Some("address 192.0.2.1")),
        ] {
            let world = world(&format!("{base}\n{settings}"));
            let answer = shares_nothing(&world, "rehearsal").await;
            match found {
                None => assert_eq!(answer, Ok(()), "{settings}"),
                Some(found) => assert!(answer.unwrap_err().contains(found), "{settings}"),
            }
        }
    }

    #[test]
    fn a_drill_has_a_name_of_its_own() {
        let text = |name: &str| {
            format!(
                r#"
                [dns]
                name = "app.example."
                update = {{ kind = "rfc2136", server = "127.0.0.1:53", zone = "example",
                            key_name = "k", key_file = "k" }}
                [drill.dns]
                name = "{name}"
                update = {{ kind = "rfc2136", server = "127.0.0.1:53", zone = "example",
                            key_name = "k", key_file = "k" }}
                "#
            )
        };
        own_name(&world(&text("drill.example"))).unwrap();
        own_name(&world(&text("App.Example"))).unwrap_err();
    }
}
