//! E-mail.

use std::time::Duration;

use async_trait::async_trait;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use lifeboat::config::{MailSecurity, SmtpChannel};

use super::super::notice::Notice;
use super::super::text;
use super::{Channel, Undelivered, secret};

/// How long the server may take for each step.
const PATIENCE: Duration = Duration::from_secs(20);

/// The most characters of a subject.
const SUBJECT: usize = 200;

pub(super) struct Smtp(pub(super) SmtpChannel);

#[async_trait]
impl Channel for Smtp {
    async fn send(&self, notice: &Notice) -> Result<(), Undelivered> {
        let mail = message(&self.0, notice)?;
        let transport = self.transport().await?;
        match transport.send(mail).await {
            Ok(_) => Ok(()),
            // The server may be mended, or its rules: what it refuses today it may take tomorrow.
            Err(error) => Err(Undelivered::passing(explain(&error))),
        }
    }
}

impl Smtp {
    async fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, Undelivered> {
        let section = &self.0;
        let mut tls = TlsParameters::builder(section.host.clone());
        if let Some(path) = &section.ca_file {
            let failed = |error: &dyn std::fmt::Display| {
                Undelivered::passing(format!("{}: {error}", path.display()))
            };
            let pem = tokio::fs::read(path).await.map_err(|error| failed(&error))?;
            let certificate = Certificate::from_pem(&pem).map_err(|error| failed(&error))?;
            tls = tls.add_root_certificate(certificate);
        }
        let tls = tls.build().map_err(|error| Undelivered::passing(explain(&error)))?;
        let (tls, port) = match section.security {
            MailSecurity::Starttls => (Tls::Required(tls), 587),
            MailSecurity::Tls => (Tls::Wrapper(tls), 465),
            MailSecurity::None => (Tls::None, 25),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&section.host)
            .port(section.port.unwrap_or(port))
            .tls(tls)
            .timeout(Some(PATIENCE));
        if let Some((name, password)) = &section.login {
            let password = secret(password).await?;
            builder = builder.credentials(Credentials::new(name.clone(), password));
        }
        Ok(builder.build())
    }
}

/// The mail.
fn message(section: &SmtpChannel, notice: &Notice) -> Result<Message, Undelivered> {
    let address = |text: &str| {
        text.parse().map_err(|error| Undelivered::passing(format!("{text:?}: {error}")))
    };
    let mut builder = Message::builder()
        .from(address(&section.from)?)
        .subject(text::cut(&text::subject(notice), SUBJECT))
        .message_id(Some(format!("<{}@lifeboat>", notice.id)))
        .header(ContentType::TEXT_PLAIN);
    for to in &section.to {
        builder = builder.to(address(to)?);
    }
    let mail = builder.body(text::body(notice));
    let mut mail = mail.map_err(|error| Undelivered::passing(explain(&error)))?;
    // Nobody's "out of office" is to answer.
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    mail.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
    Ok(mail)
}

/// An error with its causes.
fn explain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        words = format!("{words}: {next}");
        cause = next.source();
    }
    words
}
