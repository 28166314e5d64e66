//! S3 as people meet it: buckets that keep versions or lock them, and narrow rights.

use lifeboat_archive::Codec;
use lifeboat_testkit::s3::{Keeping, Key, S3, root};
use lifeboat_vault::{Attempt, Error};

use crate::support::{Sample, check_clean_up, check_whole, in_bucket, name};

/// Enough to make backups, and to see what is kept of them.
const WRITES: [&str; 4] = ["s3:PutObject", "s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"];

/// What is left of an attempt for comparison: a refusal's words are the store's.
fn outcome(attempt: &Attempt) -> &'static str {
    match attempt {
        Attempt::Refused(_) => "refused",
        Attempt::KeptAsVersion => "kept",
        Attempt::Lost => "lost",
    }
}

/// What somebody can take away who may do this: by overwriting, by deleting, by deleting versions.
async fn tried(s3: &S3, bucket: &str, who: Key) -> (&'static str, &'static str, &'static str) {
    let tried = in_bucket(s3, &format!("s3://{bucket}/p"), who).try_immutability().await.unwrap();
    eprintln!("{bucket}: {tried:?}");
    let harmless = tried.is_given();
    let erase = tried.erase.as_ref().map_or("not tried", outcome);
    let tried = (outcome(&tried.overwrite), outcome(&tried.delete), erase);
    assert_eq!(harmless, ![tried.0, tried.1, tried.2].contains(&"lost"));
    tried
}

#[tokio::test]
async fn what_can_be_taken_away_depends_on_the_bucket_and_the_rights() {
    let Some(s3) = S3::start().await.unwrap() else { return };
    let buckets = [
        ("plain", Keeping::Nothing),
        ("versions", Keeping::Versions),
        ("governed", Keeping::Governance),
        ("locked", Keeping::Compliance),
    ];
    for (bucket, keeping) in buckets {
        s3.create_bucket(bucket, keeping).await.unwrap();
    }
    let deletes = [&WRITES[..], &["s3:DeleteObject", "s3:DeleteObjectVersion"]].concat();
    let bypasses = [&deletes[..], &["s3:BypassGovernanceRetention"]].concat();
    for (rights, bucket, expected) in [
        (&WRITES[..], "plain", ("lost", "refused", "not tried")),
        (&WRITES[..], "versions", ("kept", "refused", "refused")),
        (&WRITES[..], "locked", ("kept", "refused", "refused")),
        (&deletes[..], "plain", ("lost", "lost", "not tried")),
        // Versions alone are no protection from who may delete them.
        (&deletes[..], "versions", ("kept", "kept", "lost")),
        (&deletes[..], "governed", ("kept", "kept", "refused")),
        (&deletes[..], "locked", ("kept", "kept", "refused")),
        // Nor is a lock from who may ignore it, unless it binds everybody.
        (&bypasses[..], "governed", ("kept", "kept", "lost")),
        (&bypasses[..], "locked", ("kept", "kept", "refused")),
    ] {
        let who = s3.key(rights).await.unwrap();
        assert_eq!(tried(&s3, bucket, who).await, expected, "{rights:?} in {bucket}");
    }
    assert_eq!(tried(&s3, "locked", root()).await, ("kept", "kept", "refused"));
    assert_eq!(tried(&s3, "governed", root()).await, ("kept", "kept", "lost"));
}

#[tokio::test]
async fn keys_of_narrow_rights() {
    let Some(s3) = S3::start().await.unwrap() else { return };
    s3.create_bucket("backups", Keeping::Compliance).await.unwrap();
    let good = in_bucket(&s3, "s3://backups", root());
    let key = s3.key(&WRITES).await.unwrap();
    let secrets = [key.secret.clone(), key.token.clone().unwrap()];
    let writer = in_bucket(&s3, "s3://backups", key);
    for second in 0..2 {
        Sample::new(&name(second), Codec::Zstd, 9_000_000).store(&writer).await.unwrap();
    }
    assert_eq!(check_whole(&writer).await, [name(1), name(0)]);
    assert!(writer.keeps_versions(&name(0)).await.unwrap());
    let probe = writer.probe().await;
    assert!(matches!(probe.create_only, Some(Ok(()))), "{probe:?}");
    assert!(matches!(probe.delete, Some(Err(Error::Denied { .. }))), "{probe:?}");
    let error = writer.remove(&name(0)).await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error:?}");
    for secret in secrets {
        assert!(!format!("{error} {error:?} {writer:?} {probe:?}").contains(&secret));
    }
    assert_eq!(check_whole(&writer).await, [name(1), name(0)]);

    // Who may delete removes it from the list, and what the writer had to leave. The lock does not
    // stand in the way: it keeps versions.
    good.remove(&name(0)).await.unwrap();
    check_clean_up(&good).await;
    assert_eq!(check_whole(&writer).await, [name(1)]);
    Sample::small(&name(0)).store(&writer).await.unwrap();
    assert_eq!(check_whole(&writer).await, [name(1), name(0)]);

    let reader = in_bucket(&s3, "s3://backups", s3.key(&WRITES[1..]).await.unwrap());
    assert_eq!(check_whole(&reader).await, [name(1), name(0)]);
    let error = reader.begin(&name(2), Codec::Zstd).await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error:?}");
    for (address, key) in
        [("s3://nowhere", root()), ("s3://backups", Key { secret: "another".to_owned(), ..root() })]
    {
        let error = in_bucket(&s3, address, key).check().await.unwrap_err();
        let told = error.is_vault_missing() || matches!(error, Error::Denied { .. });
        assert!(told && error.is_vault_missing() == address.ends_with("nowhere"), "{error:?}");
    }
}

#[tokio::test]
async fn many_writers_and_a_cleaner_at_once() {
    let Some(s3) = S3::start().await.unwrap() else { return };
    s3.create_bucket("backups", Keeping::Versions).await.unwrap();
    crate::race::race(&in_bucket(&s3, "s3://backups", root()), 6).await;
}
