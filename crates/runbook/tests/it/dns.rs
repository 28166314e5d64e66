//! A name is changed at Knot, and read back by `kdig`.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use lifeboat_runbook::dns::{Target, Zone};
use lifeboat_runbook::sites::Sites;
use lifeboat_testkit::dns::{Dns, KEY_NAME};

const PATIENCE: Duration = Duration::from_secs(30);

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn zone(dns: &Dns, key: &Path, server: &str, key_name: &str) -> Zone {
    let at = dns.address();
    let text = format!(
        "[dns]\nname = \"www.{zone}\"\nttl = \"7s\"\nservers = [\"{at}\"]\n[dns.update]\n\
         kind = \"rfc2136\"\nserver = \"{server}\"\nzone = \"{zone}\"\nkey_name = \"{key_name}\"\n\
         key_file = \"{key}\"\n",
        zone = dns.zone(),
        key = key.display(),
    );
    Sites::parse(&text, Path::new("/nowhere/lifeboat.toml")).unwrap().dns.unwrap()
}

#[tokio::test]
async fn a_name_is_pointed_elsewhere_and_back() {
    let dns = Dns::start("example.test", &[("www", address("192.0.2.1"))], 5).unwrap();
    let key = dns.key_file().unwrap();
    let zone = zone(&dns, &key, &dns.address().to_string(), KEY_NAME);
    zone.check().await.unwrap();
    let answer = zone.read().await.unwrap();
    assert_eq!(answer.addresses, [address("192.0.2.1")]);
    assert_eq!(answer.ttl, Duration::from_secs(5));
    // Looking whether it can be changed has changed nothing.
    assert_eq!(dns.ask("www"), Some(vec![address("192.0.2.1")]));

    let target = Target::Addresses(vec![address("192.0.2.2"), address("192.0.2.3")]);
    let change = zone.point(&target, PATIENCE).await.unwrap();
    assert_eq!(change.old_ttl, Duration::from_secs(5));
    assert_eq!(change.servers, [dns.address()]);
    let mut found = dns.ask("www").unwrap();
    found.sort();
    assert_eq!(found, [address("192.0.2.2"), address("192.0.2.3")]);
    assert_eq!(zone.read().await.unwrap().ttl, Duration::from_secs(7));

    // Twice is the same as once, and what was there before leads back.
    zone.point(&target, PATIENCE).await.unwrap();
    let before = change.before.unwrap();
    assert_eq!(Target::parse(&before.to_text()), Some(before.clone()));
    zone.point(&before, PATIENCE).await.unwrap();
    assert_eq!(dns.ask("www"), Some(vec![address("192.0.2.1")]));

    // An address becomes an alias, and is one alone then.
    let alias = Target::Alias("elsewhere.example.test".to_owned());
    zone.point(&alias, PATIENCE).await.unwrap();
    let answer = zone.read().await.unwrap();
    assert_eq!(
        answer.alias.as_deref().map(|name| name.trim_end_matches('.')),
        Some("elsewhere.example.test")
    );
    zone.point(&before, PATIENCE).await.unwrap();
    assert_eq!(dns.ask("www"), Some(vec![address("192.0.2.1")]));
}

#[tokio::test]
async fn who_may_not_is_told_so_and_changes_nothing() {
    let dns = Dns::start("example.test", &[("www", address("192.0.2.1"))], 5).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong");
    std::fs::write(&wrong, "d3Jvbmcga2V5LCB3cm9uZyBrZXksIHdyb25nIGtleSE=").unwrap();
    let target = Target::Addresses(vec![address("192.0.2.9")]);
    let at = dns.address().to_string();
    for (key, name) in [(wrong.clone(), KEY_NAME), (dns.key_file().unwrap(), "stranger")] {
        let zone = zone(&dns, &key, &at, name);
        zone.check().await.unwrap_err();
        let error = zone.point(&target, PATIENCE).await.unwrap_err().to_string();
        assert!(error.contains("www.example.test") && error.contains(&at), "{error}");
        assert!(!error.contains("d3Jv"), "{error}");
    }
    assert_eq!(dns.ask("www"), Some(vec![address("192.0.2.1")]));
    // Nobody listens.
    let zone = zone(&dns, &dns.key_file().unwrap(), "127.0.0.1:1", KEY_NAME);
    let error = zone.point(&target, PATIENCE).await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1"), "{error}");
    // No base64.
    std::fs::write(&wrong, "not a key").unwrap();
    let error = self::zone(&dns, &wrong, &at, KEY_NAME).point(&target, PATIENCE).await.unwrap_err();
    assert!(!error.to_string().contains("not a key"), "{error}");
}
