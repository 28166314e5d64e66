//! Azure DNS (<https://learn.microsoft.com/rest/api/dns/record-sets>).

use std::net::IpAddr;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::{DnsError, Target};
use crate::azure::{AzureError, Login};

/// The version of the interface.
const VERSION: &str = "2018-05-01";

/// A zone.
pub(super) struct Place<'a> {
    pub(super) subscription: &'a str,
    pub(super) resource_group: &'a str,
    pub(super) zone: &'a str,
}

fn failed(error: AzureError) -> DnsError {
    DnsError::Service { service: "Azure DNS", why: error.0 }
}

impl Place<'_> {
    fn path(&self, rest: &str) -> String {
        let Self { subscription, resource_group, zone } = self;
        format!(
            "/subscriptions/{subscription}/resourceGroups/{resource_group}/providers/\
             Microsoft.Network/dnsZones/{zone}{rest}?api-version={VERSION}"
        )
    }

    /// The part of a name before the zone.
    fn relative<'n>(&self, name: &'n str) -> Result<&'n str, DnsError> {
        let (name, zone) = (name.trim_end_matches('.'), self.zone.trim_end_matches('.'));
        if name.eq_ignore_ascii_case(zone) {
            return Ok("@");
        }
        let at = name.len().checked_sub(zone.len() + 1);
        at.filter(|at| name.is_char_boundary(*at) && name[at + 1..].eq_ignore_ascii_case(zone))
            .filter(|at| name.as_bytes()[*at] == b'.')
            .map(|at| &name[..at])
            .ok_or_else(|| DnsError::Wrong(format!("{name} is not in the zone {zone}")))
    }
}

pub(super) async fn check(
    login: &Login,
    subscription: &str,
    resource_group: &str,
    zone: &str,
) -> Result<(), DnsError> {
    let place = Place { subscription, resource_group, zone };
    match login.call(Method::GET, &place.path(""), None).await.map_err(failed)? {
        Some(_) => Ok(()),
        None => Err(DnsError::Wrong(format!("there is no zone {zone} in {resource_group}"))),
    }
}

pub(super) async fn update(
    login: &Login,
    place: &Place<'_>,
    name: &str,
    target: &Target,
    ttl: Duration,
) -> Result<(), DnsError> {
    let relative = place.relative(name)?;
    let ttl = ttl.as_secs();
    let (mut four, mut six) = (Vec::new(), Vec::new());
    if let Target::Addresses(all) = target {
        for address in all {
            match address {
                IpAddr::V4(address) => four.push(json!({ "ipv4Address": address })),
                IpAddr::V6(address) => six.push(json!({ "ipv6Address": address })),
            }
        }
    }
    let alias = match target {
        Target::Alias(alias) => Some(json!({ "cname": alias })),
        Target::Addresses(_) => None,
    };
    let sets = [
        ("A", (!four.is_empty()).then(|| json!({ "TTL": ttl, "ARecords": four }))),
        ("AAAA", (!six.is_empty()).then(|| json!({ "TTL": ttl, "AAAARecords": six }))),
        ("CNAME", alias.map(|alias| json!({ "TTL": ttl, "CNAMERecord": alias }))),
    ];
    // An alias cannot stand beside other records, so what goes, goes first.
    for (kind, _) in sets.iter().filter(|(_, set)| set.is_none()) {
        let path = place.path(&format!("/{kind}/{relative}"));
        login.call(Method::DELETE, &path, None).await.map_err(failed)?;
    }
    for (kind, properties) in &sets {
        if let Some(properties) = properties {
            let path = place.path(&format!("/{kind}/{relative}"));
            let body = json!({ "properties": properties });
            let answer = login.call(Method::PUT, &path, Some(&body)).await.map_err(failed)?;
            if answer.is_none() {
                return Err(DnsError::Wrong(format!("there is no zone {}", place.zone)));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_relative_to_its_zone() {
        let place = Place { subscription: "s", resource_group: "g", zone: "example.com" };
        assert_eq!(place.relative("app.example.com.").unwrap(), "app");
        assert_eq!(place.relative("a.b.Example.com").unwrap(), "a.b");
        assert_eq!(place.relative("example.com").unwrap(), "@");
        assert!(place.relative("badexample.com").is_err());
        assert!(place.relative("com").is_err());
    }
}
