//! What `[alerts]` may say, and what it may not.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::{ChannelSection, Severity};
use crate::config::Config;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("/etc/lifeboat.toml")).map_err(|error| error.to_string())
}

const MAIL: &str = "
[alerts.channel.mail]
type = \"smtp\"
host = \"mail.example.com\"
from = \"lifeboat@example.com\"
to = [\"disaster-recovery@example.com\"]
";

#[test]
fn without_contacts_everybody_is_told_by_all_channels() {
    let alerts = parse(MAIL).unwrap().alerts;
    assert_eq!(alerts.contacts.len(), 1);
    assert_eq!(alerts.contacts[0].channels, ["mail"]);
    assert_eq!(alerts.repeat, Duration::from_hours(4));
    assert!(parse("").unwrap().alerts.contacts.is_empty());
}

#[test]
fn contacts_are_told_in_their_turn() {
    let text = format!(
        "{MAIL}
[alerts.channel.pager]
type = \"pagerduty\"
key_file = \"pager.key\"
[[alerts.contacts]]
name = \"primary\"
reach = \"disaster-recovery@example.com\"
channels = [\"mail\"]
[[alerts.contacts]]
name = \"secondary\"
channels = [\"mail\", \"pager\"]
after = \"30m\"
severity = \"critical\"
[[alerts.contacts]]
name = \"hotline\"
reach = \"+1-555-123-4567\"
after = \"1h\"
"
    );
    let alerts = parse(&text).unwrap().alerts;
    assert_eq!(alerts.contacts[1].after, Duration::from_mins(30));
    assert_eq!(alerts.contacts[1].severity, Severity::Critical);
    let ChannelSection::Pagerduty(pager) = &alerts.channels["pager"] else { panic!() };
    assert!(format!("{:?}", pager.key).contains("/etc/pager.key"), "beside the settings");
}

#[test]
fn what_makes_no_sense_is_refused_with_its_reason() {
    for (text, says) in [
        ("[alerts]\nrepeat = \"1m\"", "at least 5m"),
        ("[alerts.channel.a]\ntype = \"fax\"", "fax"),
        ("[alerts.channel.a]\ntype = \"slack\"", "url_file"),
        ("[alerts.channel.a]\ntype = \"slack\"\nurl = \"https://x\"", "url"),
        ("[[alerts.contacts]]\nname = \"a\"\nchannels = [\"b\"]", "no [alerts.channel.b]"),
        ("[[alerts.contacts]]\nname = \"a\"", "needs `channels`"),
        ("[alerts.quiet]\nfrom = \"22:00\"\nuntil = \"22:00\"", "are none"),
        ("[alerts.quiet]\nfrom = \"10pm\"\nuntil = \"22:00\"", "time of day"),
        ("[objectives]\nrto = \"0s\"", "cannot be met"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
    let clear =
        MAIL.replace("host", "security = \"none\"\nusername = \"a\"\npassword_env = \"P\"\nhost");
    assert!(parse(&clear).unwrap_err().contains("in the clear"));
}

#[test]
fn quiet_hours_end_in_their_zone() {
    let text = "[alerts.quiet]\nfrom = \"22:00\"\nuntil = \"07:00\"\nzone = \"Europe/Berlin\"";
    let quiet = parse(text).unwrap().alerts.quiet.unwrap();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let allows = |severity, text| quiet.allows_from(severity, at(text));
    // Berlin is an hour ahead of UTC in winter.
    let end = at("2026-11-26T06:00:00Z");
    assert_eq!(allows(Severity::Warning, "2026-11-25T21:00:00Z"), end);
    assert_eq!(allows(Severity::Warning, "2026-11-26T05:59:59Z"), end);
    for awake in ["2026-11-25T20:59:59Z", "2026-11-26T06:00:00Z"] {
        assert_eq!(allows(Severity::Warning, awake), at(awake));
    }
    let night = "2026-11-26T01:00:00Z";
    assert_eq!(allows(Severity::Critical, night), at(night));
}
