//! What a trial restore has shown, and the certificate of one.

use std::time::Duration;

use jiff::Timestamp;
use lifeboat::format::Certificate;
use lifeboat::trial::TrialReport;
use serde::Serialize;

use super::place::Place;
use super::{foreign, pairs};
use crate::units;

/// A trial that succeeded.
#[derive(Debug, Serialize)]
pub(crate) struct Tried {
    message_type: &'static str,
    vault: String,
    #[serde(flatten)]
    place: Place,
    certificate: Certificate,
}

impl Tried {
    pub(crate) fn new(report: &TrialReport, vault: &str, place: Place) -> Self {
        Self {
            message_type: "summary",
            vault: vault.to_owned(),
            place,
            certificate: report.certificate.clone(),
        }
    }

    /// What a person reads.
    pub(crate) fn text(&self) -> String {
        let certificate = &self.certificate;
        let mut text = format!("{} was restored, and is what it was\n", certificate.backup);
        let mut lines: Vec<(String, String)> =
            certificate.steps.iter().map(|step| (step.name.clone(), took(step.ms))).collect();
        lines.push(("usable after".to_owned(), took(certificate.rto_ms)));
        text.push_str(&pairs(&lines));
        text.push_str("checked\n");
        text.push_str(&checks(certificate));
        text
    }
}

fn took(ms: u64) -> String {
    units::took(Duration::from_millis(ms))
}

fn checks(certificate: &Certificate) -> String {
    let lines: Vec<_> = certificate
        .checks
        .iter()
        .map(|check| (foreign(&check.name), foreign(&check.found)))
        .collect();
    pairs(&lines)
}

/// A certificate in one line, for `list`.
pub(crate) fn line(certificate: &Certificate, now: Timestamp) -> String {
    let age = units::age(now.duration_since(certificate.issued));
    format!("restored {age} ago in {}", took(certificate.rto_ms))
}

/// All of a certificate, for `show`.
pub(crate) fn text(certificate: &Certificate, now: Timestamp) -> String {
    let tool = &certificate.tool;
    let who = match &certificate.by.user {
        Some(user) => format!("{} on {}", foreign(user), foreign(&certificate.by.host)),
        None => foreign(&certificate.by.host),
    };
    let issued = certificate.issued.strftime("%Y-%m-%d %H:%M:%S UTC");
    let age = units::age(now.duration_since(certificate.issued));
    let mut lines = vec![
        ("restored", format!("{issued} ({age} ago), {}", foreign(&certificate.way))),
        ("usable after", took(certificate.rto_ms)),
        ("by", format!("{who}, with {} {}", foreign(&tool.name), foreign(&tool.version))),
    ];
    if let Some(server) = &certificate.server {
        lines.push(("into", format!("Neo4j {}", foreign(&server.version))));
    }
    format!("certificate\n{}{}", pairs(&lines), checks(certificate))
}

#[cfg(test)]
pub(crate) mod sample {
    use lifeboat::format::{Check, Digest, Issuer, ServerInfo, Tool, TrialStep};

    use super::Certificate;

    /// A certificate of the sample manifest.
    pub(crate) fn certificate() -> Certificate {
        let step = |name: &str, ms| TrialStep { name: name.to_owned(), ms };
        let check =
            |name: &str, found: &str| Check { name: name.to_owned(), found: found.to_owned() };
        Certificate {
            backup: "neo4j-backup-20261124-020000".parse().unwrap(),
            manifest: Digest::of(b"manifest"),
            issued: "2026-11-24T03:00:00Z".parse().unwrap(),
            tool: Tool { name: "lifeboat".to_owned(), version: "0.1.0".to_owned() },
            by: Issuer { user: Some("neo4j".to_owned()), host: "drill".to_owned() },
            way: "online".to_owned(),
            server: Some(ServerInfo {
                version: "5.26.18".to_owned(),
                edition: Some("community".to_owned()),
                bolt: Some("5.8".to_owned()),
            }),
            rto_ms: 64_500,
            steps: vec![step("verify archive", 400), step("restore", 64_100)],
            checks: vec![
                check("fingerprint", "0123456789abcdef0123456789abcdef"),
                check("invariant: \u{1b}[2J", "true"),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_was_shown() {
        let tried = Tried {
            message_type: "summary",
            vault: "/var/backups/neo4j".to_owned(),
            place: Place::default(),
            certificate: sample::certificate(),
        };
        let now = "2026-11-26T09:00:00Z".parse().unwrap();
        let text = [tried.text(), text(&tried.certificate, now), line(&tried.certificate, now)];
        insta::assert_snapshot!(text.concat());
        insta::assert_json_snapshot!(tried);
    }
}
