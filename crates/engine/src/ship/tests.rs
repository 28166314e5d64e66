//! Shipping from logs on a disk into a vault in memory, and reading back.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bytes::Bytes;
use futures::FutureExt as _;
use lifeboat_neo4j::txlog::LogPosition;
use lifeboat_vault::{Area, VaultConfig};
use tempfile::TempDir;

use super::sample::{header, transaction};
use super::*;

/// A home with logs that a test writes.
struct World {
    temp: TempDir,
    vault: Vault,
}

impl World {
    fn new(name: &str) -> Self {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("data/transactions/neo4j")).unwrap();
        let vault =
            Vault::open(&VaultConfig::new(format!("memory://ship-{name}").parse().unwrap()));
        Self { temp, vault: vault.unwrap() }
    }

    fn log(&self, version: u64) -> PathBuf {
        let folder = self.temp.path().join("data/transactions/neo4j");
        folder.join(format!("neostore.transaction.db.{version}"))
    }

    fn write(&self, version: u64, parts: &[Vec<u8>]) {
        let mut bytes = parts.concat();
        bytes.resize(bytes.len() + 1000, 0);
        fs::write(self.log(version), bytes).unwrap();
    }

    fn options(&self) -> ShipOptions {
        ShipOptions { once: true, ..ShipOptions::new(self.vault.clone(), self.temp.path()) }
    }

    async fn ship_with(&self, options: ShipOptions) -> (Result<ShipReport>, Vec<Event>) {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let report = ship(options, &sender, &CancellationToken::new()).await;
        drop(sender);
        let mut events = Vec::new();
        while let Some(event) = receiver.recv().await {
            events.push(event);
        }
        (report, events)
    }

    async fn ship(&self) -> (ShipReport, Vec<Event>) {
        let (report, events) = self.ship_with(self.options()).await;
        (report.unwrap(), events)
    }

    fn area(&self) -> Area {
        self.vault.area(timeline::AREA).unwrap()
    }

    async fn timelines(&self) -> Vec<Timeline> {
        timelines(&self.vault).await.unwrap().remove("neo4j").unwrap_or_default()
    }

    /// Damages an object of segments, or takes it away.
    async fn harm(&self, key: &str, replacement: Option<Vec<u8>>) {
        self.area().delete(key).await.unwrap();
        if let Some(bytes) = replacement {
            assert!(self.area().create(key, &bytes.into()).await.unwrap());
        }
    }
}

/// Transactions of one log file, with where each ends.
fn log(version: u8, last_tx: u8, ids: std::ops::RangeInclusive<u64>) -> (Vec<Vec<u8>>, Vec<u64>) {
    let mut parts = vec![header(version, last_tx)];
    let mut ends = Vec::new();
    let mut end = 128;
    for id in ids {
        let part =
            transaction(id, time(id), &id.to_le_bytes().repeat(usize::try_from(id).unwrap()));
        end += part.len() as u64;
        ends.push(end);
        parts.push(part);
    }
    (parts, ends)
}

/// When a transaction was committed.
fn time(id: u64) -> i64 {
    1_700_000_000_000 + i64::try_from(id).unwrap() * 1000
}

#[expect(clippy::unnecessary_wraps, reason = "as a base has it")]
fn checksum(part: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(part[part.len() - 4..].try_into().unwrap()))
}

async fn replay(world: &World, base: &BaseLog, until: Until) -> Result<(Vec<LogPiece>, Reached)> {
    let mut replay =
        find_replay(&world.vault, base, until).await?.expect("the base has no timeline");
    let mut pieces = Vec::new();
    while let Some(piece) = replay.next().await? {
        pieces.push(piece);
    }
    Ok((pieces, replay.reached()))
}

/// The bytes of a log file that a replay gives, which are put behind those that the base has.
fn assemble(pieces: &[LogPiece], version: u64, base: &[u8]) -> Vec<u8> {
    let mut bytes = base.to_vec();
    for piece in pieces.iter().filter(|piece| piece.version == version) {
        assert_eq!(piece.offset, bytes.len() as u64, "pieces do not follow each other");
        bytes.extend_from_slice(&piece.bytes);
    }
    bytes
}

