//! Against a small server that answers as the published interface does: Azure itself is not here.

use std::time::Duration;

use lifeboat_testkit::dns::Dns;

use super::*;
use crate::platform::Platform;
use crate::testing::Server;

fn login(server: &Server) -> Login {
    Login {
        token_command: Some(vec!["echo".to_owned(), "SECRET".to_owned()]),
        client_id: None,
        endpoint: Some(server.endpoint.clone()),
    }
}

/// What was asked: method, address and body.
fn asked(server: &Server) -> Vec<String> {
    let line = |request: &crate::testing::Request| {
        let token = if request.has_token("SECRET") { "" } else { " (no token)" };
        let text = format!("{} {}{token} {}", request.method, request.path, request.body);
        text.trim().to_owned()
    };
    server.asked().iter().map(line).collect()
}

fn soon() -> (&'static str, String) {
    ("retry-after", "0".to_owned())
}

#[tokio::test]
async fn long_work_is_waited_for() {
    let server = Server::script(vec![
        ("429 Too Many Requests", vec![soon()], String::new()),
        ("202 Accepted", vec![soon(), ("location", "HERE/operations/1".to_owned())], String::new()),
        ("200 OK", vec![soon()], r#"{"status":"InProgress"}"#.to_owned()),
        ("200 OK", vec![], r#"{"status":"Succeeded"}"#.to_owned()),
    ])
    .await;
    login(&server).call(Method::POST, "/app/stop?api-version=1", None).await.unwrap().unwrap();
    assert_eq!(
        asked(&server),
        [
            "POST /app/stop?api-version=1",
            "POST /app/stop?api-version=1",
            "GET /operations/1",
            "GET /operations/1"
        ]
    );
}

#[tokio::test]
async fn what_fails_is_told_without_the_token() {
    let denied = r#"{"error":{"code":"AuthorizationFailed","message":"no right"}}"#.to_owned();
    let failed = r#"{"status":"Failed","error":{"code":"X","message":"it broke"}}"#.to_owned();
    let server = Server::script(vec![
        ("403 Forbidden", vec![], denied),
        ("404 Not Found", vec![], String::new()),
        ("200 OK", vec![], failed),
        (
            "202 Accepted",
            vec![("location", "http://elsewhere.example/x".to_owned())],
            String::new(),
        ),
    ])
    .await;
    let login = login(&server);
    let error = login.call(Method::GET, "/a", None).await.unwrap_err().0;
    assert!(error.contains("AuthorizationFailed: no right; give the identity a role"), "{error}");
    assert!(!error.contains("SECRET"));
    assert_eq!(login.call(Method::GET, "/b", None).await.unwrap(), None);
    let error = login.call(Method::GET, "/c", None).await.unwrap_err().0;
    assert!(error.contains("it broke"), "{error}");
    let error = login.call(Method::GET, "/d", None).await.unwrap_err().0;
    assert!(error.contains("another place"), "{error}");
    assert_eq!(asked(&server).len(), 4, "no token goes to another place");
}

#[tokio::test]
async fn an_app_is_given_its_image_and_keeps_the_rest() {
    let app = r#"{"properties":{"provisioningState":"Succeeded","runningStatus":"Running",
        "template":{"containers":[{"name":"api","image":"story:1","env":[{"name":"A"}]}],
        "scale":{"minReplicas":2}}}}"#;
    let after = app.replace("story:1", "story:2");
    let server = Server::script(vec![
        ("200 OK", vec![], app.to_owned()),
        ("200 OK", vec![], "{}".to_owned()),
        ("200 OK", vec![], "{}".to_owned()),
        ("200 OK", vec![], after.clone()),
        ("200 OK", vec![], after),
    ])
    .await;
    let platform = Platform::AzureContainerApps {
        subscription: "s".to_owned(),
        resource_group: "g".to_owned(),
        login: login(&server),
    };
    platform.deploy("api", "story:2", Duration::from_secs(30)).await.unwrap();
    let state = platform.state("api").await.unwrap();
    assert_eq!(state.image.as_deref(), Some("story:2"));
    assert_eq!((state.running, state.replicas), (true, Some(2)));
    let asked = asked(&server);
    let path = "/subscriptions/s/resourceGroups/g/providers/Microsoft.App/containerApps/api";
    assert_eq!(asked[0], format!("GET {path}?api-version=2025-01-01"));
    let patch = asked[1].strip_prefix(&format!("PATCH {path}?api-version=2025-01-01 ")).unwrap();
    let patch: Value = serde_json::from_str(patch).unwrap();
    let container = &patch["properties"]["template"]["containers"][0];
    assert_eq!(
        (&container["image"], &container["env"][0]["name"]),
        (&"story:2".into(), &"A".into())
    );
    assert!(asked[2].starts_with(&format!("POST {path}/start?")), "{asked:?}");
}

#[tokio::test]
async fn a_name_of_azure_dns_is_changed_in_order() {
    use crate::dns::{Provider, Target, Zone};
    let server = Server::script(vec![
        ("204 No Content", vec![], String::new()),
        ("404 Not Found", vec![], String::new()),
        ("200 OK", vec![], "{}".to_owned()),
        ("200 OK", vec![], "{}".to_owned()),
    ])
    .await;
    let dns = Dns::start("example.com", &[("www", "192.0.2.1".parse().unwrap())], 5).unwrap();
    let zone = Zone {
        name: "www.example.com".to_owned(),
        ttl: Some(Duration::from_secs(30)),
        servers: vec![dns.address()],
        update: Provider::Azure {
            subscription: "s".to_owned(),
            resource_group: "g".to_owned(),
            zone: "example.com".to_owned(),
            login: login(&server),
        },
    };
    let target = Target::Addresses(vec!["192.0.2.7".parse().unwrap()]);
    // The server of the zone hears nothing of it, and that is told.
    let error = zone.point(&target, Duration::ZERO).await.unwrap_err().to_string();
    assert!(error.contains("192.0.2.7") && error.contains("192.0.2.1"), "{error}");
    let asked = asked(&server);
    let path = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/dnsZones/example.com";
    assert_eq!(asked[0], format!("DELETE {path}/AAAA/www?api-version=2018-05-01"));
    assert_eq!(asked[1], format!("DELETE {path}/CNAME/www?api-version=2018-05-01"));
    let put = asked[2].strip_prefix(&format!("PUT {path}/A/www?api-version=2018-05-01 ")).unwrap();
    let put: Value = serde_json::from_str(put).unwrap();
    assert_eq!(put["properties"]["ARecords"][0]["ipv4Address"], "192.0.2.7");
    assert_eq!(put["properties"]["TTL"], 30);
}
