//! What of `lifeboat config check` is about the service: its jobs, and who is told of what.

use std::time::Duration;

use lifeboat::config::{ContactSection, Rights, TokenSource};
use lifeboat_service::jobs::jobs;

use super::{Session, serve};
use crate::args::ConfigCheckArgs;
use crate::failure::Result;
use crate::units;
use crate::view::config::Setting;

/// Reads the secrets as well, so that one that cannot be had is found now.
pub(super) fn settings(session: &Session, args: &ConfigCheckArgs) -> Result<Vec<Setting>> {
    let file = &session.settings.file;
    let mut list = Vec::new();
    let mut add = |key: String, value: String, origin: &'static str| {
        list.push(Setting { key, value: Some(value), origin: Some(origin) });
    };
    let section = &file.service;
    if let Some(listen) = section.listen {
        add("service.listen".to_owned(), listen.to_string(), "file");
    }
    if let Some(instance) = &section.instance {
        add("service.instance".to_owned(), instance.clone(), "file");
    }
    if let Some(state) = &section.state {
        add("service.state".to_owned(), state.display().to_string(), "file");
    }
    if let Some(tls) = &section.tls {
        add("service.tls_cert_file".to_owned(), tls.cert_file.display().to_string(), "file");
    }
    for (name, token) in &section.tokens {
        token.source.read()?;
        let rights = match token.rights {
            Rights::Read => "may read",
            Rights::Operate => "may read and operate",
        };
        add(format!("service.token.{name}"), rights.to_owned(), "file");
    }
    if session.settings.optional_vaults(&args.vault)?.is_some() {
        let equipment = serve::equipment(&session.settings, &args.database, &args.vault)?;
        match jobs(&equipment) {
            Ok(jobs) => {
                for (job, entry) in jobs {
                    let given = file.schedule.section(job).is_some();
                    let mut value = entry.schedule.timing.to_string();
                    for before in &entry.schedule.after {
                        value.push_str(", after ");
                        value.push_str(before.name());
                    }
                    add(format!("schedule.{job}"), value, if given { "file" } else { "standard" });
                }
            }
            // Whoever does without the service needs no job.
            Err(lifeboat_service::Error::NoJobs) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for (name, channel) in &file.alerts.channels {
        channel.secret().map(TokenSource::read).transpose()?;
        add(format!("alerts.channel.{name}"), channel.kind().to_owned(), "file");
    }
    for contact in &file.alerts.contacts {
        add(format!("alerts.contacts.{}", contact.name), words(contact), "file");
    }
    let pings = file.ping.jobs.iter().map(|(job, section)| (job.name(), section));
    for (name, ping) in file.ping.service.iter().map(|section| ("service", section)).chain(pings) {
        ping.url.read()?;
        add(format!("ping.{name}"), "pings".to_owned(), "file");
    }
    Ok(list)
}

/// How somebody is told.
fn words(contact: &ContactSection) -> String {
    if contact.channels.is_empty() {
        return "named in notices".to_owned();
    }
    let by = contact.channels.join(", ");
    if contact.after == Duration::ZERO {
        format!("from {} on, by {by}", contact.severity)
    } else {
        format!("from {} on, by {by}, after {}", contact.severity, units::took(contact.after))
    }
}
