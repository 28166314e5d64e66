//! `[alerts.channel.NAME]`: a way by which notices go.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::super::{TokenSource, resolve};

/// A channel. Addresses that are secrets themselves are kept like passwords.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ChannelSection {
    /// E-mail.
    Smtp(SmtpChannel),
    /// An incoming webhook of Slack.
    Slack(HookChannel),
    /// A workflow of Microsoft Teams that receives webhooks.
    Teams(HookChannel),
    /// Events API v2 of PagerDuty.
    Pagerduty(PagerDutyChannel),
    /// API v2 of Prometheus's Alertmanager.
    Alertmanager(AlertmanagerChannel),
    /// Any receiver of JSON.
    Webhook(WebhookChannel),
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailSecurity {
    /// It begins in the clear and must change to TLS before anything is said.
    #[default]
    Starttls,
    /// It is TLS from the start.
    Tls,
    /// Not at all: for a server on this machine.
    None,
}

/// `type = "smtp"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawSmtp")]
pub struct SmtpChannel {
    /// The server.
    pub host: String,
    /// Its port; by the kind of security unless given.
    pub port: Option<u16>,
    /// How the connection is protected.
    pub security: MailSecurity,
    /// PEM file of authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Who to be there, and where the password is.
    pub login: Option<(String, TokenSource)>,
    /// The sender.
    pub from: String,
    /// The receivers.
    pub to: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSmtp {
    host: String,
    port: Option<u16>,
    #[serde(default)]
    security: MailSecurity,
    ca_file: Option<PathBuf>,
    username: Option<String>,
    password_file: Option<PathBuf>,
    password_command: Option<Vec<String>>,
    password_env: Option<String>,
    from: String,
    to: Vec<String>,
}

impl TryFrom<RawSmtp> for SmtpChannel {
    type Error = String;

    fn try_from(raw: RawSmtp) -> Result<Self, String> {
        let password = TokenSource::choose(
            "password",
            raw.password_file,
            raw.password_command,
            raw.password_env,
        )?;
        let login = match (raw.username, password) {
            (None, None) => None,
            (Some(username), Some(password)) => Some((username, password)),
            _ => return Err("username and a password go together".to_owned()),
        };
        if raw.to.is_empty() {
            return Err("`to` names nobody".to_owned());
        }
        if raw.security == MailSecurity::None && login.is_some() {
            return Err("a password must not cross a network in the clear: set `security`".into());
        }
        Ok(Self {
            host: raw.host,
            port: raw.port,
            security: raw.security,
            ca_file: raw.ca_file,
            login,
            from: raw.from,
            to: raw.to,
        })
    }
}

/// `type = "slack"` and `type = "teams"`: the address is the secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawHook")]
pub struct HookChannel {
    /// Where the address is.
    pub url: TokenSource,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "so the keys are called")]
struct RawHook {
    url_file: Option<PathBuf>,
    url_command: Option<Vec<String>>,
    url_env: Option<String>,
}

impl TryFrom<RawHook> for HookChannel {
    type Error = String;

    fn try_from(raw: RawHook) -> Result<Self, String> {
        let url = TokenSource::choose("url", raw.url_file, raw.url_command, raw.url_env)?;
        Ok(Self { url: url.ok_or("set one of url_file, url_command and url_env")? })
    }
}

/// `type = "pagerduty"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawPagerDuty")]
pub struct PagerDutyChannel {
    /// Where the integration's key is.
    pub key: TokenSource,
    /// Where the API is, when not at PagerDuty's address.
    pub url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPagerDuty {
    key_file: Option<PathBuf>,
    key_command: Option<Vec<String>>,
    key_env: Option<String>,
    url: Option<String>,
}

impl TryFrom<RawPagerDuty> for PagerDutyChannel {
    type Error = String;

    fn try_from(raw: RawPagerDuty) -> Result<Self, String> {
        let key = TokenSource::choose("key", raw.key_file, raw.key_command, raw.key_env)?;
        Ok(Self { key: key.ok_or("set one of key_file, key_command and key_env")?, url: raw.url })
    }
}

/// `type = "alertmanager"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawAlertmanager")]
pub struct AlertmanagerChannel {
    /// Where it is, without `/api/v2`.
    pub url: String,
    /// Where a bearer token for it is.
    pub token: Option<TokenSource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAlertmanager {
    url: String,
    token_file: Option<PathBuf>,
    token_command: Option<Vec<String>>,
    token_env: Option<String>,
}

impl TryFrom<RawAlertmanager> for AlertmanagerChannel {
    type Error = String;

    fn try_from(raw: RawAlertmanager) -> Result<Self, String> {
        let token = TokenSource::choose("token", raw.token_file, raw.token_command, raw.token_env)?;
        Ok(Self { url: raw.url, token })
    }
}

/// `type = "webhook"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawWebhook")]
pub struct WebhookChannel {
    /// Where it is.
    pub url: String,
    /// Where the secret is that bodies are signed with.
    pub secret: TokenSource,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWebhook {
    url: String,
    secret_file: Option<PathBuf>,
    secret_command: Option<Vec<String>>,
    secret_env: Option<String>,
}

impl TryFrom<RawWebhook> for WebhookChannel {
    type Error = String;

    fn try_from(raw: RawWebhook) -> Result<Self, String> {
        let secret =
            TokenSource::choose("secret", raw.secret_file, raw.secret_command, raw.secret_env)?;
        let secret = secret.ok_or("set one of secret_file, secret_command and secret_env")?;
        Ok(Self { url: raw.url, secret })
    }
}

impl ChannelSection {
    /// Its kind, as the settings call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Smtp(_) => "smtp",
            Self::Slack(_) => "slack",
            Self::Teams(_) => "teams",
            Self::Pagerduty(_) => "pagerduty",
            Self::Alertmanager(_) => "alertmanager",
            Self::Webhook(_) => "webhook",
        }
    }

    /// Where its secret is, if it needs one.
    pub fn secret(&self) -> Option<&TokenSource> {
        match self {
            Self::Smtp(section) => section.login.as_ref().map(|(_, password)| password),
            Self::Slack(section) | Self::Teams(section) => Some(&section.url),
            Self::Pagerduty(section) => Some(&section.key),
            Self::Alertmanager(section) => section.token.as_ref(),
            Self::Webhook(section) => Some(&section.secret),
        }
    }

    pub(super) fn resolve(&mut self, folder: &Path) {
        let source = match self {
            Self::Smtp(smtp) => {
                resolve(folder, &mut smtp.ca_file);
                smtp.login.as_mut().map(|(_, password)| password)
            }
            Self::Slack(hook) | Self::Teams(hook) => Some(&mut hook.url),
            Self::Pagerduty(duty) => Some(&mut duty.key),
            Self::Alertmanager(manager) => manager.token.as_mut(),
            Self::Webhook(hook) => Some(&mut hook.secret),
        };
        if let Some(source) = source {
            source.resolve(folder);
        }
    }
}
