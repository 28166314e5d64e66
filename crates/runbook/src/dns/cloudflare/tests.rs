//! Against a small server that answers as the published interface does: Cloudflare is not here.

use lifeboat_testkit::dns::Dns;

use super::super::{Provider, Zone};
use super::*;
use crate::testing::{Answer, Server};

fn answer(result: &Value) -> Answer {
    let body = json!({ "success": true, "errors": [], "messages": [], "result": result });
    ("200 OK", vec![], body.to_string())
}

fn refused(status: &'static str, message: &str) -> Answer {
    let errors = json!([{ "code": 10000, "message": message }]);
    let body = json!({ "success": false, "errors": errors, "messages": [], "result": null });
    (status, vec![], body.to_string())
}

fn of(server: &Server) -> Cloudflare {
    Cloudflare {
        zone: "example.com".to_owned(),
        token_file: None,
        token_command: Some(vec!["echo".to_owned(), "SECRET".to_owned()]),
        endpoint: Some(server.endpoint.clone()),
    }
}

#[tokio::test]
async fn all_records_of_a_name_are_replaced_at_once() {
    let old = json!([
        { "id": "r1", "type": "A", "name": "www.example.com", "content": "192.0.2.1", "ttl": 60 },
        { "id": "r2", "type": "TXT", "name": "www.example.com", "content": "x", "ttl": 60 },
        { "id": "r3", "type": "AAAA", "name": "www.example.com", "content": "::1", "proxied": false },
    ]);
    let server = Server::script(vec![
        answer(&json!([{ "id": "z1", "name": "example.com" }])),
        answer(&old),
        answer(&json!({ "deletes": [], "posts": [] })),
    ])
    .await;
    let dns = Dns::start("example.com", &[("www", "192.0.2.1".parse().unwrap())], 5).unwrap();
    let zone = Zone {
        name: "www.example.com".to_owned(),
        ttl: Some(Duration::from_secs(30)),
        servers: vec![dns.address()],
        update: Provider::Cloudflare(of(&server)),
    };
    let target =
        Target::Addresses(vec!["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()]);
    // The server of the zone hears nothing of it, and that is told.
    let error = zone.point(&target, Duration::ZERO).await.unwrap_err().to_string();
    assert!(error.contains("192.0.2.7") && error.contains("192.0.2.1"), "{error}");
    let asked = server.asked();
    assert!(asked.iter().all(|request| request.has_token("SECRET")), "{asked:?}");
    let paths: Vec<&str> = asked.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/zones?name=example.com",
            "/zones/z1/dns_records?name=www.example.com&per_page=100",
            "/zones/z1/dns_records/batch"
        ]
    );
    let record = |kind: &str, content: &str| {
        json!({ "type": kind, "name": "www.example.com", "content": content, "ttl": 60,
            "proxied": false })
    };
    assert_eq!(
        asked[2].json(),
        json!({
            "deletes": [{ "id": "r1" }, { "id": "r3" }],
            "posts": [record("A", "192.0.2.7"), record("AAAA", "2001:db8::7")],
        })
    );
}

#[tokio::test]
async fn what_cannot_be_changed_is_told_without_the_token() {
    let zone = || answer(&json!([{ "id": "z1" }]));
    let proxied = json!([{ "id": "r1", "type": "CNAME", "proxied": true }]);
    let server = Server::script(vec![
        refused("403 Forbidden", "Authentication error"),
        answer(&json!([])),
        zone(),
        answer(&proxied),
        zone(),
        answer(&json!([])),
        refused("400 Bad Request", "DNS Validation Error"),
        ("502 Bad Gateway", vec![], "<html>".to_owned()),
    ])
    .await;
    let cloudflare = of(&server);
    let check = async || cloudflare.check("www.example.com").await.unwrap_err().to_string();
    let error = check().await;
    assert!(error.contains("Authentication error; give the token the right"), "{error}");
    assert!(!error.contains("SECRET"), "{error}");
    let error = check().await;
    assert!(error.contains("the token sees no zone example.com"), "{error}");
    let error = check().await;
    assert!(error.contains("www.example.com is proxied"), "{error}");
    let alias = Target::Alias("east.example.net".to_owned());
    let error = cloudflare.update("www.example.com", &alias, Duration::from_secs(90)).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("Cloudflare: 400 Bad Request: DNS Validation Error"), "{error}");
    let sent = server.asked().pop().unwrap().json();
    assert_eq!(
        (&sent["posts"][0]["type"], &sent["posts"][0]["ttl"]),
        (&"CNAME".into(), &90.into())
    );
    let error = check().await;
    assert!(error.contains("502 Bad Gateway"), "{error}");
}
