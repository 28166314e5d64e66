//! Transaction logs as both lines of Neo4j write them.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use lifeboat_bolt::{Access, Params, RunOptions};
use lifeboat_neo4j::txlog::{HEADER_SIZE, LogEnd, LogFolder, LogPosition, Stop, Transaction};
use lifeboat_testkit::neo4j::Neo4jOptions;
use lifeboat_testkit::{Line, Neo4j};

use crate::world::connect;

fn all(folder: &LogFolder) -> (Vec<Transaction>, LogEnd) {
    let version = folder.versions().unwrap()[0];
    let last_tx = folder.header(version).unwrap().unwrap().last_tx;
    let start = LogPosition { version, offset: HEADER_SIZE };
    let mut found = Vec::new();
    let each = |tx: &Transaction| {
        found.push(*tx);
        ControlFlow::Continue(())
    };
    let end = folder.transactions(start, last_tx, each).unwrap();
    (found, end)
}

fn golden(line: Line) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/txlog-{}", line.version()))
}

// The beginnings of logs: a new database, five or ten nodes of label A, three of label B. The
// older line's is whole and followed by zeros, the newer one's was cut within transaction 9.
#[test]
fn the_logs_that_were_kept_are_read() {
    for (line, ids, last_end, stop) in
        [(Line::Lts, 2..=11, 4851, Stop::End), (Line::Current, 2..=8, 4876, Stop::Unfinished)]
    {
        let folder = LogFolder::new(golden(line));
        let header = folder.header(0).unwrap().unwrap();
        assert_eq!((header.format, header.version, header.last_tx), (9, 0, 1));
        assert_eq!(header.store_format, "record-aligned-1.1");
        assert_eq!(header.store_id.len(), 32);
        let (found, end) = all(&folder);
        assert!(found.iter().map(|tx| tx.id).eq(ids.clone()), "{found:?}");
        assert_eq!((end.position.offset, end.stop), (last_end, stop));
        assert!(found.windows(2).all(|pair| pair[0].end == pair[1].start));
        // Times need not be in the order of the transactions.
        assert!(found[1].committed <= found[0].committed);
        let checkpoint = folder.checkpoint().unwrap().unwrap();
        assert_eq!(checkpoint.last_tx, 3);
        assert_eq!((checkpoint.position, checkpoint.replay_from), (found[1].end, found[1].end));
        // From the checkpoint on, the end is the same.
        assert_eq!(folder.end().unwrap(), end);
    }
}

#[test]
fn every_cut_of_a_kept_log_is_a_prefix() {
    let bytes = fs::read(golden(Line::Lts).join("neostore.transaction.db.0")).unwrap();
    let temp = tempfile::tempdir().unwrap();
    let folder = LogFolder::new(temp.path());
    fs::write(folder.file(0), &bytes).unwrap();
    let (whole, _) = all(&folder);
    for cut in (128..4851).step_by(7) {
        let mut torn = bytes.clone();
        torn[cut..].fill(0);
        fs::write(folder.file(0), &torn).unwrap();
        let (found, end) = all(&folder);
        let ends = whole.iter().take_while(|tx| tx.end.offset <= cut as u64).count();
        // A zero that was cut away was zero before.
        assert!(found.len() >= ends && whole.starts_with(&found), "cut at {cut}");
        assert_eq!(end.position.offset, found.last().map_or(HEADER_SIZE, |tx| tx.end.offset));
    }
}

#[test]
fn what_is_no_log_is_told() {
    let temp = tempfile::tempdir().unwrap();
    let folder = LogFolder::new(temp.path());
    let text = folder.end().unwrap_err().to_string();
    assert!(text.contains("holds no transaction log"), "{text}");
    let gone = LogFolder::new(temp.path().join("gone"));
    assert!(gone.end().unwrap_err().to_string().contains("cannot read"));
    fs::write(folder.file(0), [b'#'; 500]).unwrap();
    let text = folder.end().unwrap_err().to_string();
    assert!(text.contains("is not a transaction log"), "{text}");
}

/// What a server acknowledged, by bookmark, is what its log says, through rotations.
#[tokio::test(flavor = "multi_thread")]
async fn a_servers_log_says_what_it_acknowledged() {
    for line in Line::ALL {
        let options = Neo4jOptions::default().setting("db.tx_log.rotation.size", "128k");
        let mut server = Neo4j::start_with(line, options).await.unwrap();
        let path = server.home().join("data/transactions/neo4j");
        let folder = LogFolder::new(path);
        let mut connection = connect(&server).await;
        let write = RunOptions { access: Access::Write, ..RunOptions::default() };
        let mut acknowledged = Vec::new();
        let statements = [
            "CREATE (:N {n: 1, text: 'abc'})",
            "UNWIND range(1, 500) AS n CREATE (:N {n: n, text: 'some text ' + n})",
            "CREATE INDEX n IF NOT EXISTS FOR (n:N) ON (n.n)",
            "MATCH (n:N) WHERE n.n % 7 = 0 SET n.bytes = [1.5, 2.5], n.more = 'x'",
            "MATCH (a:N {n: 1}), (b:N {n: 2}) CREATE (a)-[:R {since: date()}]->(b)",
            "MATCH (n:N) WHERE n.n > 490 DETACH DELETE n",
        ];
        for round in 0..4 {
            for statement in statements {
                let before = now();
                let summary = connection.execute(statement, Params::None, &write).await.unwrap();
                let bookmark = summary.bookmark.unwrap().decoded().unwrap();
                acknowledged.push((bookmark.tx_id, before, now(), round));
            }
        }
        let (found, end) = all(&folder);
        assert!(folder.versions().unwrap().len() > 1, "the log was never rotated");
        assert_eq!(end.stop, Stop::End, "{line:?}");
        assert!(found.windows(2).all(|pair| pair[0].id + 1 == pair[1].id));
        for (id, before, after, round) in acknowledged {
            let tx = found.iter().find(|tx| tx.id == id).unwrap_or_else(|| panic!("{id}"));
            // A statement without effect commits nothing, and its bookmark is older.
            let fresh = round == 0 || tx.committed >= before;
            assert!(!fresh || (before..=after).contains(&tx.committed), "{id}: {tx:?}");
        }
        assert_eq!(folder.end().unwrap().position, end.position);
        // Killed, it loses nothing of it; nor does the log after the recovery.
        server.kill().unwrap();
        assert_eq!(all(&folder).0, found);
        server.restart().await.unwrap();
        server.query("CREATE (:N)").await.unwrap();
        let (more, _) = all(&folder);
        assert!(more.starts_with(&found) && more.len() > found.len());
        assert!(folder.checkpoint().unwrap().unwrap().last_tx >= end.last_tx);
        server.stop().await.unwrap();
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