#[tokio::test]
async fn what_is_shipped_comes_back() {
    let world = World::new("back");
    let (parts, ends) = log(0, 1, 2..=40);
    // The base stands behind transaction 3.
    let base = BaseLog {
        database: "neo4j".into(),
        store_id: None,
        position: LogPosition { version: 0, offset: ends[1] },
        last_tx: 3,
        committed: None,
        checksum: checksum(&parts[2]),
    };
    world.write(0, &parts[..2]);
    let (_, events) = world.ship().await;
    assert!(matches!(events[1], Event::Timeline { reason: Reason::First, .. }), "{events:?}");
    for count in 3..=20 {
        world.write(0, &parts[..count]);
        world.ship().await;
    }
    // Rotation, and the old file is gone.
    let whole = parts.concat();
    fs::write(world.log(0), &whole).unwrap();
    let (next, _) = log(1, 40, 41..=60);
    world.write(1, &next);
    world.ship().await;
    fs::remove_file(world.log(0)).unwrap();
    let (report, events) = world.ship().await;
    assert_eq!((report.segments, events.len()), (0, 2), "{events:?}");
    assert_eq!(world.timelines().await.len(), 1);

    let old = &whole[..usize::try_from(ends[1]).unwrap()];
    for until in 3..=60 {
        for target in
            [Until::Tx(until), Until::Time(Timestamp::from_millisecond(time(until) + 500).unwrap())]
        {
            let (pieces, reached) = replay(&world, &base, target).await.unwrap();
            assert_eq!((reached.last_tx, reached.verified), (until, true), "{target:?}");
            let first = assemble(&pieces, 0, old);
            let end = usize::try_from(ends[usize::try_from(until.min(40)).unwrap() - 2]).unwrap();
            assert!(first == whole[..end], "{target:?}");
            if until > 40 {
                let second = assemble(&pieces, 1, &[]);
                let wanted = next[..=usize::try_from(until).unwrap() - 40].concat();
                assert!(second == wanted, "{target:?}");
            }
        }
    }
    let (_, reached) = replay(&world, &base, Until::Latest).await.unwrap();
    assert_eq!(reached.last_tx, 60);
    assert_eq!(reached.committed.unwrap().as_millisecond(), time(60));
    for (target, why) in [(61, "ends at transaction 60"), (2, "already holds transaction 3")] {
        let error = replay(&world, &base, Until::Tx(target)).await.unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    // A base of another history has no way on.
    let stranger = BaseLog { checksum: Some(7), ..base };
    assert!(find_replay(&world.vault, &stranger, Until::Latest).await.unwrap().is_none());
}

#[test]
fn a_timeline_begins_at_a_backup_from_which_the_log_leads_on() {
    let world = World::new("beginning");
    let (parts, ends) = log(0, 1, 2..=9);
    world.write(0, &parts);
    let folder = lifeboat_neo4j::txlog::LogFolder::new(world.log(0).parent().unwrap());
    let base = |offset, last_tx, checksum| BaseLog {
        database: "neo4j".into(),
        store_id: None,
        position: LogPosition { version: 0, offset },
        last_tx,
        committed: None,
        checksum,
    };
    let begins = |bases: Vec<BaseLog>| {
        let end = follow::beginning(&folder, bases).unwrap().unwrap();
        (end.position.offset, end.last_tx, end.last.map(|last| last.checksum))
    };
    let end = (ends[7], 9, checksum(&parts[8]));
    assert_eq!(begins(vec![]), end);
    assert_eq!(begins(vec![base(ends[2], 4, None)]), (ends[2], 4, checksum(&parts[3])));
    assert_eq!(begins(vec![base(128, 1, None)]), (128, 1, None));
    // Of another history, within a transaction, in a file that is gone, or beyond the end.
    let mut gone = base(ends[2], 4, None);
    gone.position.version = 7;
    let strangers =
        [base(ends[2], 5, None), base(ends[2], 4, Some(7)), base(ends[2] + 1, 4, None), gone];
    for stranger in strangers.into_iter().chain([base(ends[7] + 99, 9, None), base(128, 2, None)]) {
        assert_eq!(begins(vec![stranger.clone()]), end, "{stranger:?}");
        assert_eq!(begins(vec![stranger, base(ends[0], 2, None)]).1, 2);
    }
}

#[tokio::test]
async fn nothing_is_shipped_in_clear_to_a_vault_that_encrypts() {
    let mut world = World::new("encrypted");
    let pair = lifeboat_vault::KeyPair::encryption();
    let identity = pair.secret.expose().to_owned();
    let keys = lifeboat_vault::Keys::default().with_recipient(&pair.public).unwrap();
    let (parts, ends) = log(0, 1, 2..=30);
    let base = BaseLog {
        database: "neo4j".into(),
        store_id: None,
        position: LogPosition { version: 0, offset: ends[0] },
        last_tx: 2,
        committed: None,
        checksum: checksum(&parts[1]),
    };
    let open = world.vault.clone();
    world.vault = open.with_keys(keys.clone());
    for count in [2, 12, 30] {
        world.write(0, &parts[..count]);
        world.ship().await;
    }
    for chunk in world.timelines().await[0].runs().concat() {
        let (stored, _) = world.area().read(&chunk.key, 1 << 20).await.unwrap().unwrap();
        let clear = parts[29].windows(32).any(|part| stored.windows(32).any(|at| at == part));
        assert!(!clear && stored.windows(21).any(|at| at == b"age-encryption.org/v1"), "{chunk:?}");
    }
    // The shipper went on without a key that opens; a restore needs one.
    let error = replay(&world, &base, Until::Tx(20)).await.unwrap_err();
    assert!(error.to_string().contains("no key opens it"), "{error}");
    let keys = keys.with_identities(move || Ok(vec![identity.clone().into()]));
    world.vault = open.with_keys(keys);
    let (pieces, reached) = replay(&world, &base, Until::Tx(20)).await.unwrap();
    assert_eq!((reached.last_tx, reached.verified), (20, true));
    let old = &parts.concat()[..usize::try_from(ends[0]).unwrap()];
    let whole = assemble(&pieces, 0, old);
    assert!(whole == parts.concat()[..usize::try_from(ends[18]).unwrap()]);

    let passphrase =
        lifeboat_vault::Keys::default().with_passphrase("one for all".to_owned().into());
    world.vault = open.with_keys(passphrase);
    let error = world.ship_with(world.options()).await.0.unwrap_err();
    assert!(error.to_string().contains("passphrase alone"), "{error}");
    assert_eq!(error.exit_code(), crate::ExitCode::Usage);
}

#[tokio::test]
async fn packs_hold_the_same() {
    let world = World::new("packs");
    let (parts, ends) = log(0, 1, 2..=81);
    let base = BaseLog {
        database: "neo4j".into(),
        store_id: None,
        position: LogPosition { version: 0, offset: ends[20] },
        last_tx: 22,
        committed: None,
        checksum: checksum(&parts[21]),
    };
    for count in 1..=80 {
        world.write(0, &parts[..count]);
        world.ship().await;
    }
    let before = replay(&world, &base, Until::Latest).await.unwrap();
    let chunks = world.timelines().await[0].chunks.clone();
    let mut going = find_replay(&world.vault, &base, Until::Latest).await.unwrap().unwrap();
    let first = going.next().await.unwrap().unwrap();
    let packed = pack(&world.vault).await.unwrap();
    assert!(packed.objects >= 32 && packed.packs == 1, "{packed:?}");
    assert!(world.timelines().await[0].chunks.len() < 30);
    // A replay that is under way goes on.
    let mut pieces = vec![first];
    while let Some(piece) = going.next().await.unwrap() {
        pieces.push(piece);
    }
    assert!(
        assemble(&pieces, 0, &parts.concat()[..usize::try_from(ends[20]).unwrap()])
            == parts[..80].concat()
    );
    let join =
        |pieces: &[LogPiece]| pieces.iter().flat_map(|p| p.bytes.to_vec()).collect::<Vec<_>>();
    let after = replay(&world, &base, Until::Latest).await.unwrap();
    assert_eq!((join(&before.0), before.1), (join(&after.0), after.1));
    // What an interrupted packing leaves does no harm, and goes.
    let old = &chunks[3];
    let pack_key = world.timelines().await[0].chunks[0].key.clone();
    let (bytes, _) = world.area().read(&pack_key, 1 << 20).await.unwrap().unwrap();
    let one = segment::length(&bytes).unwrap();
    assert!(world.area().create(&old.key, &bytes.slice(..one)).await.unwrap());
    assert_eq!(pack(&world.vault).await.unwrap().leftovers, 1);
    // The shipper finds its end.
    world.write(0, &parts);
    let (report, _) = world.ship().await;
    assert_eq!((report.segments, world.timelines().await.len()), (1, 1));
    // Retention: nothing before the base is needed.
    let dry = drop_unneeded(&world.vault, std::slice::from_ref(&base), true).await.unwrap();
    let needed = world.timelines().await[0].chunks.len();
    let dropped = drop_unneeded(&world.vault, std::slice::from_ref(&base), false).await.unwrap();
    assert_eq!(dry, dropped);
    assert_eq!(
        world.timelines().await[0].chunks.len(),
        needed - usize::try_from(dropped.objects).unwrap()
    );
    assert_eq!(replay(&world, &base, Until::Latest).await.unwrap().1.last_tx, 81);
    // Without a base the newest timeline stays.
    assert_eq!(drop_unneeded(&world.vault, &[], false).await.unwrap().objects, 0);
}

#[tokio::test]
async fn a_log_that_does_not_go_on_begins_a_timeline() {
    let world = World::new("timelines");
    let (parts, ends) = log(0, 1, 2..=9);
    world.write(0, &parts[..6]);
    world.ship().await;
    world.write(0, &parts[..8]);
    world.ship().await;
    // Restored to transaction 5, and others follow.
    let mut other = parts[..5].to_vec();
    other.push(transaction(6, time(6), b"another"));
    world.write(0, &other);
    let (_, events) = world.ship().await;
    let diverged =
        |event: &Event| matches!(event, Event::Timeline { reason: Reason::Diverged, .. });
    assert!(events.iter().any(diverged), "{events:?}");
    other.push(transaction(7, time(7), b"seven"));
    world.write(0, &other);
    world.ship().await;
    let all = world.timelines().await;
    assert_eq!(all.len(), 2);
    // A base of the old one leads to the old end, one of the new to the new.
    let base = |id: u64, part: &[u8], offset| BaseLog {
        database: "neo4j".into(),
        store_id: None,
        position: LogPosition { version: 0, offset },
        last_tx: id,
        committed: None,
        checksum: checksum(part),
    };
    let old = base(6, &parts[5], ends[4]);
    assert_eq!(replay(&world, &old, Until::Latest).await.unwrap().1.last_tx, 8);
    let end = other[..6].concat().len() as u64;
    let new = base(6, &other[5], end);
    assert_eq!(replay(&world, &new, Until::Latest).await.unwrap().1.last_tx, 7);
    // Pruned before it was shipped.
    fs::remove_file(world.log(0)).unwrap();
    world.write(3, &log(3, 20, 21..=22).0);
    let (_, events) = world.ship().await;
    let pruned = |event: &Event| matches!(event, Event::Timeline { reason: Reason::Pruned, .. });
    assert!(events.iter().any(pruned), "{events:?}");
    // Another store.
    let mut foreign = header(0, 1);
    foreign[30] = 99;
    fs::remove_file(world.log(3)).unwrap();
    world.write(0, &[foreign]);
    let (_, events) = world.ship().await;
    let replaced =
        |event: &Event| matches!(event, Event::Timeline { reason: Reason::OtherStore, .. });
    assert!(events.iter().any(replaced), "{events:?}");
    // Timelines without a base go, but for the newest.
    let dropped = drop_unneeded(&world.vault, &[new], false).await.unwrap();
    assert_eq!(dropped.timelines.len(), 2, "{dropped:?}");
    assert_eq!(world.timelines().await.len(), 2);
}

#[tokio::test]
async fn harm_names_what_can_be_recovered() {
    let world = World::new("harm");
    let (parts, ends) = log(0, 1, 2..=12);
    for count in 1..=11 {
        world.write(0, &parts[..count]);
        world.ship().await;
    }
    let position = LogPosition { version: 0, offset: ends[0] };
    let base = BaseLog {
        database: "neo4j".into(),
        store_id: None,
        position,
        last_tx: 2,
        committed: None,
        checksum: None,
    };
    let timeline = world.timelines().await.remove(0);
    let chunk = timeline.chunks[6].clone();
    let (bytes, _) = world.area().read(&chunk.key, 1 << 20).await.unwrap().unwrap();
    let last = segment::peek(&bytes).unwrap().transactions.last;
    let mut flipped = bytes.to_vec();
    flipped[200] ^= 1;
    for harm in [Some(flipped), None] {
        let missing = harm.is_none();
        world.harm(&chunk.key, harm).await;
        // Up to there all is well.
        let (_, reached) = replay(&world, &base, Until::Tx(last - 1)).await.unwrap();
        assert_eq!(reached.last_tx, last - 1);
        let behind = Timestamp::from_millisecond(time(last)).unwrap();
        for until in [Until::Latest, Until::Tx(last + 2), Until::Time(behind)] {
            let text = replay(&world, &base, until).await.unwrap_err().to_string();
            let window = format!("up to transaction {}, committed ", last - 1);
            assert!(text.contains(&window), "{text}");
            assert!(!missing || text.contains("lacks segment 6 of timeline"), "{text}");
        }
        let before = Timestamp::from_millisecond(time(last - 1) - 1).unwrap();
        let (_, reached) = replay(&world, &base, Until::Time(before)).await.unwrap();
        assert_eq!(reached.last_tx, last - 2);
        if missing {
            let base = Base {
                name: "base".parse().unwrap(),
                created: Timestamp::UNIX_EPOCH,
                logs: vec![base.clone()],
            };
            let windows = windows(&world.vault, &[base]).await.unwrap();
            assert_eq!(windows.len(), 1);
            assert_eq!((windows[0].first_tx, windows[0].last_tx), (2, last - 1));
            assert_eq!(windows[0].gap, Some(Gap { from: chunk.first, to: chunk.first }));
        }
    }
    // The shipper goes on behind it.
    world.harm(&chunk.key, Some(bytes.to_vec())).await;
}

#[tokio::test]
async fn a_damaged_end_is_shipped_again() {
    let world = World::new("end");
    let (parts, ends) = log(0, 1, 2..=14);
    for count in 1..=8 {
        world.write(0, &parts[..count]);
        world.ship().await;
    }
    let base = BaseLog {
        database: "neo4j".into(),
        store_id: None,
        position: LogPosition { version: 0, offset: ends[0] },
        last_tx: 2,
        committed: None,
        checksum: None,
    };
    let newest = async || world.timelines().await.pop().unwrap().runs().concat().pop().unwrap();
    let nonsense = || Some(b"LBSEG nonsense".to_vec());
    let replaced = |events: &[Event]| {
        events.iter().filter(|event| matches!(event, Event::Replaced { .. })).count()
    };
    let begun = |events: &[Event]| {
        events.iter().find_map(|event| match event {
            Event::Timeline { reason, .. } => Some(*reason),
            _ => None,
        })
    };
    // Nothing is lost: the server still has what follows the last good segment.
    let end = newest().await;
    world.harm(&end.key, nonsense()).await;
    for until in [Until::Latest, Until::Tx(8)] {
        let text = replay(&world, &base, until).await.unwrap_err().to_string();
        assert!(text.contains("damaged") && text.contains("up to transaction 7, "), "{text}");
    }
    assert_eq!(replay(&world, &base, Until::Tx(7)).await.unwrap().1.last_tx, 7);
    world.write(0, &parts[..10]);
    let (_, events) = world.ship().await;
    assert_eq!((replaced(&events), begun(&events)), (1, None), "{events:?}");
    assert!(newest().await.key.ends_with(&format!("{0:012}-{0:012}.pack", end.first)));
    world.write(0, &parts[..11]);
    world.ship().await;
    let (pieces, reached) = replay(&world, &base, Until::Latest).await.unwrap();
    assert_eq!(reached.last_tx, 11);
    let whole = parts.concat();
    let at = |end: usize| usize::try_from(ends[end]).unwrap();
    assert!(assemble(&pieces, 0, &whole[..at(0)]) == whole[..at(9)]);
    // The damaged object goes with the next packing.
    assert_eq!(pack(&world.vault).await.unwrap().leftovers, 1);
    assert_eq!(replay(&world, &base, Until::Latest).await.unwrap().1.last_tx, 11);
    // Two in a row are no end to go on from.
    let chunks = world.timelines().await[0].runs().concat();
    for chunk in &chunks[chunks.len() - 2..] {
        world.harm(&chunk.key, nonsense()).await;
    }
    world.write(0, &parts[..12]);
    let (_, events) = world.ship().await;
    assert_eq!((replaced(&events), begun(&events)), (0, Some(Reason::Broken)), "{events:?}");
    // The first of a timeline is shipped again too; not what was shipped again already.
    world.write(0, &parts);
    world.ship().await;
    for (again, begins) in [(1, None), (0, Some(Reason::Broken))] {
        world.harm(&newest().await.key, nonsense()).await;
        let (_, events) = world.ship().await;
        assert_eq!((replaced(&events), begun(&events)), (again, begins), "{events:?}");
    }
    // Nor what the server has no more.
    world.write(1, &log(1, 14, 15..=16).0);
    world.ship().await;
    world.harm(&newest().await.key, nonsense()).await;
    for version in [0, 1] {
        fs::remove_file(world.log(version)).unwrap();
    }
    world.write(3, &log(3, 20, 21..=22).0);
    let (_, events) = world.ship().await;
    assert_eq!((replaced(&events), begun(&events)), (0, Some(Reason::Pruned)), "{events:?}");
}

#[tokio::test]
async fn only_one_ships() {
    let world = World::new("lease");
    world.write(0, &log(0, 1, 2..=3).0);
    let lease = world.vault.acquire_lease(LEASE, "is another", LEASE_TTL).await.unwrap();
    let (result, _) = world.ship_with(world.options()).await;
    let error = result.unwrap_err();
    assert_eq!(error.exit_code(), crate::ExitCode::Locked);
    assert!(error.to_string().contains("is another"), "{error}");
    let ttl = Duration::from_millis(300);
    let waiting = ShipOptions { wait: true, lease_ttl: ttl, ..world.options() };
    let (shipped, released) = tokio::join!(world.ship_with(waiting), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        lease.release().await
    });
    released.unwrap();
    assert!(matches!(shipped.1[0], Event::Waiting { .. }), "{:?}", shipped.1);
    assert_eq!(shipped.0.unwrap().segments, 0, "the timeline began at the end");
    // Given back.
    assert!(world.vault.lease_holder(LEASE).await.unwrap().is_none());
    let empty = tempfile::tempdir().unwrap();
    let options = ShipOptions { home: empty.path().to_owned(), ..world.options() };
    let error = world.ship_with(options).await.0.unwrap_err();
    assert!(matches!(error, Error::Ship(ShipError::NoLogs { .. })), "{error}");
}

