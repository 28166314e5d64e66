//! Alerts from the failure of a real run to real receivers: what each is given, and that nothing
//! is lost while one is away.

use std::path::Path;

use lifeboat_testkit::smtp::{Mail, Options, Security, Smtp};
use rcgen::{CertificateParams, KeyPair};
use ring::hmac;
use serde_json::Value;

use crate::formats::{self, Action, PagerDuty, PagerDutySeverity, PostableAlert, Slack, Teams};
use crate::receiver::Receiver;
use crate::support::{QUIET, Service};

const SECRET: &str = "a secret of the webhook";

/// A folder with the secrets of all channels.
fn secrets(receiver: &Receiver) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("slack.url", &receiver.url("slack"));
    write("teams.url", &receiver.url("teams"));
    write("pager.key", "0123456789abcdef0123456789abcdef");
    write("hook.secret", SECRET);
    write("ping.url", &receiver.url("ping/prune"));
    folder
}

/// Everything but e-mail.
fn channels(receiver: &Receiver) -> String {
    let (pager, manager, hook) = (receiver.url("pager"), receiver.url("am"), receiver.url("hook"));
    format!(
        "{QUIET}
        [alerts]
        group_wait = \"0s\"
        runbooks = \"https://wiki.example.com/runbooks/\"
        [alerts.channel.slack]
        type = \"slack\"
        url_file = \"slack.url\"
        [alerts.channel.teams]
        type = \"teams\"
        url_file = \"teams.url\"
        [alerts.channel.pager]
        type = \"pagerduty\"
        url = \"{pager}\"
        key_file = \"pager.key\"
        [alerts.channel.manager]
        type = \"alertmanager\"
        url = \"{manager}\"
        [alerts.channel.hook]
        type = \"webhook\"
        url = \"{hook}\"
        secret_file = \"hook.secret\"
        [ping.verify]
        url_file = \"ping.url\"
        "
    )
}

