//! The API over real sockets: who may do what, and what is answered.

use std::os::unix::fs::PermissionsExt as _;

use lifeboat_service::Error;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use serde_json::Value;

use crate::support::{QUIET, Service, exchange, tls};

const READER: &str = "reader-token-0123456789";
const OPERATOR: &str = "operator-token-0123456789";

/// A folder with two tokens, and settings that name them.
fn tokens() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("reader"), READER).unwrap();
    std::fs::write(folder.path().join("operator"), format!("{OPERATOR}\n")).unwrap();
    let settings = format!(
        "{QUIET}
        [service.token.grafana]
        rights = \"read\"
        token_file = \"reader\"
        [service.token.ann]
        rights = \"operate\"
        token_file = \"operator\"
        "
    );
    (folder, settings)
}

/// Every route of the document, with something in the place of its parameters.
fn routes() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(&lifeboat_service::api::document()).unwrap();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path =
            path.replace("{job}", "prune").replace("{run}", "prune-1").replace("{number}", "1");
        for method in methods.as_object().unwrap().keys() {
            routes.push((method.to_uppercase(), path.clone()));
        }
    }
    assert!(routes.len() >= 15, "{routes:?}");
    routes
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_but_health_answers() {
    let (folder, settings) = tokens();
    let service = Service::start_in(folder, &settings).await;
    let mut routes = routes();
    routes.push(("GET".to_owned(), "/nothing/here".to_owned()));
    routes.push(("DELETE".to_owned(), "/api/v1/jobs/prune".to_owned()));
    for (method, route) in &routes {
        let open = route == "/healthz" || route == "/readyz";
        let answer = service.ask(method, route, &[]).await;
        assert_eq!(answer.status, if open { 200 } else { 401 }, "{method} {route}: {answer:?}");
        for wrong in ["authorization: Bearer wrong-token-0123456789", "authorization: Basic eDp5"] {
            let answer = service.ask(method, route, &[wrong]).await;
            assert_eq!(answer.status, if open { 200 } else { 401 }, "{method} {route}");
            assert!(open || answer.head.contains("www-authenticate: bearer"), "{answer:?}");
        }
        let answer = service.bearing(READER, method, route).await;
        assert_eq!(answer.status == 403, method != "GET", "{method} {route}: {answer:?}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_runs_pauses_and_resumes_and_all_is_written_down() {
    let (folder, settings) = tokens();
    let service = Service::start_in(folder, &settings).await;
    let post = |action: &'static str| service.bearing(OPERATOR, "POST", action);
    let begun = post("/api/v1/jobs/prune/run").await;
    assert_eq!((begun.status, begun.json()["run"].as_str()), (202, Some("prune-1")));
    let ended = service.event("run-ended").await;
    assert_eq!(
        (&ended["run"]["id"], &ended["run"]["status"]),
        (&"prune-1".into(), &"succeeded".into())
    );
    let run = service.bearing(READER, "GET", "/api/v1/runs/prune-1").await.json();
    assert_eq!((&run["trigger"], &run["attempt"]), (&"request".into(), &1.into()));

    // There is no backup to verify.
    assert_eq!(post("/api/v1/jobs/verify/run").await.status, 202);
    let failed = loop {
        let run = service.bearing(READER, "GET", "/api/v1/runs?job=verify&limit=1").await.json();
        if run[0]["status"] == "failed" {
            break run[0].clone();
        }
    };
    assert!(failed["message"].as_str().unwrap().contains("no usable backup"), "{failed}");

    let paused = post("/api/v1/jobs/prune/pause").await.json();
    assert_eq!(paused["paused"]["by"], "token ann");
    assert_eq!(post("/api/v1/jobs/prune/resume").await.json()["paused"], Value::Null);
    for (action, status) in [("/api/v1/jobs/drill/run", 404), ("/api/v1/jobs/nothing/pause", 404)] {
        assert_eq!(post(action).await.status, status, "{action}");
    }
    service.bearing(READER, "POST", "/api/v1/jobs/prune/run").await;

    let audit = service.bearing(READER, "GET", "/api/v1/audit").await.json();
    let said: Vec<String> = audit
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let part = |name: &str| entry[name].as_str().unwrap().to_owned();
            format!("{} {} {}: {}", part("who"), part("action"), part("target"), part("outcome"))
        })
        .collect();
    assert_eq!(
        said,
        [
            "token grafana run prune: refused: no right to operate",
            "token ann run drill: the job drill is not configured; `lifeboat jobs list` shows which are",
            "token ann resume prune: done",
            "token ann pause prune: done",
            "token ann run verify: done",
            "token ann run prune: done",
        ]
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_this_machine_looks_and_the_socket_operates() {
    let service = Service::start(QUIET).await;
    assert_eq!(service.ask("GET", "/api/v1/status", &[]).await.status, 200);
    assert_eq!(service.ask("POST", "/api/v1/jobs/prune/run", &[]).await.status, 403);
    let rebound = service.ask("GET", "/api/v1/status", &["host: evil.example"]).await;
    assert_eq!(rebound.status, 403, "{rebound:?}");
    let begun: Value = service.client.post("/api/v1/jobs/prune/run").await.unwrap();
    assert_eq!(begun["run"], "prune-1");
    service.event("run-ended").await;
    let refused = service.client.post::<Value>("/api/v1/jobs/drill/run").await.unwrap_err();
    assert!(matches!(refused, Error::Refused { status: 404, .. }), "{refused:?}");
    let socket = service.folder.path().join("state/api.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    service.stop().await;
    assert!(!socket.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_answered_and_not_done() {
    let service = Service::start(&format!("[service]\nrate = 50\n{QUIET}")).await;
    for (method, route, headers, status) in [
        ("GET", "/api/v1/runs?limit=0", &[][..], 400),
        ("GET", "/api/v1/runs?limit=1001", &[], 400),
        ("GET", "/api/v1/runs?limit=x", &[], 400),
        ("GET", "/api/v1/runs?job=x", &[], 400),
        ("GET", "/api/v1/events?wait=31", &[], 400),
        ("GET", "/api/v1/events?after=-1", &[], 400),
        ("GET", "/api/v1/runs/%ff", &[], 400),
        ("GET", "/api/v1/runs/backup-1", &[], 404),
        ("GET", "/api/v1/nothing", &[], 404),
        ("HEAD", "/api/v1/status", &[], 200),
        ("GET", "/api/v1/status", &["content-length: 100000"], 413),
    ] {
        let answer = service.ask(method, route, headers).await;
        assert_eq!(answer.status, status, "{method} {route}: {answer:?}");
        if status >= 400 && method != "HEAD" && !route.contains("%ff") {
            assert!(answer.json()["error"].is_string(), "{answer:?}");
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        seen.insert(service.ask("GET", "/healthz", &[]).await.status);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [200, 429]);
    let status: Value = service.client.get("/api/v1/status").await.unwrap();
    assert_eq!(status["leading"], true, "the socket has no limit");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_what_happened_and_nothing_else() {
    let service = Service::start(QUIET).await;
    let metrics = async || service.ask("GET", "/metrics", &[]).await;
    let before = metrics().await;
    assert!(before.head.contains("content-type: application/openmetrics-text"), "{before:?}");
    assert!(!before.body.contains("last_success"), "{}", before.body);
    assert!(before.body.contains("\nlifeboat_leader 1.0\n"), "{}", before.body);
    assert!(before.body.contains("\nlifeboat_backups 0.0\n"), "{}", before.body);
    let _: Value = service.client.post("/api/v1/jobs/prune/run").await.unwrap();
    service.event("run-ended").await;
    let wanted = "lifeboat_job_runs_total{name=\"prune\",status=\"succeeded\"} 1\n";
    // The counters follow the events a moment later.
    let after = loop {
        let after = metrics().await;
        if after.body.contains(wanted) {
            break after;
        }
    };
    let success = "\nlifeboat_job_last_success_timestamp_seconds{name=\"prune\"} ";
    assert!(after.body.contains(success), "{}", after.body);
    assert!(after.body.ends_with("# EOF\n"), "{}", after.body);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_read_anew_and_bad_ones_refused() {
    let service = Service::start(QUIET).await;
    let next = async || {
        let job: Value = service.client.get("/api/v1/jobs/prune").await.unwrap();
        job["schedule"].as_str().unwrap().to_owned()
    };
    service.reload("[schedule.prune]\ncron = \"5 2 * *\"").await;
    let refused = service.event("settings-refused").await;
    let reason = refused["reason"].as_str().unwrap();
    assert!(reason.contains("line 4, schedule.prune.cron"), "{reason}");
    assert_eq!(next().await, "0 0 1 1 * UTC");
    service
        .reload("[schedule.prune]\ncron = \"5 2 * * *\"\n[schedule.verify]\nenabled = false")
        .await;
    service.event("settings-reloaded").await;
    assert_eq!(next().await, "5 2 * * * UTC");
    let gone = service.client.get::<Value>("/api/v1/jobs/verify").await.unwrap_err();
    assert!(matches!(gone, Error::Refused { status: 404, .. }), "{gone:?}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_known_is_known_after_a_new_start_and_without_the_file() {
    let service = Service::start(QUIET).await;
    let _: Value = service.client.post("/api/v1/jobs/prune/run").await.unwrap();
    service.event("run-ended").await;
    let _: Value = service.client.post("/api/v1/jobs/verify/pause").await.unwrap();
    let folder = service.stop().await;

    let service = Service::start_in(folder, QUIET).await;
    let runs: Vec<Value> = service.client.get("/api/v1/runs").await.unwrap();
    assert_eq!((runs.len(), &runs[0]["id"]), (1, &"prune-1".into()));
    let folder = service.stop().await;

    std::fs::remove_dir_all(folder.path().join("state")).unwrap();
    let service = Service::start_in(folder, QUIET).await;
    let status: Value = service.client.get("/api/v1/status").await.unwrap();
    let job = |name: &str| {
        let jobs = status["jobs"].as_array().unwrap();
        jobs.iter().find(|job| job["job"] == name).unwrap().clone()
    };
    assert!(job("prune")["last_success"].is_string(), "{status}");
    assert_eq!(job("verify")["paused"]["by"], "socket", "{status}");
    let begun: Value = service.client.post("/api/v1/jobs/prune/run").await.unwrap();
    assert_eq!(begun["run"], "prune-2", "numbers go on");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_lets_in_by_certificate_or_token() {
    let folder = tempfile::tempdir().unwrap();
    let own = |name: &str| {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        (certificate.pem(), Issuer::new(params, key))
    };
    let signed = |name: &str, purpose, issuer: &Issuer<'_, KeyPair>| {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
    };
    let (ca, issuer) = own("ca.example");
    let (_, stranger) = own("stranger.example");
    let server = signed("localhost", ExtendedKeyUsagePurpose::ServerAuth, &issuer);
    let client = signed("client", ExtendedKeyUsagePurpose::ClientAuth, &issuer);
    let foreign = signed("client", ExtendedKeyUsagePurpose::ClientAuth, &stranger);
    std::fs::write(folder.path().join("ca.pem"), &ca).unwrap();
    std::fs::write(folder.path().join("tls.pem"), &server.0).unwrap();
    std::fs::write(folder.path().join("tls.key"), &server.1).unwrap();
    std::fs::write(folder.path().join("reader"), READER).unwrap();
    let settings = format!(
        "[service]
        tls_cert_file = \"tls.pem\"
        tls_key_file = \"tls.key\"
        tls_client_ca_file = \"ca.pem\"
        tls_client_rights = \"operate\"
        [service.token.grafana]
        rights = \"read\"
        token_file = \"reader\"
        {QUIET}"
    );
    let service = Service::start_in(folder, &settings).await;
    let run = "/api/v1/jobs/prune/run";
    let known = tls(service.address, &ca, Some((&client.0, &client.1))).await.unwrap();
    assert_eq!(exchange(known, "POST", run, &[]).await.status, 202);
    let nobody = || async { tls(service.address, &ca, None).await.unwrap() };
    assert_eq!(exchange(nobody().await, "GET", "/api/v1/status", &[]).await.status, 401);
    assert_eq!(exchange(nobody().await, "GET", "/healthz", &[]).await.status, 200);
    let bearer = format!("authorization: Bearer {READER}");
    assert_eq!(exchange(nobody().await, "GET", "/api/v1/status", &[&bearer]).await.status, 200);
    assert_eq!(exchange(nobody().await, "POST", run, &[&bearer]).await.status, 403);
    // TLS 1.3 tells of a certificate that is refused after the handshake.
    if let Ok(stream) = tls(service.address, &ca, Some((&foreign.0, &foreign.1))).await {
        assert_eq!(exchange(stream, "GET", "/healthz", &[]).await.status, 0);
    }
    let audit: Vec<Value> = service.client.get("/api/v1/audit").await.unwrap();
    assert!(audit[1]["who"].as_str().unwrap().starts_with("certificate "), "{audit:?}");
    service.stop().await;
}