/// Bases that are only said to be taken, at the end of the log as it is.
#[derive(Debug)]
struct Pretend {
    folder: PathBuf,
    taken: Mutex<Vec<(BaseReason, Base)>>,
}

impl Bases for Pretend {
    fn take(&self, reason: BaseReason, _: CancellationToken) -> BoxFuture<'_, Result<BackupName>> {
        async move {
            let end = lifeboat_neo4j::txlog::LogFolder::new(&self.folder).end().unwrap();
            let mut taken = self.taken.lock().unwrap();
            let name: BackupName = format!("base-{}", taken.len()).parse().unwrap();
            let log = BaseLog {
                database: "neo4j".into(),
                store_id: None,
                position: end.position,
                last_tx: end.last_tx,
                committed: None,
                checksum: end.last.map(|last| last.checksum),
            };
            let base = Base { name: name.clone(), created: Timestamp::now(), logs: vec![log] };
            taken.push((reason, base));
            Ok(name)
        }
        .boxed()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Base>>> {
        let taken = self.taken.lock().unwrap();
        let bases = taken.iter().rev().map(|(_, base)| base.clone()).collect();
        async move { Ok(bases) }.boxed()
    }
}

#[tokio::test]
async fn bases_are_taken_when_they_are_due() {
    let world = World::new("bases");
    let folder = world.temp.path().join("data/transactions/neo4j");
    let bases = Arc::new(Pretend { folder, taken: Mutex::default() });
    let options = |every, after| ShipOptions {
        bases: Some(Arc::clone(&bases) as Arc<dyn Bases>),
        base_every: every,
        base_after: after,
        ..world.options()
    };
    let day = Duration::from_hours(24);
    let reasons = || -> Vec<BaseReason> {
        bases.taken.lock().unwrap().iter().map(|(reason, _)| *reason).collect()
    };
    let (parts, _) = log(0, 1, 2..=9);
    world.write(0, &parts[..4]);
    world.ship_with(options(day, 1 << 30)).await.0.unwrap();
    assert_eq!(reasons(), [BaseReason::NewTimeline]);
    world.write(0, &parts[..6]);
    world.ship_with(options(day, 1 << 30)).await.0.unwrap();
    assert_eq!(reasons().len(), 1, "the one there is leads on");
    world.ship_with(options(day, 10)).await.0.unwrap();
    assert_eq!(reasons()[1..], [BaseReason::LongReplay]);
    world.ship_with(options(Duration::ZERO, 1 << 30)).await.0.unwrap();
    assert_eq!(reasons()[2..], [BaseReason::Schedule]);
    // The newest base is of a history that was given up: another is needed, though it seems to
    // stand at the right place.
    let mut other = parts[..5].to_vec();
    other.push(transaction(6, time(6), b"another"));
    world.write(0, &other);
    world.ship_with(options(day, 1 << 30)).await.0.unwrap();
    assert_eq!(reasons()[3..], [BaseReason::NewTimeline]);
    other.push(transaction(7, time(7), &[1; 300]));
    world.write(0, &other);
    world.ship_with(options(day, 1 << 30)).await.0.unwrap();
    assert_eq!(reasons().len(), 4);
    // Taken in the future, by a clock that was set back since.
    bases.taken.lock().unwrap()[3].1.created += SignedDuration::from_hours(2);
    world.ship_with(options(day, 1 << 30)).await.0.unwrap();
    assert_eq!(reasons()[4..], [BaseReason::Schedule]);
}