fn mail(server: &Smtp, more: &str) -> String {
    format!(
        "[alerts.channel.mail]
        type = \"smtp\"
        host = \"localhost\"
        port = {}
        from = \"Lifeboat <lifeboat@example.com>\"
        to = [\"disaster-recovery@example.com\", \"on-call-support@example.com\"]
        {more}
        [[alerts.contacts]]
        name = \"primary\"
        reach = \"disaster-recovery@example.com\"
        channels = [\"mail\"]
        [[alerts.contacts]]
        name = \"hotline\"
        reach = \"+1-555-123-4567\"
        after = \"1h\"
        ",
        server.address().port()
    )
}

/// A run of `verify` in an empty vault, which fails.
async fn fail(service: &Service) {
    let begun: Value = service.client.post("/api/v1/jobs/verify/run").await.unwrap();
    assert!(begun["run"].as_str().unwrap().starts_with("verify-"), "{begun}");
}

async fn alerts(service: &Service, all: bool) -> Vec<Value> {
    service.client.get(&format!("/api/v1/alerts?all={all}")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_reaches_every_receiver_in_the_format_that_it_publishes() {
    let receiver = Receiver::start().await;
    let service = Service::start_in(secrets(&receiver), &channels(&receiver)).await;
    fail(&service).await;

    let got = receiver.next(|got| got.path == "/ping/prune/start").await;
    assert!(got.body.contains("verify-1"), "{got:?}");
    // The channels are served side by side, in any order.
    let mut left: std::collections::BTreeSet<_> =
        ["/slack", "/teams", "/pager", "/am/api/v2/alerts", "/hook", "/ping"].into();
    while !left.is_empty() {
        let got = receiver.next(|_| true).await;
        match got.path.as_str() {
            "/slack" => {
                let message: Slack = formats::read(&got);
                message.check();
                assert!(message.text.contains("CRITICAL") && message.text.contains("verify-1"));
                assert!(got.body.contains("https://wiki.example.com/runbooks/job"), "{got:?}");
            }
            "/teams" => formats::read::<Teams>(&got).check(),
            "/pager" => {
                let event = formats::read::<PagerDuty>(&got).check();
                assert_eq!(event.routing_key, "0123456789abcdef0123456789abcdef");
                assert_eq!(event.event_action, Action::Trigger);
                assert_eq!(event.dedup_key, "lifeboat/job/verify");
                assert_eq!(event.payload.severity, PagerDutySeverity::Critical);
                assert!(event.payload.custom_details.unwrap().contains_key("What to do"));
            }
            "/am/api/v2/alerts" => {
                let alerts: Vec<PostableAlert> = formats::read(&got);
                assert_eq!(alerts.len(), 1);
                alerts[0].check();
                assert_eq!(alerts[0].labels["key"], "job/verify");
            }
            "/hook" => check_signature(&got),
            path if path.starts_with("/ping/prune/") => {
                assert_eq!(path, "/ping/prune/1", "the exit code");
                left.remove("/ping");
            }
            other => panic!("{other}"),
        }
        left.remove(got.path.as_str());
    }

    let open = alerts(&service, false).await;
    assert_eq!((open.len(), &open[0]["key"]), (1, &"job/verify".into()), "{open:?}");
    let metrics = service.ask("GET", "/metrics", &[]).await.body;
    assert!(metrics.contains("lifeboat_alerts{severity=\"critical\"} 1"), "{metrics}");
    let number = open[0]["number"].as_u64().unwrap();
    let route = format!("/api/v1/alerts/{number}/ack");
    let alert: Value = service.client.post(&route).await.unwrap();
    assert_eq!(alert["acknowledged"]["by"], "socket");
    let tested: Vec<Value> = service.client.post("/api/v1/alerts/test").await.unwrap();
    assert_eq!(tested.len(), 5);
    assert!(tested.iter().all(|tested| tested["error"].is_null()), "{tested:?}");
    let missing = service.client.post::<Value>("/api/v1/alerts/test?channel=fax").await;
    assert!(missing.unwrap_err().to_string().contains("no such channel"));
    let audit: Vec<Value> = service.client.get("/api/v1/audit").await.unwrap();
    assert!(audit.iter().any(|entry| entry["action"] == "ack"), "{audit:?}");
    service.stop().await;
}

/// As a receiver checks it: over the time and the body as they came.
fn check_signature(got: &crate::receiver::Got) {
    let header = got.headers["lifeboat-signature"].to_str().unwrap();
    let (time, tag) = header.split_once(",v1=").unwrap();
    let time = time.strip_prefix("t=").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = hex::decode(tag).unwrap();
    let signed = |body: &str| format!("{time}.{body}").into_bytes();
    hmac::verify(&key, &signed(&got.body), &tag).unwrap();
    assert!(hmac::verify(&key, &signed(&got.body.replace("job", "jab")), &tag).is_err());
    let document = got.json();
    assert_eq!(document["alerts"][0]["key"], "job/verify");
    assert_eq!(document["id"], got.headers["lifeboat-delivery"].to_str().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_delivered_outlives_the_process() {
    let receiver = Receiver::start().await;
    let (folder, settings) = (secrets(&receiver), channels(&receiver));
    let address = receiver.address;
    drop(receiver);
    let service = Service::start_in(folder, &settings).await;
    fail(&service).await;
    let failed = async {
        loop {
            let metrics = service.ask("GET", "/metrics", &[]).await.body;
            if metrics
                .contains("lifeboat_alert_deliveries_total{channel=\"hook\",outcome=\"failed\"}")
            {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(2), failed).await.unwrap();
    let folder = service.stop().await;
    let receiver = Receiver::start_at(address).await;
    let service = Service::start_in(folder, &settings).await;
    let got = receiver.next(|got| got.path == "/hook").await;
    check_signature(&got);
    service.stop().await;
}

async fn mailed(server: &Smtp, says: &str) -> Mail {
    for _ in 0..1200 {
        let mails = server.mails().unwrap();
        if let Some(mail) = mails.into_iter().find(|mail| mail.subject.contains(says)) {
            return mail;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("no mail says {says}: {:?}", server.mails())
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_over_tls_with_a_login_or_not_at_all() {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (params.self_signed(&key).unwrap().pem(), key.serialize_pem());
    for (security, name) in [(Security::Starttls, "starttls"), (Security::Tls, "tls")] {
        let server = Smtp::start(&Options {
            security,
            certificate: Some((&certificate, &key)),
            login: Some(("lifeboat", "p4ssw0rd of mail")),
            port: 0,
        })
        .await
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write =
            |path: &Path, text: &str| std::fs::write(folder.path().join(path), text).unwrap();
        write("ca.pem".as_ref(), &certificate);
        write("good".as_ref(), "p4ssw0rd of mail");
        write("wrong".as_ref(), "another");
        let more = |password: &str, ca: &str| {
            let more = format!(
                "security = \"{name}\"\nusername = \"lifeboat\"\npassword_file = \"{password}\"\n{ca}"
            );
            format!("{QUIET}\n[alerts]\ngroup_wait = \"0s\"\n{}", mail(&server, &more))
        };
        let ca = "ca_file = \"ca.pem\"";
        let service = Service::start_in(folder, &more("good", ca)).await;
        fail(&service).await;
        let mail = mailed(&server, "verify-1").await;
        assert!(mail.tls && mail.login.as_deref() == Some("lifeboat"), "{mail:?}");
        let receivers = ["disaster-recovery@example.com", "on-call-support@example.com"];
        assert_eq!(
            (mail.sender.as_str(), &*mail.receivers),
            ("lifeboat@example.com", &receivers.map(String::from)[..])
        );
        for says in ["Since:", "What to do:", "Runbook: job", "hotline: +1-555-123-4567"] {
            assert!(mail.text.contains(says), "{says}: {}", mail.text);
        }
        // A certificate that nobody vouches for, and a password that is wrong, are told.
        for (settings, says) in [(more("good", ""), "certificate"), (more("wrong", ca), "535")] {
            service.reload(&settings).await;
            service.event("settings-reloaded").await;
            let tested = async {
                loop {
                    let tested: Vec<Value> =
                        service.client.post("/api/v1/alerts/test").await.unwrap();
                    let error = tested[0]["error"].as_str().unwrap_or_default().to_lowercase();
                    assert!(!error.contains("p4ssw0rd"), "{error}");
                    if error.contains(says) {
                        break;
                    }
                }
            };
            tokio::time::timeout(std::time::Duration::from_mins(1), tested).await.expect(says);
        }
        service.stop().await;
    }
}
