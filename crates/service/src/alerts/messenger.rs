//! Runbooks tell people by the channels of alerts, at once and without a service.

use async_trait::async_trait;
use futures::future::join_all;
use jiff::Timestamp;
use lifeboat::config::Config;
use lifeboat_runbook::messenger::{Contact, Messenger, Told};
use uuid::Uuid;

use super::notice::{Kind, Notice};
use super::settings::Settings;
use crate::service::name_of;

/// The contacts and channels of the settings.
#[derive(Debug)]
pub struct Announcer {
    settings: Settings,
    instance: String,
}

impl Announcer {
    /// Of these settings.
    pub fn new(config: &Config) -> Self {
        Self { settings: Settings::from(config), instance: name_of(&config.service) }
    }

    async fn send(&self, channel: &str, contact: &str, message: &str) -> Result<(), String> {
        let notice = Notice {
            id: Uuid::new_v4().to_string(),
            kind: Kind::Message,
            contact: contact.to_owned(),
            instance: self.instance.clone(),
            at: Timestamp::now(),
            alerts: Vec::new(),
            contacts: self.settings.reach(),
            runbooks: None,
            message: Some(message.to_owned()),
        };
        match self.settings.channels.get(channel) {
            Some(channel) => channel.send(&notice).await.map_err(|error| error.why),
            None => Err("the settings do not have it".to_owned()),
        }
    }
}

#[async_trait]
impl Messenger for Announcer {
    fn contacts(&self) -> Vec<Contact> {
        let contacts = self.settings.routing.contacts.iter();
        contacts
            .filter(|contact| !contact.channels.is_empty())
            .map(|contact| Contact {
                name: contact.name.clone(),
                channels: contact.channels.clone(),
            })
            .collect()
    }

    async fn tell(&self, contacts: &[Contact], message: &str) -> Vec<Told> {
        // A channel that several have is used once: it is the same receiver.
        let mut ways: Vec<(&str, Vec<&str>)> = Vec::new();
        for contact in contacts {
            for channel in &contact.channels {
                match ways.iter_mut().find(|(known, _)| known == channel) {
                    Some((_, names)) => names.push(&contact.name),
                    None => ways.push((channel, vec![&contact.name])),
                }
            }
        }
        let sending = ways.into_iter().map(async |(channel, names)| {
            let sent = self.send(channel, &names.join(", "), message).await;
            Told { channel: channel.to_owned(), error: sent.err() }
        });
        join_all(sending).await
    }
}