#[tokio::test]
async fn a_clock_that_was_moved_misleads_nobody() {
    let world = World::new("clock");
    // An hour back before transaction 6, three ahead before 9.
    let clock = |id| {
        let moved = match id {
            ..6 => 0,
            6..9 => -3_600_000,
            _ => 7_200_000,
        };
        time(id) + moved
    };
    let mut parts = vec![header(0, 1)];
    parts.extend((2..=11).map(|id| transaction(id, clock(id), b"commands")));
    for count in 1..=parts.len() {
        world.write(0, &parts[..count]);
        world.ship().await;
    }
    assert_eq!(world.timelines().await.len(), 1);
    let base = BaseLog {
        database: "neo4j".into(),
        store_id: None,
        position: LogPosition { version: 0, offset: parts[..2].concat().len() as u64 },
        last_tx: 2,
        committed: None,
        checksum: checksum(&parts[1]),
    };
    let reached = async |until| replay(&world, &base, until).await.unwrap().1.last_tx;
    assert_eq!(reached(Until::Latest).await, 11);
    for id in 2..=11 {
        assert_eq!(reached(Until::Tx(id)).await, id);
    }
    // Nothing that says it is later is in it, and nothing that came after such a transaction.
    for (id, last) in [(4, 4), (5, 8), (7, 2), (10, 10)] {
        let time = Timestamp::from_millisecond(clock(id)).unwrap();
        assert_eq!(reached(Until::Time(time)).await, last, "as of transaction {id}");
    }
}

#[tokio::test]
async fn an_outage_is_waited_out() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("vault");
    let vault = Vault::open(&VaultConfig::new(lifeboat_vault::Address::Folder(folder.clone())));
    let world = World { vault: vault.unwrap(), ..World::new("outage") };
    let (parts, _) = log(0, 1, 2..=30);
    world.write(0, &parts[..2]);
    let interval = Duration::from_millis(20);
    let options = ShipOptions { once: false, interval, ..world.options() };
    let (sender, mut events) = mpsc::unbounded_channel();
    let cancel = CancellationToken::new();
    let (stop, at_work) = (cancel.clone(), options.clone());
    let shipper = tokio::spawn(async move { ship(at_work, &sender, &stop).await });
    let mut wait_for = async |wanted: fn(&Event) -> bool| {
        while let Some(event) = events.recv().await {
            if wanted(&event) {
                return event;
            }
        }
        panic!("the shipper has ended");
    };
    wait_for(|event| matches!(event, Event::Timeline { .. })).await;
    // The vault is gone, and nobody makes another in its place.
    fs::rename(&folder, temp.path().join("away")).unwrap();
    world.write(0, &parts[..10]);
    wait_for(|event| matches!(event, Event::Trouble { .. })).await;
    world.write(0, &parts[..20]);
    assert!(!folder.exists());
    fs::rename(temp.path().join("away"), &folder).unwrap();
    wait_for(|event| matches!(event, Event::Shipped { last_tx: 20, .. })).await;
    wait_for(|event| matches!(event, Event::Recovered)).await;
    // The last words before it ends are shipped too.
    world.write(0, &parts);
    cancel.cancel();
    let error = shipper.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error}");
    assert!(world.vault.lease_holder(LEASE).await.unwrap().is_none());
    let timeline = world.timelines().await.remove(0);
    assert_eq!(timeline.tail().await.unwrap().unwrap().header.transactions.last, 30);
    let whole: Vec<Bytes> = read_all(&timeline).await;
    assert!(whole.concat() == parts.concat()[128 + parts[1].len()..]);
}

async fn read_all(timeline: &Timeline) -> Vec<Bytes> {
    let mut all = Vec::new();
    for chunk in timeline.runs().concat() {
        for segment in timeline.read(&chunk).await.unwrap().unwrap() {
            all.push(segment.raw(timeline.area().vault().keys()).unwrap().into());
        }
    }
    all
}

#[test]
fn what_is_no_database_is_passed_over() {
    let temp = tempfile::tempdir().unwrap();
    let names = |path: &Path| databases(path).unwrap();
    assert!(names(&temp.path().join("missing")).is_empty());
    fs::create_dir(temp.path().join("system")).unwrap();
    fs::write(temp.path().join("file"), "").unwrap();
    assert_eq!(names(temp.path()), ["system"]);
}
